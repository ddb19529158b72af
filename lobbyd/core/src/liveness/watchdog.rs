//! The watchdog of the registry: finds out that the daemon itself stood still.

use std::sync::atomic::{AtomicU64, Ordering};

/// The last tick of the registry. All times are in milliseconds of running time. A daemon that is
/// stopped or starved hears nobody, so its readers must not let anybody expire meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Watchdog(AtomicU64);

impl Watchdog {
    /// Longest time between two ticks of a registry that works.
    const LONGEST_GAP: u64 = 1000;

    /// The registry works.
    pub(crate) fn tick(&self, now: u64) {
        self.0.store(now, Ordering::Relaxed);
    }

    /// Until when the registry can tell who is alive.
    pub(crate) fn covers_until(&self) -> u64 {
        self.0.load(Ordering::Relaxed) + Self::LONGEST_GAP
    }
}
