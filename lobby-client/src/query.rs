use crate::{Filter, Selector, paths};

/// A question to a daemon, whose answer is JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// What the daemon says about its own server.
    Discovery,
    /// The servers that a filter chooses.
    Discoveries(Filter),
    /// The names of the servers that have exactly this label.
    Resolve(String),
    /// The names of the servers that a selector chooses, made of their packets.
    Names(Selector),
    /// The Prometheus targets of a group.
    Prometheus(String),
    /// How the daemon is doing.
    Status,
    /// The labels of the daemon's own server, each with where it comes from.
    Labels,
}

/// The reason why a question cannot be sent: the API would take it for another one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unsendable(pub(crate) String);

impl Query {
    /// Path and query of its URL, percent-encoded.
    ///
    /// # Errors
    /// When its filter holds nothing, an empty text or one with a comma.
    pub fn path(&self) -> Result<String, Unsendable> {
        Ok(match self {
            Self::Discovery => paths::DISCOVERY.to_owned(),
            Self::Discoveries(filter) => paths::discoveries(filter)?,
            Self::Resolve(label) => paths::resolve(label),
            // A daemon that knows no selectors gives everybody: only whole packets can be checked.
            Self::Names(selector) => paths::discoveries(&Filter::Selector(selector.clone()))?,
            Self::Prometheus(name) => paths::prometheus(name),
            Self::Status => paths::STATUS.to_owned(),
            Self::Labels => paths::LABELS.to_owned(),
        })
    }
}
