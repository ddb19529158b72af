//! The newest own packet, which proves whether a link takes own packets.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// The newest packet of this server; a clone is the same one. The publisher writes it, also while
/// links are down.
#[derive(Debug, Clone, Default)]
pub struct OwnPacket(Arc<Mutex<Option<Bytes>>>);

impl OwnPacket {
    /// The packet; none before the first one, after the goodbye and with REGISTER=false.
    pub fn get(&self) -> Option<Bytes> {
        self.packet().clone()
    }

    /// From now on it is this one.
    pub fn set(&self, packet: Option<Bytes>) {
        *self.packet() = packet;
    }

    fn packet(&self) -> MutexGuard<'_, Option<Bytes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
