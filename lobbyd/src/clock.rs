//! The only place that reads a clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use tokio::time::Instant;

/// The monotonic time, which decides on life and death. `tokio::time::pause()` stops it in tests.
#[expect(clippy::disallowed_methods, reason = "the one place that may")]
pub fn now() -> Instant {
    Instant::now()
}

/// The wall clock in whole seconds since the Unix epoch: what `last_check` shows to people, and nothing else rests on.
pub fn unix_seconds() -> i64 {
    i64::try_from(since_unix_epoch().as_secs()).unwrap_or(i64::MAX)
}

/// How long ago a moment of the wall clock was; nothing if it lies ahead.
#[expect(clippy::disallowed_methods, reason = "the one place that may")]
pub fn age_of(moment: SystemTime) -> Duration {
    SystemTime::now().duration_since(moment).unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "the one place that may")]
fn since_unix_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
