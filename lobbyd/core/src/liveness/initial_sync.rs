//! The initial sync: whether this daemon has listened long enough to know every host.

use std::time::{Duration, Instant};

use crate::liveness::connectivity::{DriverId, DriverSet};

/// How much longer than KEEP_ALIVE anything is waited for.
const LISTENING_GRACE: Duration = Duration::from_secs(1);

/// How long after a broker is back the other daemons may take to be heard: up to 5 s until they
/// notice, and half a second of random delay, so that they do not all speak at once.
const RECONNECTION: Duration = Duration::from_millis(5500);

/// Finds out when every living host must have been heard: one KEEP_ALIVE after the drivers came up,
/// or one interval of a large lobby. If a driver did not come up at once, its broker was away for
/// the other daemons, too, and they need time to come back.
#[derive(Debug, Clone, Copy)]
pub struct InitialSync {
    keep_alive: Duration,
    /// How long a driver is listened to.
    listen_for: Duration,
    started: Instant,
    drivers: usize,
    /// For each driver when it will have been listened to for long enough, if it stays up.
    complete_at: [Option<Instant>; DriverId::MAX],
    /// The drivers with a link that could not be brought up, or that broke.
    tried_again: DriverSet,
}

/// What to answer a request that needs to know every host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncState {
    /// What is known now is the answer.
    Complete,
    /// Look again at this moment, or when something changes before.
    Pending(Instant),
    /// The daemon will not have listened for long enough while the request waits.
    Incomplete,
    /// No driver has come up, and that was waited for.
    NoDriver,
}

impl InitialSync {
    /// A daemon that starts now with this many drivers.
    pub fn new(keep_alive: Duration, drivers: usize, now: Instant) -> Self {
        let (complete_at, tried_again) = ([None; DriverId::MAX], DriverSet::default());
        let listen_for = keep_alive;
        Self { keep_alive, listen_for, started: now, drivers, complete_at, tried_again }
    }

    /// KEEP_ALIVE.
    pub fn keep_alive(&self) -> Duration {
        self.keep_alive
    }

    /// How many drivers are active.
    pub fn drivers(&self) -> usize {
        self.drivers
    }

    /// A link came up. Once the daemon is warm nothing makes it cold again, not even a driver that
    /// joins late.
    pub fn link_up(&mut self, driver_id: DriverId, now: Instant) {
        let again = self.tried_again.contains(driver_id);
        let listen_for = if again { self.listen_for.max(RECONNECTION) } else { self.listen_for };
        let complete_at = if self.is_warm(now) { self.started } else { now + listen_for };
        self.complete_at[driver_id.index()].get_or_insert(complete_at);
    }

    /// A link went down, or could not be brought up. If that was too early to have heard everybody
    /// through it, listening begins anew with the next one.
    pub fn link_down(&mut self, driver_id: DriverId, now: Instant) {
        self.tried_again.insert(driver_id);
        if !self.is_warm(now) {
            self.complete_at[driver_id.index()] = None;
        }
    }

    /// The others send so rarely that a driver must be listened to for at least that long. Once the
    /// daemon is warm that no longer matters.
    pub fn listen_for(&mut self, time: Duration, now: Instant) {
        if time > self.listen_for && !self.is_warm(now) {
            let more = time - self.listen_for;
            self.listen_for = time;
            self.complete_at.iter_mut().flatten().for_each(|complete_at| *complete_at += more);
        }
    }

    /// Another daemon, which is warm, has told everybody who can be heard through this driver.
    pub fn told_by_another(&mut self, driver_id: DriverId, now: Instant) {
        if let Some(complete_at) = &mut self.complete_at[driver_id.index()] {
            *complete_at = now.min(*complete_at);
        }
    }

    /// The daemon stood still until now, for so long: nobody was heard then.
    pub fn stood_still(&mut self, lost: Duration, now: Instant) {
        if now.checked_sub(lost).is_some_and(|before| self.is_warm(before)) {
            return;
        }
        self.started += lost;
        self.complete_at.iter_mut().flatten().for_each(|complete_at| *complete_at += lost);
    }

    /// When the daemon is, or was, warm; not foreseeable before the first driver is up. A driver
    /// that does not come up is not waited for longer than KEEP_ALIVE and a second.
    pub fn warm_at(&self) -> Option<Instant> {
        let drivers = &self.complete_at[..self.drivers];
        let without = self.started + LISTENING_GRACE + self.keep_alive;
        let latest = drivers.iter().map(|complete_at| complete_at.unwrap_or(without)).max();
        latest.filter(|_| drivers.iter().any(Option::is_some))
    }

    /// Whether the daemon is warm.
    pub fn is_warm(&self, now: Instant) -> bool {
        self.warm_at().is_some_and(|at| at <= now)
    }

    /// What to answer a request that came at `asked` and is still waiting `now`. None waits longer
    /// than KEEP_ALIVE and a second.
    pub fn state(&self, asked: Instant, now: Instant) -> SyncState {
        let longest = self.keep_alive + LISTENING_GRACE;
        match self.warm_at() {
            Some(at) if at <= now => SyncState::Complete,
            Some(at) if at <= asked + longest => SyncState::Pending(at),
            Some(_) => SyncState::Incomplete,
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
        assert_eq!(
            initial_sync.state(start + SECOND * 60, start + SECOND * 60),
            SyncState::NoDriver
        );
    }

    #[test]
    fn one_keep_alive_after_the_driver_came_up_it_is_warm() {
        let start = clock::now();
        let mut initial_sync = InitialSync::new(KEEP_ALIVE, 1, start);
        initial_sync.link_up(driver_id(0), start + SECOND);
        assert_eq!(
            initial_sync.state(start, start + SECOND),
            SyncState::Pending(start + SECOND * 6)
        );
        assert_eq!(initial_sync.state(start + SECOND, start + SECOND * 6), SyncState::Complete);
    }

    #[test]
    fn a_link_that_breaks_too_early_counts_for_nothing() {
        let start = clock::now();
        let mut initial_sync = InitialSync::new(KEEP_ALIVE, 1, start);
        initial_sync.link_up(driver_id(0), start);
        initial_sync.link_down(driver_id(0), start + SECOND);
        assert_eq!(initial_sync.state(start, start + SECOND * 20), SyncState::NoDriver);
        initial_sync.link_up(driver_id(0), start + SECOND * 60);
        assert_eq!(initial_sync.warm_at(), Some(start + SECOND * 60 + RECONNECTION));
        initial_sync.link_down(driver_id(0), start + SECOND * 66);
        assert!(initial_sync.is_warm(start + SECOND * 66), "what it knows then is what there was");
    }

    #[test]
    fn a_request_that_would_wait_longer_is_told_so_instead() {
        let start = clock::now();
        let mut initial_sync = InitialSync::new(KEEP_ALIVE, 1, start);
        initial_sync.link_up(driver_id(0), start + SECOND * 4);
        assert_eq!(initial_sync.state(start, start + SECOND * 4), SyncState::Incomplete);
        assert_eq!(initial_sync.state(start, start + SECOND * 6), SyncState::Incomplete);
        assert_eq!(
            initial_sync.state(start + SECOND * 3, start + SECOND * 6),
            SyncState::Pending(start + SECOND * 9)
        );
        assert_eq!(initial_sync.state(start, start + SECOND * 9), SyncState::Complete);
    }

    #[test]
    fn where_the_broker_was_away_the_others_have_time_to_return() {
        let start = clock::now();
        for (keep_alive, expected) in
            [(SECOND, RECONNECTION), (KEEP_ALIVE, RECONNECTION), (SECOND * 60, SECOND * 60)]
        {
            let mut initial_sync = InitialSync::new(keep_alive, 1, start);
            initial_sync.link_down(driver_id(0), start + SECOND);
            initial_sync.link_up(driver_id(0), start + SECOND * 3);
            assert_eq!(initial_sync.warm_at(), Some(start + SECOND * 3 + expected));
        }
    }

    #[test]
    fn a_driver_that_never_comes_up_is_waited_for_a_second_longer() {
        let start = clock::now();
        let mut initial_sync = InitialSync::new(KEEP_ALIVE, 2, start);
        initial_sync.link_up(driver_id(1), start);
        assert_eq!(initial_sync.warm_at(), Some(start + SECOND * 6));
    }

    #[test]
    fn in_a_large_lobby_it_listens_for_an_interval_of_it() {
        let start = clock::now();
        let mut initial_sync = InitialSync::new(KEEP_ALIVE, 2, start);
        initial_sync.link_up(driver_id(0), start);
        initial_sync.listen_for(SECOND * 20, start + SECOND * 2);
        initial_sync.listen_for(SECOND * 10, start + SECOND * 2);
        initial_sync.link_up(driver_id(1), start + SECOND * 3);
        assert_eq!(initial_sync.warm_at(), Some(start + SECOND * 23));
        let asked = start + SECOND * 10;
        assert_eq!(initial_sync.state(asked, asked), SyncState::Incomplete);
        initial_sync.listen_for(SECOND * 60, start + SECOND * 23);
        assert_eq!(initial_sync.warm_at(), Some(start + SECOND * 23), "it is warm");
    }

    #[test]
    fn what_a_warm_daemon_has_told_need_not_be_listened_for() {
        let start = clock::now();
        let mut initial_sync = InitialSync::new(KEEP_ALIVE, 2, start);
        initial_sync.told_by_another(driver_id(0), start);
        assert_eq!(initial_sync.warm_at(), None, "the link is not up");
        initial_sync.link_up(driver_id(0), start);
        initial_sync.link_up(driver_id(1), start);
        initial_sync.told_by_another(driver_id(0), start + SECOND);
        assert_eq!(initial_sync.warm_at(), Some(start + KEEP_ALIVE), "there are others");
        initial_sync.told_by_another(driver_id(1), start + SECOND);
        assert_eq!(initial_sync.warm_at(), Some(start + SECOND));
    }

    #[test]
    fn time_in_which_the_daemon_stood_still_was_not_listened() {
        let start = clock::now();
        let mut initial_sync = InitialSync::new(KEEP_ALIVE, 1, start);
        initial_sync.link_up(driver_id(0), start);
        initial_sync.stood_still(SECOND * 20, start + SECOND * 22);
        assert_eq!(initial_sync.warm_at(), Some(start + SECOND * 25));
        let warm = initial_sync.warm_at();
        initial_sync.stood_still(SECOND * 20, start + SECOND * 60);
        assert_eq!(initial_sync.warm_at(), warm, "it was warm before");
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
