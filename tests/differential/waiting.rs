//! Waiting for what will be true, and the clocks.

use std::time::{Duration, Instant, UNIX_EPOCH};

const PAUSE: Duration = Duration::from_millis(8);

/// Asks again and again until there is an answer; nothing when the limit is over.
pub(crate) fn eventually<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = now() + limit;
    loop {
        if let Some(answer) = probe() {
            return Some(answer);
        }
        if now() >= deadline {
            return None;
        }
        pause(PAUSE);
    }
}

/// The monotonic time.
#[expect(clippy::disallowed_methods, reason = "a tool without an event loop whose time is paused")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The wall clock, in milliseconds since the Unix epoch.
pub(crate) fn unix_millis() -> u64 {
    UNIX_EPOCH.elapsed().map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0))
}

/// Waits for a while. Only for polls, and to let the wall clock come to a whole second.
#[expect(clippy::disallowed_methods, reason = "a tool of threads, without actors to stop")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}
