//! The newest own packet, which proves whether a link takes own packets.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::sys::clock;

/// The newest packet of this server; a clone is the same one. The publisher writes it, also while
/// links are down.
#[derive(Debug, Clone, Default)]
pub struct OwnPacket(Arc<Mutex<Option<(Instant, Bytes)>>>);

impl OwnPacket {
    /// The packet; none before the first one, after the goodbye and with REGISTER=false.
    pub fn get(&self) -> Option<Bytes> {
        self.packet().as_ref().map(|(_, packet)| packet.clone())
    }

    /// The packet, and how long ago it was made.
    pub fn with_age(&self) -> Option<(Duration, Bytes)> {
        let age = |made: &Instant| clock::now().saturating_duration_since(*made);
        self.packet().as_ref().map(|(made, packet)| (age(made), packet.clone()))
    }

    /// From now on it is this one.
    pub fn set(&self, packet: Option<Bytes>) {
        *self.packet() = packet.map(|packet| (clock::now(), packet));
    }

    fn packet(&self) -> MutexGuard<'_, Option<(Instant, Bytes)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
