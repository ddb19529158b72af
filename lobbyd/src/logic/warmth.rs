//! Whether this daemon has listened long enough to know everybody.

use std::time::Duration;

use tokio::time::Instant;

use super::sight::Carrier;

/// How much longer than KEEP_ALIVE a driver that does not come up is waited for.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// Finds out when every living host must have been heard: one KEEP_ALIVE after the drivers came up.
#[derive(Debug)]
pub struct Warmth {
    keep_alive: Duration,
    started: Instant,
    first_up: Vec<Option<Instant>>,
}

impl Warmth {
    /// A daemon that starts now with this many drivers.
    pub fn new(keep_alive: Duration, drivers: usize, now: Instant) -> Self {
        Self { keep_alive, started: now, first_up: vec![None; drivers] }
    }

    /// A link came up. Once the daemon is warm nothing makes it cold again, not even a driver that joins late.
    pub fn opened(&mut self, carrier: Carrier, now: Instant) {
        let warm = self.warm_at().is_some_and(|at| at <= now);
        if let Some(first @ None) = self.first_up.get_mut(carrier.place()) {
            *first = Some(if warm { self.started } else { now });
        }
    }

    /// When the daemon is, or was, warm; not foreseeable before the first driver is up.
    pub fn warm_at(&self) -> Option<Instant> {
        self.first_up.iter().any(Option::is_some).then(|| {
            let known = |up: &Option<Instant>| up.unwrap_or(self.started + PATIENCE) + self.keep_alive;
            self.first_up.iter().map(known).max().unwrap_or(self.started)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const KEEP_ALIVE: Duration = Duration::from_secs(5);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn nobody_is_warm_before_a_driver_came_up() {
        assert_eq!(Warmth::new(KEEP_ALIVE, 1, clock::now()).warm_at(), None);
    }

    #[test]
    fn one_keep_alive_after_the_driver_came_up_it_is_warm() {
        let start = clock::now();
        let mut warmth = Warmth::new(KEEP_ALIVE, 1, start);
        warmth.opened(Carrier::at(0).unwrap(), start + SECOND);
        assert_eq!(warmth.warm_at(), Some(start + SECOND * 6));
    }

    #[test]
    fn a_driver_that_never_comes_up_is_waited_for_a_second_longer() {
        let start = clock::now();
        let mut warmth = Warmth::new(KEEP_ALIVE, 2, start);
        warmth.opened(Carrier::at(1).unwrap(), start);
        assert_eq!(warmth.warm_at(), Some(start + SECOND * 6));
    }

    #[test]
    fn reconnecting_and_joining_late_do_not_make_it_cold_again() {
        let start = clock::now();
        let mut warmth = Warmth::new(KEEP_ALIVE, 2, start);
        warmth.opened(Carrier::at(0).unwrap(), start);
        warmth.opened(Carrier::at(0).unwrap(), start + SECOND * 3);
        warmth.opened(Carrier::at(1).unwrap(), start + SECOND * 100);
        assert!(warmth.warm_at().unwrap() <= start + SECOND * 6);
    }
}
