//! What passes between a driver and those above it.

use std::time::Duration;

use bytes::Bytes;
use lobby_client::HostName;

/// An encoded packet on its way out, with what a channel that keeps packets must know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundPacket {
    /// Whose packet this is.
    pub host: HostName,
    /// The packet, encoded.
    pub payload: Bytes,
    /// Whether this is the host's last packet, its goodbye.
    pub last: bool,
}

/// What was heard on a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InboundEvent {
    /// A packet.
    Packet {
        /// The packet, encoded.
        payload: Bytes,
        /// How long ago it was sent, where the channel keeps packets; else zero.
        age: Duration,
    },
    /// A packet that the channel kept was taken away by its sender.
    Withdrawn {
        /// The packet as it was last heard.
        payload: Bytes,
    },
    /// So many packets came faster than they were read and were dropped since this was last said.
    Dropped(u64),
}

impl InboundEvent {
    /// A packet of a channel that keeps none: it was sent just now.
    pub fn fresh(payload: Bytes) -> Self {
        Self::Packet { payload, age: Duration::ZERO }
    }
}
