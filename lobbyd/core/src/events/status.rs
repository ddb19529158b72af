//! Feed status: how much a reader may rely on what it was told.

use std::time::Instant;

use crate::liveness::connectivity::{DriverId, DriverSet};
use crate::registry::snapshot::Snapshot;

/// Whether the daemon must have heard every host, and which links are up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedStatus {
    /// Whether the daemon is warm.
    pub warm: bool,
    up: DriverSet,
}

impl FeedStatus {
    /// The status that a snapshot gives now.
    pub fn of(snapshot: &Snapshot, now: Instant) -> Self {
        Self { warm: snapshot.is_warm(now), up: snapshot.links_up() }
    }

    /// Whether the link of a driver is up.
    pub fn is_up(self, driver_id: DriverId) -> bool {
        self.up.contains(driver_id)
    }
}
