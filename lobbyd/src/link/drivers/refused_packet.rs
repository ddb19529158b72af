//! The last packet that a broker did not let us publish. A broker does not say beforehand what a
//! user may publish, so a link that may not would come up and go down again and again. With this
//! packet the next connection is tried before the link counts as up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// The last packet that was refused; a clone is the same one.
#[derive(Debug, Clone, Default)]
pub(super) struct RefusedPacket(Arc<Mutex<Option<Bytes>>>);

impl RefusedPacket {
    /// The packet that was refused, until another is accepted.
    pub(super) fn get(&self) -> Option<Bytes> {
        self.packet().clone()
    }

    /// This packet was refused; none stands for one that was accepted.
    pub(super) fn set(&self, packet: Option<Bytes>) {
        *self.packet() = packet;
    }

    fn packet(&self) -> MutexGuard<'_, Option<Bytes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
