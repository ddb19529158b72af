use crate::Unsendable;

/// Why a call did not succeed. Every text is one line without control characters, so that it can go
/// to a terminal as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing was sent: a setting of the client or a question cannot be used as it stands. The
    /// text says what and why.
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
    /// The answer is not one of a lobby daemon.
    #[error("the answer of {url} makes no sense: {cause}")]
    Malformed {
        /// What was asked for.
        url: String,
        /// What is wrong with the answer.
        cause: String,
    },
}

impl From<Unsendable> for Error {
    fn from(unsendable: Unsendable) -> Self {
        Self::Invalid(unsendable.to_string())
    }
}
