//! What a packet does to the registry.

use std::fmt;

use lobby_client::HostName;

/// What happened to a host. Every change makes a new revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It was not here before.
    Joined(HostName),
    /// It has other labels than before.
    Relabelled(HostName),
    /// It said goodbye.
    Left(HostName),
    /// It was not heard for TTL.
    Expired(HostName),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Joined(_) => "host joined",
            Self::Relabelled(_) => "host changed its labels",
            Self::Left(_) => "host left",
            Self::Expired(_) => "host expired",
        })
    }
}

impl Change {
    /// The host that it happened to.
    pub fn hostname(&self) -> &HostName {
        match self {
            Self::Joined(name) | Self::Relabelled(name) | Self::Left(name) | Self::Expired(name) => name,
        }
    }
}

/// What a packet was good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// Unchanged new.
    Unchanged,
    /// Something happened to a host.
    Changed(Change),
    /// Another daemon goes by the own name. The own record stands.
    DuplicateName,
}

impl From<Option<Change>> for Applied {
    fn from(change: Option<Change>) -> Self {
        change.map_or(Self::Unchanged, Self::Changed)
    }
}
