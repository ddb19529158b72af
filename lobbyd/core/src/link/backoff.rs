//! Back-off: how long to wait before a lost link is tried again.

use std::time::{Duration, Instant};

const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(1500);

/// A link that was up for this long has come back: the next pause is a short one again.
pub(super) const PROVEN: Duration = Duration::from_secs(5);

/// Growing, jittered pauses between attempts, at most a second and a half: after an attempt that
/// began just before the broker came back, and that may take three, a returning broker is noticed
/// within five.
#[derive(Debug)]
pub struct Backoff {
    next: Duration,
    opened: Option<Instant>,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: SHORTEST_PAUSE, opened: None }
    }
}

impl Backoff {
    /// The link came up.
    pub fn opened(&mut self, now: Instant) {
        self.opened = Some(now);
    }

    /// The link went down, or did not come up: how long to wait. `jitter` from 0 to 1 takes up to
    /// half of the pause away, so that a fleet does not reconnect in unison.
    pub fn pause(&mut self, now: Instant, jitter: f64) -> Duration {
        if self.opened.take().is_some_and(|opened| now - opened >= PROVEN) {
            self.next = SHORTEST_PAUSE;
        }
        let pause = self.next.mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 2.0);
        self.next = (self.next * 2).min(LONGEST_PAUSE);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn pauses_grow_up_to_the_longest() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..7).map(|_| backoff.pause(clock::now(), 0.0).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1500, 1500, 1500]);
    }

    #[test]
    fn jitter_takes_at_most_half_away() {
        assert_eq!(Backoff::default().pause(clock::now(), 1.0), Duration::from_millis(50));
    }

    #[test]
    fn only_a_link_that_held_makes_the_pause_short_again() {
        let start = clock::now();
        let mut backoff = Backoff::default();
        backoff.pause(start, 0.0);
        backoff.opened(start);
        assert_eq!(backoff.pause(start + Duration::from_secs(1), 0.0), Duration::from_millis(200));
        backoff.opened(start);
        assert_eq!(backoff.pause(start + Duration::from_secs(5), 0.0), SHORTEST_PAUSE);
    }
}
