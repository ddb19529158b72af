//! Whether this daemon has listened long enough to know everybody.

use std::time::{Duration, Instant};

use crate::liveness::connectivity::DriverId;

/// How much longer than KEEP_ALIVE anything is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Finds out when every living host must have been heard: one KEEP_ALIVE after the drivers came up.
#[derive(Debug, Clone, Copy)]
pub struct InitialSync {
    keep_alive: Duration,
    started: Instant,
    drivers: usize,
    first_up: [Option<Instant>; DriverId::MAX],
}

/// What to tell somebody who wants to know of everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncState {
    /// What is known now is the answer.
    Complete,
    /// Look again at this moment, or when something changes before.
    Pending(Instant),
    /// No driver has come up, and that was waited for.
    NoDriver,
}

impl InitialSync {
    /// A daemon that starts now with this many drivers.
    pub fn new(keep_alive: Duration, drivers: usize, now: Instant) -> Self {
        Self { keep_alive, started: now, drivers, first_up: [None; DriverId::MAX] }
    }

    /// How many drivers are active.
    pub fn drivers(&self) -> usize {
        self.drivers
    }

    /// A link came up. Once the daemon is warm nothing makes it cold again, not even a driver that joins late.
    pub fn link_up(&mut self, driver_id: DriverId, now: Instant) {
        let warm = self.is_warm(now);
        self.first_up[driver_id.index()].get_or_insert(if warm { self.started } else { now });
    }

    /// A link went down. If that was too early to have heard everybody through it, listening begins anew with the next one.
    pub fn link_down(&mut self, driver_id: DriverId, now: Instant) {
        if !self.is_warm(now) {
            self.first_up[driver_id.index()] = None;
        }
    }

    /// When the daemon is, or was, warm; not foreseeable before the first driver is up. A driver that does not come up is not
    /// waited for longer than KEEP_ALIVE and a second.
    pub fn warm_at(&self) -> Option<Instant> {
        let drivers = &self.first_up[..self.drivers];
        let listened = |up: &Option<Instant>| up.unwrap_or(self.started + PATIENCE) + self.keep_alive;
        drivers.iter().any(Option::is_some).then(|| drivers.iter().map(listened).max().unwrap_or(self.started))
    }

    /// Whether the daemon is warm.
    pub fn is_warm(&self, now: Instant) -> bool {
        self.warm_at().is_some_and(|at| at <= now)
    }

    /// What to tell somebody who asked at `asked` and is still waiting `now`. Nobody waits longer than KEEP_ALIVE and a second.
    pub fn state(&self, asked: Instant, now: Instant) -> SyncState {
        let longest = self.keep_alive + PATIENCE;
        match self.warm_at() {
            Some(at) if at <= now || asked + longest <= now => SyncState::Complete,
            Some(at) => SyncState::Pending(at.min(asked + longest)),
            None if self.started + longest <= now => SyncState::NoDriver,
            None => SyncState::Pending(self.started + longest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const KEEP_ALIVE: Duration = Duration::from_secs(5);
    const SECOND: Duration = Duration::from_secs(1);

    fn driver_id(place: usize) -> DriverId {
        DriverId::new(place).unwrap()
    }

    #[test]
    fn before_a_driver_came_up_one_waits_and_then_gives_up() {
        let start = clock::now();
        let initial_sync = InitialSync::new(KEEP_ALIVE, 1, start);
        assert_eq!(initial_sync.warm_at(), None);
        assert_eq!(initial_sync.state(start, start), SyncState::Pending(start + SECOND * 6));
        assert_eq!(initial_sync.state(start, start + SECOND * 6), SyncState::NoDriver);
        assert_eq!(initial_sync.state(start + SECOND * 60, start + SECOND * 60), SyncState::NoDriver);
    }

    #[test]
    fn one_keep_alive_after_the_driver_came_up_it_is_warm() {
        let start = clock::now();
        let mut initial_sync = InitialSync::new(KEEP_ALIVE, 1, start);
        initial_sync.link_up(driver_id(0), start + SECOND);
        assert_eq!(initial_sync.state(start + SECOND, start + SECOND), SyncState::Pending(start + SECOND * 6));
        assert_eq!(initial_sync.state(start + SECOND, start + SECOND * 6), SyncState::Complete);
    }

    #[test]
    fn a_link_that_breaks_before_everybody_was_heard_counts_for_nothing() {
        let start = clock::now();
        let mut initial_sync = InitialSync::new(KEEP_ALIVE, 1, start);
        initial_sync.link_up(driver_id(0), start);
        initial_sync.link_down(driver_id(0), start + SECOND);
        assert_eq!(initial_sync.state(start, start + SECOND * 20), SyncState::NoDriver);
        initial_sync.link_up(driver_id(0), start + SECOND * 60);
        assert_eq!(initial_sync.warm_at(), Some(start + SECOND * 65));
        initial_sync.link_down(driver_id(0), start + SECOND * 65);
        assert!(initial_sync.is_warm(start + SECOND * 65), "what it knows then is what there was");
    }

    #[test]
    fn nobody_waits_longer_than_a_keep_alive_and_a_second() {
        let start = clock::now();
        let mut initial_sync = InitialSync::new(KEEP_ALIVE, 1, start);
        initial_sync.link_up(driver_id(0), start + SECOND * 5);
        assert_eq!(initial_sync.state(start, start + SECOND * 5), SyncState::Pending(start + SECOND * 6));
        assert_eq!(initial_sync.state(start, start + SECOND * 6), SyncState::Complete);
    }

    #[test]
    fn a_driver_that_never_comes_up_is_waited_for_a_second_longer() {
        let start = clock::now();
        let mut initial_sync = InitialSync::new(KEEP_ALIVE, 2, start);
        initial_sync.link_up(driver_id(1), start);
        assert_eq!(initial_sync.warm_at(), Some(start + SECOND * 6));
    }

    #[test]
    fn reconnecting_and_joining_late_do_not_make_it_cold_again() {
        let start = clock::now();
        let mut initial_sync = InitialSync::new(KEEP_ALIVE, 2, start);
        initial_sync.link_up(driver_id(0), start);
        initial_sync.link_up(driver_id(0), start + SECOND * 3);
        initial_sync.link_up(driver_id(1), start + SECOND * 100);
        assert!(initial_sync.warm_at().unwrap() <= start + SECOND * 6);
    }
}
