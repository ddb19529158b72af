//! How often something is done that need not be done for every single cause.

use std::time::{Duration, Instant};

/// Lets the first one through at once and collects those that follow closely.
#[derive(Debug)]
pub struct Pace {
    pause: Duration,
    done: Option<Instant>,
    planned: bool,
}

/// When it is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// At once.
    Now,
    /// After this time; those who come until then are told [`Turn::Planned`].
    In(Duration),
    /// It is planned already.
    Planned,
}

impl Pace {
    /// At least `pause` between two times.
    pub fn new(pause: Duration) -> Self {
        Self { pause, done: None, planned: false }
    }

    /// There is a cause to do it.
    pub fn turn(&mut self, now: Instant) -> Turn {
        let since = self.done.map_or(Duration::MAX, |done| now.saturating_duration_since(done));
        match self.pause.checked_sub(since) {
            None => Turn::Now,
            Some(_) if self.planned => Turn::Planned,
            Some(rest) => {
                self.planned = true;
                Turn::In(rest)
            }
        }
    }

    /// It was done.
    pub fn done(&mut self, now: Instant) {
        (self.done, self.planned) = (Some(now), false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const PAUSE: Duration = Duration::from_millis(5);

    #[test]
    fn the_first_is_done_at_once_and_those_close_behind_it_together() {
        let (start, mut pace) = (clock::now(), Pace::new(PAUSE));
        assert_eq!(pace.turn(start), Turn::Now);
        pace.done(start);
        assert_eq!(pace.turn(start + PAUSE / 5), Turn::In(PAUSE * 4 / 5));
        assert_eq!(pace.turn(start + PAUSE / 2), Turn::Planned);
        pace.done(start + PAUSE);
        assert_eq!(pace.turn(start + PAUSE * 3), Turn::Now);
    }
}
