//! The only place that reads a clock or stops a thread.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The monotonic time.
#[expect(clippy::disallowed_methods, reason = "the one place that may")]
pub fn now() -> Instant {
    Instant::now()
}

/// The time since the Unix epoch.
#[expect(clippy::disallowed_methods, reason = "the one place that may")]
pub fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Seconds since the Unix epoch.
pub fn unix_seconds() -> u64 {
    unix_time().as_secs()
}

/// Stops this thread until a moment, more exactly than tokio's timers, which tick in milliseconds.
#[expect(clippy::disallowed_methods, reason = "the one place that may")]
pub fn stop_thread_until(moment: Instant) {
    std::thread::sleep(moment.saturating_duration_since(now()));
}

/// Waits until a moment.
pub async fn pause_until(moment: Instant) {
    tokio::time::sleep_until(moment.into()).await;
}

/// Waits.
pub async fn pause(length: Duration) {
    tokio::time::sleep(length).await;
}
