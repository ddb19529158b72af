//! The schedule of the callback.

use std::time::{Duration, Instant};

/// Schedule of the callback: a first run always, then one for every change, coalesced, never two at
/// once, and a pause after each.
#[derive(Debug)]
pub struct Cooldown {
    pause: Duration,
    not_before: Instant,
    running: bool,
    retired: bool,
    last_run: Option<u64>,
}

impl Cooldown {
    /// `first_delay` is the wait before the first run, `pause` the least time between the end of a
    /// run and the start of the next.
    pub fn new(first_delay: Duration, pause: Duration, now: Instant) -> Self {
        Self {
            pause,
            not_before: now + first_delay,
            running: false,
            retired: false,
            last_run: None,
        }
    }

    /// When a run for this revision of the registry may start; `None` if it had one already or
    /// another is still running.
    pub fn deadline(&self, revision: u64) -> Option<Instant> {
        let wanted = !self.running && !self.retired && self.last_run != Some(revision);
        wanted.then_some(self.not_before)
    }

    /// Whether a run for this revision starts now. If so, [`end`](Self::end) must follow.
    pub fn start(&mut self, revision: u64, now: Instant) -> bool {
        let due = self.deadline(revision).is_some_and(|deadline| deadline <= now);
        if due {
            self.running = true;
            self.last_run = Some(revision);
        }
        due
    }

    /// No run starts any more.
    pub fn retire(&mut self) {
        self.retired = true;
    }

    /// Whether no run starts any more.
    pub fn is_retired(&self) -> bool {
        self.retired
    }

    /// The run has ended.
    pub fn end(&mut self, now: Instant) {
        self.running = false;
        self.not_before = now + self.pause;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_first_run_comes_after_the_delay_even_if_nothing_changed() {
        let start = clock::now();
        let mut cooldown = Cooldown::new(SECOND * 30, SECOND * 15, start);
        assert!(!cooldown.start(0, start + SECOND * 29));
        assert!(cooldown.start(0, start + SECOND * 30));
    }

    #[test]
    fn without_a_change_there_is_no_further_run() {
        let start = clock::now();
        let mut cooldown = Cooldown::new(Duration::ZERO, SECOND, start);
        assert!(cooldown.start(4, start));
        cooldown.end(start);
        assert_eq!(cooldown.deadline(4), None);
        assert_eq!(cooldown.deadline(5), Some(start + SECOND));
    }

    #[test]
    fn once_retired_it_starts_nothing_more() {
        let start = clock::now();
        let mut cooldown = Cooldown::new(Duration::ZERO, SECOND, start);
        cooldown.retire();
        assert!(!cooldown.start(1, start + SECOND));
    }

    #[test]
    fn a_change_during_a_run_is_served_after_the_pause() {
        let start = clock::now();
        let mut cooldown = Cooldown::new(Duration::ZERO, SECOND * 15, start);
        assert!(cooldown.start(1, start));
        assert!(!cooldown.start(2, start + SECOND * 60));
        cooldown.end(start + SECOND * 61);
        assert!(!cooldown.start(2, start + SECOND * 75));
        assert!(cooldown.start(2, start + SECOND * 76));
    }
}
