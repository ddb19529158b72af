/// Why a call did not succeed. Every text is one line without control characters, so that it can go to a terminal as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing was sent: a setting of the client or a question cannot be used as it stands. The text says what and why.
    #[error("{0}")]
    Invalid(String),
    /// The daemon could not be reached, or did not answer in time.
    #[error("cannot reach {url}: {cause}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// What went wrong on the way.
        cause: String,
    },
    /// The daemon wants a token, or another one than it was sent.
    #[error("{url} wants a valid token: {text}")]
    Unauthorised {
        /// What was asked for.
        url: String,
        /// The server's text.
        text: String,
    },
    /// The daemon answered with another status than 200, which alone is success.
    #[error("{url} answered {status}: {text}")]
    Refused {
        /// What was asked for.
        url: String,
        /// HTTP status.
        status: u16,
        /// The server's text.
        text: String,
    },
    /// What came back is no answer of a lobby daemon.
    #[error("the answer of {url} makes no sense: {cause}")]
    Malformed {
        /// What was asked for.
        url: String,
        /// What is wrong with the answer.
        cause: String,
    },
}

/// Greatest length of a foreign text in an error, in characters.
const MAX_TEXT: usize = 500;

/// A foreign text as one line of bounded length: every run of white space and control characters becomes a space.
pub(crate) fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_text_becomes_one_line_that_a_terminal_survives() {
        assert_eq!(one_line("a\r\n b\x1b[31m\u{9b}c\n"), "a b [31m c");
    }

    #[test]
    fn a_foreign_text_is_cut_between_characters() {
        assert_eq!(one_line(&"ž".repeat(501)), format!("{}…", "ž".repeat(500)));
        assert_eq!(one_line(&"ž".repeat(500)), "ž".repeat(500));
    }
}
