use std::collections::BTreeSet;
use std::fmt;

use super::pattern::Pattern;
use super::token::{is_bare, is_keyword};

/// A condition on a server, in canonical form: operands are in order, none stands there twice, and
/// no operator is the direct operand of its like.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// Some label has the key.
    Has(Key),
    /// Some label of the key has one of these values.
    In(Key, BTreeSet<String>),
    /// Some label of the key has a value that matches wholly.
    Matches(Key, Pattern),
    /// The condition does not hold.
    Not(Box<Condition>),
    /// All of them hold; at least two.
    All(Vec<Condition>),
    /// Any of them holds; at least two.
    Any(Vec<Condition>),
}

/// The key of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// The name of the server: every server has one.
    HostName,
    /// What stands before the first colon of a label; the whole label if it has none.
    Label(String),
}

impl Key {
    /// How the name of the server is written.
    pub const HOST_NAME: &str = "@hostname";

    pub(super) fn new(text: String) -> Self {
        if text == Self::HOST_NAME { Self::HostName } else { Self::Label(text) }
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::HostName => Self::HOST_NAME,
            Self::Label(key) => key,
        }
    }
}

impl Condition {
    pub(super) fn all(conditions: Vec<Self>) -> Self {
        Self::joined(conditions, Self::All, |condition| match condition {
            Self::All(inner) => Ok(inner),
            other => Err(other),
        })
    }

    pub(super) fn any(conditions: Vec<Self>) -> Self {
        Self::joined(conditions, Self::Any, |condition| match condition {
            Self::Any(inner) => Ok(inner),
            other => Err(other),
        })
    }

    /// Joins conditions by an operator; those that are of the same operator give their operands.
    fn joined(
        conditions: Vec<Self>,
        operator: fn(Vec<Self>) -> Self,
        operands_of: fn(Self) -> Result<Vec<Self>, Self>,
    ) -> Self {
        let operands = conditions
            .into_iter()
            .flat_map(|condition| operands_of(condition).unwrap_or_else(|other| vec![other]));
        let mut operands: Vec<_> = operands.collect::<BTreeSet<_>>().into_iter().collect();
        if operands.len() == 1 { operands.swap_remove(0) } else { operator(operands) }
    }

    pub(super) fn negated(self) -> Self {
        match self {
            Self::Not(condition) => *condition,
            condition => Self::Not(Box::new(condition)),
        }
    }

    /// Whether a server is so, by its name and its labels, which are valid.
    pub fn holds<L: AsRef<str>>(
        &self,
        hostname: &str,
        mut labels: impl Iterator<Item = L> + Clone,
    ) -> bool {
        match self {
            Self::Has(Key::HostName) => true,
            Self::Has(Key::Label(key)) => labels.any(|label| has_key(label.as_ref(), key)),
            Self::In(Key::HostName, names) => names.contains(hostname),
            Self::In(Key::Label(key), values) => {
                labels.any(|label| value(label.as_ref(), key).is_some_and(|v| values.contains(v)))
            }
            Self::Matches(Key::HostName, pattern) => pattern.matches(hostname),
            Self::Matches(Key::Label(key), pattern) => {
                labels.any(|label| value(label.as_ref(), key).is_some_and(|v| pattern.matches(v)))
            }
            Self::Not(condition) => !condition.holds(hostname, labels),
            Self::All(conditions) => conditions.iter().all(|c| c.holds(hostname, labels.clone())),
            Self::Any(conditions) => conditions.iter().any(|c| c.holds(hostname, labels.clone())),
        }
    }

    pub(super) fn patterns(&self) -> usize {
        match self {
            Self::Has(_) | Self::In(..) => 0,
            Self::Matches(..) => 1,
            Self::Not(condition) => condition.patterns(),
            Self::All(conditions) | Self::Any(conditions) => {
                conditions.iter().map(Self::patterns).sum()
            }
        }
    }
}

fn has_key(label: &str, key: &str) -> bool {
    label.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

/// The value of a label that has this key and a value.
fn value<'a>(label: &'a str, key: &str) -> Option<&'a str> {
    label.strip_prefix(key)?.strip_prefix(':')
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Has(key) => key.fmt(f),
            Self::In(key, values) => write_in(f, key, values),
            Self::Matches(key, pattern) => write!(f, "{key}=~{}", Value(pattern.as_str())),
            Self::Not(condition) => {
                f.write_str("not ")?;
                condition.write_operand(f, matches!(**condition, Self::All(_) | Self::Any(_)))
            }
            Self::All(conditions) => write_joined(f, conditions, " and "),
            Self::Any(conditions) => write_joined(f, conditions, " or "),
        }
    }
}

impl Condition {
    fn write_operand(&self, f: &mut fmt::Formatter<'_>, in_parentheses: bool) -> fmt::Result {
        if in_parentheses { write!(f, "({self})") } else { write!(f, "{self}") }
    }
}

fn write_joined(
    f: &mut fmt::Formatter<'_>,
    conditions: &[Condition],
    operator: &str,
) -> fmt::Result {
    for (index, condition) in conditions.iter().enumerate() {
        if index > 0 {
            f.write_str(operator)?;
        }
        // `and` binds closer than `or`, so that only `or` within `and` needs them.
        condition.write_operand(f, matches!(condition, Condition::Any(_)))?;
    }
    Ok(())
}

fn write_in(f: &mut fmt::Formatter<'_>, key: &Key, values: &BTreeSet<String>) -> fmt::Result {
    let (mut values, several) = (values.iter(), values.len() > 1);
    let first = Value(values.next().map_or("", String::as_str));
    if !several {
        return write!(f, "{key}={first}");
    }
    write!(f, "{key} in ({first}")?;
    values.try_for_each(|value| write!(f, ",{}", Value(value)))?;
    f.write_str(")")
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.as_str();
        if is_keyword(key) { write!(f, "'{key}'") } else { Value(key).fmt(f) }
    }
}

/// A word where a keyword would be a word like any other.
struct Value<'a>(&'a str);

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0;
        if !text.is_empty() && text.chars().all(is_bare) {
            f.write_str(text)
        } else if text.contains('\'') {
            write!(f, "\"{}\"", text.replace('\\', r"\\").replace('"', r#"\""#))
        } else {
            write!(f, "'{text}'")
        }
    }
}
