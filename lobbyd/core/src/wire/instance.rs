//! The instance in a packet, as any writer may choose it.

use std::fmt;

use lobby_client::text::is_invisible;

/// The text by which a packet tells the run of the daemon that sent it. It is shown in status and
/// log, so it is short and printable: 1 to [`Instance::MAX_LEN`] bytes of UTF-8 without white space
/// and invisible characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance(Box<str>);

impl Instance {
    /// Greatest length, in bytes. lobbyd uses 16 of them.
    pub const MAX_LEN: usize = 64;

    /// The instance of a text, if it is a valid one as it stands.
    pub fn parse(text: &str) -> Option<Self> {
        Self::is_valid(text).then(|| Self(text.into()))
    }

    /// Whether a text is a valid instance as it stands.
    pub fn is_valid(text: &str) -> bool {
        let has_length = !text.is_empty() && text.len() <= Self::MAX_LEN;
        has_length && !text.contains(|c: char| c.is_whitespace() || is_invisible(c))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_short_and_printable() {
        for valid in ["i", "00c0ffee00c0ffee", "another-writer:1", "město", &"x".repeat(64)] {
            assert_eq!(Instance::parse(valid).as_ref().map(Instance::as_str), Some(valid));
        }
        for invalid in [
            "",
            " ",
            "a b",
            "a\n",
            "\u{1b}[2J",
            "a\u{202e}",
            "a\u{200b}",
            "\u{feff}a",
            "\u{9b}",
            &"x".repeat(65),
        ] {
            assert_eq!(Instance::parse(invalid), None, "{invalid:?}");
        }
    }
}
