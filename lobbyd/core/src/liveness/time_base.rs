//! Times as whole milliseconds since a common start, which take less room than an `Instant` and can
//! be atomic.

use std::time::{Duration, Instant};

/// The moment from which the times in records count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimeBase(pub Instant);

impl TimeBase {
    /// A moment as milliseconds.
    pub(crate) fn millis(self, instant: Instant) -> u64 {
        millis(instant.saturating_duration_since(self.0))
    }

    /// The moment of so many milliseconds.
    pub(crate) fn instant(self, millis: u64) -> Instant {
        self.0 + Duration::from_millis(millis)
    }
}

/// A duration in whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
