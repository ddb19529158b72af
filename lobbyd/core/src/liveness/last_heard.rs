//! When a host was last heard, and through which drivers.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::liveness::connectivity::{DriverId, DriverSet};

/// For each driver when the host was last heard through it, in milliseconds since the time base plus one; 0 = never.
#[derive(Debug, Default)]
pub(crate) struct LastHeard([AtomicU64; DriverId::MAX]);

impl LastHeard {
    /// The host was heard through a driver.
    pub(crate) fn set(&self, driver_id: DriverId, millis: u64) {
        self.0[driver_id.index()].fetch_max(millis + 1, Ordering::Relaxed);
    }

    /// When it was last heard through any driver.
    pub(crate) fn latest(&self) -> u64 {
        self.0.iter().map(|last_heard| last_heard.load(Ordering::Relaxed)).max().unwrap_or_default().saturating_sub(1)
    }

    /// The drivers it was heard through at that time or later. A driver it was not heard through for long no longer counts: that
    /// this one is up says nothing about the host.
    pub(crate) fn since(&self, millis: u64) -> DriverSet {
        let mut through = DriverSet::default();
        for (place, last_heard) in self.0.iter().enumerate() {
            if let Some(driver_id) = DriverId::new(place).filter(|_| last_heard.load(Ordering::Relaxed) > millis) {
                through.insert(driver_id);
            }
        }
        through
    }
}

impl Clone for LastHeard {
    fn clone(&self) -> Self {
        Self(std::array::from_fn(|place| AtomicU64::new(self.0[place].load(Ordering::Relaxed))))
    }
}
