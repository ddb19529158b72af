use std::cmp::Ordering;
use std::fmt;

use regex::{Error, Regex, RegexBuilder};

/// Greatest size of a compiled regular expression, in bytes.
const MAX_COMPILED: usize = 1 << 18;

/// Greatest size of what one regular expression keeps to be quicker the next time, in bytes, for
/// each thread.
const MAX_MEMORY: usize = 1 << 17;

/// Greatest depth of a regular expression.
const MAX_NESTING: u32 = 50;

/// A regular expression that matches whole values. Compared by its text.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    whole: Regex,
}

/// The reason why a text is not a usable regular expression.
pub(super) struct InvalidPattern {
    pub(super) reason: String,
    /// The place of the fault, in characters from the beginning.
    pub(super) at: usize,
}

impl Pattern {
    pub(super) fn new(text: String) -> Result<Self, InvalidPattern> {
        // Alone first: wrapped, one that closes a group too many would be valid, and the place of
        // any other fault would be off.
        build(&text)
            .and_then(|_| build(&format!(r"\A(?:{text})\z")))
            .map(|whole| Self { text, whole })
            .map_err(|error| InvalidPattern::from(&error))
    }

    /// The regular expression as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it matches the whole of a value.
    pub fn matches(&self, value: &str) -> bool {
        self.whole.is_match(value)
    }

    /// A text with which every value that it matches begins; often empty.
    pub fn literal_prefix(&self) -> String {
        // An alternative may begin with anything.
        if self.text.contains('|') {
            return String::new();
        }
        let text = self.text.trim_start_matches('^');
        let (mut prefix, mut chars) = (String::new(), text.chars().peekable());
        while let Some(c) = chars.next() {
            let literal = match c {
                '\\' => chars.next_if(|c| c.is_ascii_punctuation() && !matches!(c, '<' | '>')),
                c if is_meta(c) => None,
                c => Some(c),
            };
            // What may be repeated may also be missing.
            let Some(literal) = literal.filter(|_| !matches!(chars.peek(), Some('*' | '?' | '{')))
            else {
                break;
            };
            prefix.push(literal);
        }
        prefix
    }
}

fn is_meta(c: char) -> bool {
    matches!(c, '.' | '+' | '*' | '?' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '^' | '$' | '#')
}

fn build(text: &str) -> Result<Regex, Error> {
    RegexBuilder::new(text)
        .size_limit(MAX_COMPILED)
        .dfa_size_limit(MAX_MEMORY)
        .nest_limit(MAX_NESTING)
        .build()
}

impl From<&Error> for InvalidPattern {
    fn from(error: &Error) -> Self {
        let Error::Syntax(message) = error else {
            let reason = r"it is too large: \w, \d and \p{…} hold much, [a-z0-9] holds little";
            return Self { reason: reason.to_owned(), at: 0 };
        };
        // The message has lines: a heading, the text, a caret below the fault, and the reason.
        // Text and caret are indented by four.
        let reason = message.lines().last().unwrap_or_default();
        let reason = reason.strip_prefix("error: ").unwrap_or(reason).to_owned();
        let mut carets = message.lines().filter(|line| line.trim_matches([' ', '^']).is_empty());
        let at = carets.find_map(|line| line.find('^')).unwrap_or_default().saturating_sub(4);
        Self { reason, at }
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl PartialOrd for Pattern {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pattern {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}
