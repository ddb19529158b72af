use crate::Filter;

/// A question to a daemon, whose answer is JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// What the daemon says about its own server.
    Discovery,
    /// The servers that a filter chooses.
    Discoveries(Filter),
    /// The names of the servers that have exactly this label.
    Resolve(String),
    /// The Prometheus targets of a group.
    Prometheus(String),
    /// How the daemon is doing.
    Status,
}
