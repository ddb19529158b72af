//! The debounce of snapshots: to make one for every single change would cost most in a flood of
//! them.

use std::time::{Duration, Instant};

/// Least time between two snapshots.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(2);

/// Least time between two snapshots for each change that the first of them shows, so that a flood
/// of changes costs little more than their number; and the longest that readers wait for it.
const PER_CHANGE: Duration = Duration::from_micros(100);
const LONGEST_INTERVAL: Duration = Duration::from_millis(40);

/// Lets the first change through at once and collects those that follow closely.
#[derive(Debug, Default)]
pub struct Debounce {
    changes: u32,
    done: Option<Instant>,
    pause: Duration,
    pending: bool,
}

/// When readers are to be shown what is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishTime {
    /// At once.
    Now,
    /// After this time; changes until then are told [`PublishTime::Pending`].
    After(Duration),
    /// It is pending already.
    Pending,
}

impl Debounce {
    /// So much has changed.
    pub fn add(&mut self, changes: usize) {
        self.changes = self.changes.saturating_add(u32::try_from(changes).unwrap_or(u32::MAX));
    }

    /// There is something to be shown.
    pub fn turn(&mut self, now: Instant) -> PublishTime {
        let since = self.done.map_or(Duration::MAX, |done| now.saturating_duration_since(done));
        match self.pause.checked_sub(since) {
            None => PublishTime::Now,
            Some(_) if self.pending => PublishTime::Pending,
            Some(rest) => {
                self.pending = true;
                PublishTime::After(rest)
            }
        }
    }

    /// All that has changed so far was shown.
    pub fn done(&mut self, now: Instant) {
        (self.done, self.pending) = (Some(now), false);
        self.pause = PER_CHANGE
            .saturating_mul(std::mem::take(&mut self.changes))
            .clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const MILLISECOND: Duration = Duration::from_millis(1);

    #[test]
    fn the_first_is_done_at_once_and_those_close_behind_it_together() {
        let (start, mut debounce) = (clock::now(), Debounce::default());
        assert_eq!(debounce.turn(start), PublishTime::Now);
        debounce.done(start);
        assert_eq!(
            debounce.turn(start + SHORTEST_INTERVAL / 4),
            PublishTime::After(SHORTEST_INTERVAL * 3 / 4)
        );
        assert_eq!(debounce.turn(start + SHORTEST_INTERVAL / 2), PublishTime::Pending);
        debounce.done(start + SHORTEST_INTERVAL);
        assert_eq!(debounce.turn(start + SHORTEST_INTERVAL * 3), PublishTime::Now);
    }

    #[test]
    fn the_more_has_changed_the_longer_is_the_pause_within_bounds() {
        let (start, mut debounce) = (clock::now(), Debounce::default());
        for (changes, pause) in [(1, 2), (20, 2), (100, 10), (1_000_000, 40), (1, 2)] {
            debounce.add(changes);
            debounce.done(start);
            assert_eq!(debounce.turn(start), PublishTime::After(MILLISECOND * pause), "{changes}");
        }
    }
}
