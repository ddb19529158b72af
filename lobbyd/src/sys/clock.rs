//! The clock: the only place that reads one.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The monotonic time, which expiry depends on. It is tokio's, so that `tokio::time::pause()` stops
/// it in tests.
#[expect(clippy::disallowed_methods, reason = "the one place that may")]
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Waits until a moment of the monotonic time.
pub async fn sleep_until(moment: Instant) {
    tokio::time::sleep_until(moment.into()).await;
}

/// The wall clock in whole seconds since the Unix epoch: shown as `last_check`; nothing depends on
/// it.
#[expect(clippy::disallowed_methods, reason = "the one place that may")]
pub fn unix_seconds() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX)
}

/// The wall clock in whole milliseconds since the Unix epoch: the time in signed packets, the
/// stored ends of labels, and the half seconds at which a large lobby sends; nothing else depends
/// on it.
#[expect(clippy::disallowed_methods, reason = "the one place that may")]
pub fn unix_millis() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

/// The time since a moment of the wall clock; zero if that is in the future.
#[expect(clippy::disallowed_methods, reason = "the one place that may")]
pub fn age_of(moment: SystemTime) -> Duration {
    SystemTime::now().duration_since(moment).unwrap_or_default()
}
