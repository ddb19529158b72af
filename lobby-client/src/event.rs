use serde::Deserialize;

use crate::object::deserialize_from_object;
use crate::{Discovery, HostName, Label, LinkState};

/// What a daemon tells somebody who follows the lobby.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The servers that there are now. What was told before no longer counts.
    Snapshot {
        /// All of them, or those that the selector matches.
        hosts: Vec<Discovery>,
    },
    /// A server has come, or has come to match the selector.
    Join {
        /// The server.
        host: Discovery,
    },
    /// A server has other labels.
    Update {
        /// The server as it is now.
        host: Discovery,
        /// The labels that it did not have before.
        added: Vec<Label>,
        /// The labels that it has no more.
        removed: Vec<Label>,
    },
    /// A server has gone, or the selector no longer matches it.
    Leave {
        /// Its name.
        hostname: HostName,
        /// The labels that it had last; those that it has now if it is there and does not match.
        labels: Vec<Label>,
        /// Why.
        reason: LeaveReason,
    },
    /// How the daemon is.
    Status(FeedStatus),
    /// The daemon stops.
    Bye,
    /// The connection is lost, or could not be opened, and is tried again. While it is lost
    /// nothing is told; what was missed comes behind it.
    Lost {
        /// Why, in one line.
        cause: String,
    },
}

/// Why a server has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum LeaveReason {
    /// It said goodbye.
    Goodbye,
    /// It was not heard for TTL.
    Expired,
    /// Its connection to the broker was closed, and it was not heard again.
    Lost,
    /// It is there, but the selector no longer matches it.
    Unmatched,
    /// Another one, which this library does not know.
    #[serde(other)]
    Other,
}

/// How much may be relied on what a daemon tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedStatus {
    /// Whether the daemon has listened long enough to know every server.
    pub warm: bool,
    /// Its drivers. While all of them are down the list stays as it was.
    pub drivers: Vec<DriverState>,
}

/// A driver of a daemon.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(remote = "Self")]
pub struct DriverState {
    /// Its name.
    pub name: String,
    /// Whether its link is up.
    pub state: LinkState,
}

deserialize_from_object!(DriverState);

impl FeedStatus {
    /// Whether all links are down: then nothing is heard, and the list is frozen.
    pub fn is_blind(&self) -> bool {
        self.drivers.iter().all(|driver| driver.state == LinkState::Down)
    }
}
