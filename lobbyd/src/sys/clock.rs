//! The only place that reads a clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The monotonic time, which decides on life and death. It is tokio's, so that `tokio::time::pause()` stops it in tests.
#[expect(clippy::disallowed_methods, reason = "the one place that may")]
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Waits until a moment of the monotonic time.
pub async fn sleep_until(moment: Instant) {
    tokio::time::sleep_until(moment.into()).await;
}

/// The wall clock in whole seconds since the Unix epoch: what `last_check` shows to people, and nothing else rests on.
#[expect(clippy::disallowed_methods, reason = "the one place that may")]
pub fn unix_seconds() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX)
}

/// The wall clock in whole milliseconds since the Unix epoch: what signed packets bear, and nothing else rests on.
#[expect(clippy::disallowed_methods, reason = "the one place that may")]
pub fn unix_millis() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

/// How long ago a moment of the wall clock was; nothing if it lies ahead.
#[expect(clippy::disallowed_methods, reason = "the one place that may")]
pub fn age_of(moment: SystemTime) -> Duration {
    SystemTime::now().duration_since(moment).unwrap_or_default()
}
