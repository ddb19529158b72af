use std::time::{Duration, Instant};

/// A moment by both clocks: the monotonic one, and the wall clock, which may be set.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The monotonic time.
    pub now: Instant,
    /// What the wall clock says, in milliseconds since the Unix epoch.
    pub unix_millis: u64,
}

impl Moment {
    /// By how much the wall clock was set between this moment and a later one.
    pub(super) fn jump_until(self, later: Self) -> Duration {
        let passed = millis(later.now.saturating_duration_since(self.now));
        let expected = self.unix_millis.saturating_add(passed);
        Duration::from_millis(expected.abs_diff(later.unix_millis))
    }
}

/// A time in whole milliseconds.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
