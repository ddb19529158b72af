use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

/// The name under which a server is known in the lobby.
///
/// Always valid: 1 to [`HostName::MAX_LEN`] bytes of UTF-8 without white space and control
/// characters. Ordered bytewise and cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct HostName(Arc<str>);

/// Why a text is not a valid host name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHostName {
    /// The text is empty.
    #[error("a host name must not be empty")]
    Empty,
    /// The length in bytes, which exceeds [`HostName::MAX_LEN`].
    #[error("a host name of {0} bytes is too long: at most {max} are allowed", max = HostName::MAX_LEN)]
    TooLong(usize),
    /// The text, which holds white space or a control character.
    #[error("host name {0:?} holds white space or a control character")]
    BadCharacter(String),
}

impl HostName {
    /// Greatest length of a host name, in bytes, as in the DNS.
    pub const MAX_LEN: usize = 253;

    /// Makes a host name of a text, which must be one as it stands.
    ///
    /// # Errors
    /// [`InvalidHostName`] says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, InvalidHostName> {
        Ok(Self(Arc::from(Self::check(text)?)))
    }

    /// The text itself, if it is a host name.
    ///
    /// # Errors
    /// [`InvalidHostName`] says what is wrong with the text.
    pub fn check(text: &str) -> Result<&str, InvalidHostName> {
        if text.is_empty() {
            Err(InvalidHostName::Empty)
        } else if text.len() > Self::MAX_LEN {
            Err(InvalidHostName::TooLong(text.len()))
        } else if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            Err(InvalidHostName::BadCharacter(text.to_owned()))
        } else {
            Ok(text)
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = InvalidHostName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Borrow<str> for HostName {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for HostName {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl<'de> Deserialize<'de> for HostName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_overlong_and_spaced_names_are_refused() {
        assert_eq!(HostName::parse(""), Err(InvalidHostName::Empty));
        assert_eq!(HostName::parse(&"x".repeat(254)), Err(InvalidHostName::TooLong(254)));
        for bad in ["a b", "a\nb", "a\u{0}b", " a"] {
            assert_eq!(HostName::parse(bad), Err(InvalidHostName::BadCharacter(bad.into())));
        }
        assert!(HostName::parse(&"x".repeat(253)).is_ok());
    }
}
