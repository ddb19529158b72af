//! Selectors: the language in which servers are chosen by their labels and names.
//!
//! ```text
//! selector = and { ("or" | "||") and }
//! and      = unary { ("and" | "&&" | ",") unary }
//! unary    = ("not" | "!") unary | "(" selector ")" | term
//! term     = word [ ("=" | "==" | "!=" | "=~" | "!~") word
//!                 | ["not"] "in" "(" word {"," word} ")" | "notin" "(" word {"," word} ")" ]
//! word     = letters, digits and _-./:@+ | "…" | '…'
//! ```

mod condition;
mod error;
mod parser;
mod pattern;
#[cfg(test)]
mod tests;
mod token;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use crate::Discovery;

pub use condition::{Condition, Key};
pub use error::InvalidSelector;
pub use pattern::Pattern;

/// A choice of whole servers by their labels and names, such as `service=web and not drain`.
///
/// Prints itself in a canonical form, by which it is compared: two spellings of the same conditions
/// are equal. Cheap to clone.
///
/// ```
/// use lobby_client::{Discovery, HostName, Label, Selector};
///
/// let selector: Selector = "service in (smtp, imap), !drain".parse()?;
/// let labels = vec![Label::parse("service:smtp")?];
/// assert!(selector.matches(&Discovery::new(HostName::parse("mail1")?, labels)));
/// assert_eq!(selector.to_string(), "service in (imap,smtp) and not drain");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Selector(Arc<Parsed>);

/// A selector with its canonical form.
struct Parsed {
    condition: Condition,
    canonical: String,
}

impl Selector {
    /// Greatest length of a selector, in bytes, as written and in canonical form.
    pub const MAX_LEN: usize = 2048;

    /// Greatest depth of parentheses in one another.
    pub const MAX_DEPTH: usize = 32;

    /// Most terms of a selector: keys and comparisons.
    pub const MAX_TERMS: usize = 64;

    /// Most regular expressions of a selector.
    pub const MAX_PATTERNS: usize = 8;

    /// Reads a selector.
    ///
    /// # Errors
    /// [`InvalidSelector`] shows the place, and says what was expected there.
    pub fn parse(text: &str) -> Result<Self, InvalidSelector> {
        let condition = parser::parse(text)?;
        let canonical = condition.to_string();
        if canonical.len() > Self::MAX_LEN {
            return Err(InvalidSelector::too_long(text, canonical.len()));
        }
        Ok(Self(Arc::new(Parsed { condition, canonical })))
    }

    /// The canonical form.
    pub fn as_str(&self) -> &str {
        &self.0.canonical
    }

    /// What a server must be to be chosen.
    pub fn condition(&self) -> &Condition {
        &self.0.condition
    }

    /// The number of regular expressions in it, which take the most memory.
    pub fn patterns(&self) -> usize {
        self.0.condition.patterns()
    }

    /// Whether it chooses a server.
    pub fn matches(&self, server: &Discovery) -> bool {
        self.0.condition.holds(server.hostname.as_str(), server.labels.iter())
    }
}

impl FromStr for Selector {
    type Err = InvalidSelector;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl PartialEq for Selector {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Selector {}

impl Hash for Selector {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
