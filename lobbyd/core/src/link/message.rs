//! What passes between a driver and the actors above it.

use std::time::Duration;

use bytes::Bytes;
use lobby_client::HostName;

use super::connection_name::ConnectionName;

/// An encoded packet to send, with what a channel that keeps packets must know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundPacket {
    /// Whose packet this is.
    pub host: HostName,
    /// The packet, encoded.
    pub payload: Bytes,
    /// Whether this is the host's last packet, its goodbye.
    pub last: bool,
}

/// An event of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InboundEvent {
    /// A packet.
    Packet {
        /// The packet, encoded.
        payload: Bytes,
        /// How long ago it was sent, where the channel keeps packets; else zero.
        age: Duration,
    },
    /// A packet that the channel kept was removed by its sender.
    Withdrawn {
        /// The packet as it was last heard.
        payload: Bytes,
    },
    /// The broker has closed a connection of a daemon.
    ConnectionClosed(ConnectionName),
    /// The number of packets that were dropped since the last such event, because they came faster
    /// than they were read.
    Dropped(u64),
}

impl InboundEvent {
    /// A packet of a channel that keeps none: it was sent just now.
    pub fn fresh(payload: Bytes) -> Self {
        Self::Packet { payload, age: Duration::ZERO }
    }
}
