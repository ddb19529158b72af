//! Answers: the authority, which is shown the newest snapshot before each of them.

use std::cell::RefCell;
use std::sync::Arc;

use tokio::sync::watch;

use crate::sys::clock;
use lobby_core::dns::{Authority, Transport, Zone};
use lobby_core::registry::snapshot::Snapshot;

/// What UDP and TCP answer with, on one thread.
#[derive(Debug)]
pub(super) struct FreshAuthority {
    authority: RefCell<Authority>,
    snapshots: RefCell<watch::Receiver<Arc<Snapshot>>>,
}

impl FreshAuthority {
    pub(super) fn new(zone: Zone, mut snapshots: watch::Receiver<Arc<Snapshot>>) -> Self {
        let snapshot = Arc::clone(&snapshots.borrow_and_update());
        let authority = Authority::new(zone, snapshot);
        Self { authority: RefCell::new(authority), snapshots: RefCell::new(snapshots) }
    }

    /// Catches up with the newest snapshot.
    pub(super) fn follow(&self) {
        let mut snapshots = self.snapshots.borrow_mut();
        if snapshots.has_changed().unwrap_or(false) {
            let snapshot = Arc::clone(&snapshots.borrow_and_update());
            self.authority.borrow_mut().follow(snapshot);
        }
    }

    /// The answer to a message, if it deserves one.
    pub(super) fn answer(&self, message: &[u8], transport: Transport) -> Option<Vec<u8>> {
        self.follow();
        let rotation = fastrand::usize(..);
        self.authority.borrow().answer(message, transport, clock::now(), rotation)
    }
}
