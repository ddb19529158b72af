use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

/// One line of text that says something about a server, by convention `NAME:VALUE`.
///
/// Always valid: trimmed, 1 to [`Label::MAX_LEN`] bytes of UTF-8 without control characters. Labels
/// are ordered bytewise and cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Label(Arc<str>);

/// Why a text is not a valid label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLabel {
    /// Nothing is left after trimming.
    #[error("a label must not be empty")]
    Empty,
    /// The length in bytes, which exceeds [`Label::MAX_LEN`].
    #[error("a label of {0} bytes is too long: at most {max} are allowed", max = Label::MAX_LEN)]
    TooLong(usize),
    /// The text, which holds a control character.
    #[error("label {0:?} holds a control character")]
    ControlCharacter(String),
}

impl Label {
    /// Greatest length of a label, in bytes.
    pub const MAX_LEN: usize = 1024;

    /// Makes a label of a text, trimming white space at both ends.
    ///
    /// # Errors
    /// [`InvalidLabel`] says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, InvalidLabel> {
        Ok(Self(Arc::from(Self::check(text)?)))
    }

    /// The trimmed text of a label, if the text is one.
    ///
    /// # Errors
    /// [`InvalidLabel`] says what is wrong with the text.
    pub fn check(text: &str) -> Result<&str, InvalidLabel> {
        let text = text.trim();
        if text.is_empty() {
            Err(InvalidLabel::Empty)
        } else if text.len() > Self::MAX_LEN {
            Err(InvalidLabel::TooLong(text.len()))
        } else if has_control(text) {
            Err(InvalidLabel::ControlCharacter(text.to_owned()))
        } else {
            Ok(text)
        }
    }

    /// The whole label.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the first colon; the whole label if it has none.
    pub fn name(&self) -> &str {
        self.0.split_once(':').map_or(&self.0, |(name, _)| name)
    }

    /// What stands behind the first colon, further colons included.
    pub fn value(&self) -> Option<&str> {
        self.0.split_once(':').map(|(_, value)| value)
    }
}

/// Whether a text holds a control character. Most labels are ASCII, and need no decoding.
fn has_control(text: &str) -> bool {
    if text.is_ascii() {
        text.bytes().any(|byte| byte.is_ascii_control())
    } else {
        text.chars().any(char::is_control)
    }
}

impl FromStr for Label {
    type Err = InvalidLabel;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Borrow<str> for Label {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Label {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_split_at_its_first_colon() {
        let label = Label::parse("public_ip6:2a03::1").unwrap();
        assert_eq!((label.name(), label.value()), ("public_ip6", Some("2a03::1")));
    }

    #[test]
    fn a_label_without_colon_is_all_name() {
        let label = Label::parse("drained").unwrap();
        assert_eq!((label.name(), label.value()), ("drained", None));
    }

    #[test]
    fn white_space_around_a_label_is_trimmed() {
        assert_eq!(Label::parse(" service:smtp\r\n").unwrap().as_str(), "service:smtp");
    }

    #[test]
    fn empty_overlong_and_control_texts_are_refused() {
        assert_eq!(Label::parse(" \t"), Err(InvalidLabel::Empty));
        assert_eq!(Label::parse(&"x".repeat(1025)), Err(InvalidLabel::TooLong(1025)));
        assert_eq!(Label::parse("a\0b"), Err(InvalidLabel::ControlCharacter("a\0b".into())));
        assert!(Label::parse(&"x".repeat(1024)).is_ok());
    }
}
