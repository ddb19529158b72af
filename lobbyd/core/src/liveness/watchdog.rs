//! The watchdog of the registry: finds out that the daemon itself stood still.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::liveness::time_base::TimeBase;

/// When the registry last showed that it works, in milliseconds of working time since the time base. A daemon that is stopped or starved hears nobody, so
/// its readers must not let anybody die meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Watchdog(AtomicU64);

impl Watchdog {
    /// Longest time between two beats of a registry that works.
    const PATIENCE: Duration = Duration::from_secs(1);

    /// The registry works.
    pub(crate) fn tick(&self, time_base: TimeBase, now: Instant) {
        self.0.store(time_base.millis(now), Ordering::Relaxed);
    }

    /// Up to when the registry can tell who is alive.
    pub(crate) fn covers_until(&self, time_base: TimeBase) -> Instant {
        time_base.instant(self.0.load(Ordering::Relaxed)) + Self::PATIENCE
    }
}
