//! Settling: changes that come close together are one.

use std::time::Duration;

use tokio::time::Instant;

/// How long nothing must have changed.
const QUIET: Duration = Duration::from_secs(1);

/// However often something changes, no longer is waited.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The pause before what failed is tried again; it doubles up to the longest one.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// Decides when something is done about changes.
#[derive(Debug, Default)]
pub(super) struct Settle {
    /// When the first change came that nothing was done about, and when something is to be done.
    due: Option<(Instant, Instant)>,
    failures: u32,
}

impl Settle {
    /// When something is to be done.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due.map(|(_, due)| due)
    }

    /// Something changed.
    pub(super) fn changed(&mut self, now: Instant) {
        let first = self.due.map_or(now, |(first, _)| first).min(now);
        self.failures = 0;
        self.due = Some((first, (now + QUIET).min(first + LONGEST_WAIT)));
    }

    /// Something was done about all changes so far.
    pub(super) fn succeeded(&mut self) {
        (self.due, self.failures) = (None, 0);
    }

    /// It could not be done: it is tried again, or when something changes.
    pub(super) fn failed(&mut self, now: Instant) {
        let pause = SHORTEST_PAUSE * 2_u32.saturating_pow(self.failures);
        self.failures += 1;
        let again = now + pause.min(LONGEST_PAUSE);
        self.due = Some((again, again));
    }

    /// Nothing may be done now.
    pub(super) fn hold(&mut self) {
        self.due = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "tests begin at any moment")]
    fn start() -> Instant {
        Instant::now()
    }

    const TENTH: Duration = Duration::from_millis(100);

    #[test]
    fn changes_close_together_are_one() {
        let (mut settle, start) = (Settle::default(), start());
        assert_eq!(settle.due(), None);
        settle.changed(start);
        settle.changed(start + 5 * TENTH);
        assert_eq!(settle.due(), Some(start + 15 * TENTH));
        settle.succeeded();
        assert_eq!(settle.due(), None);
    }

    #[test]
    fn nobody_waits_longer_than_ten_times_as_long() {
        let (mut settle, start) = (Settle::default(), start());
        for tenth in 0..1000 {
            settle.changed(start + tenth * TENTH);
        }
        assert_eq!(settle.due(), Some(start + LONGEST_WAIT));
    }

    #[test]
    fn what_failed_is_tried_again_after_growing_pauses() {
        let (mut settle, start) = (Settle::default(), start());
        let mut pauses = Vec::new();
        for _ in 0..12 {
            settle.failed(start);
            pauses.push((settle.due().unwrap() - start).as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
        settle.changed(start);
        assert_eq!(settle.due(), Some(start + QUIET));
    }
}
