//! What this daemon can hear, and since when. A record may only die of silence if there was somebody to listen.

use std::time::{Duration, Instant};

/// A driver by its place in the list of active drivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DriverId(u8);

impl DriverId {
    /// Most drivers that can be active at once.
    pub const MAX: usize = 3;

    /// The driver at a place in the list of active drivers, which has at most [`DriverId::MAX`] places.
    pub fn new(index: usize) -> Option<Self> {
        (index < Self::MAX).then(|| Self(u8::try_from(index).unwrap_or_default()))
    }

    /// Its place in the list of active drivers.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A set of drivers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DriverSet(u8);

impl DriverSet {
    /// Every set that there can be.
    fn all() -> impl Iterator<Item = Self> {
        (0..1 << DriverId::MAX).map(Self)
    }

    /// Adds a driver.
    pub fn insert(&mut self, driver_id: DriverId) {
        self.0 |= 1 << driver_id.0;
    }

    fn remove(&mut self, driver_id: DriverId) {
        self.0 &= !(1 << driver_id.0);
    }

    /// Whether a driver is in the set.
    pub(crate) fn contains(self, driver_id: DriverId) -> bool {
        self.0 & (1 << driver_id.0) != 0
    }

    /// Whether two sets have no driver in common.
    fn is_disjoint(self, other: Self) -> bool {
        self.0 & other.0 == 0
    }
}

/// Which links are up, and for each set of drivers since when at least one of them has been.
#[derive(Debug, Clone, Copy, Default)]
pub struct Connectivity {
    up: DriverSet,
    regained: [Option<Instant>; 1 << DriverId::MAX],
    /// Which sets saw once and do not any more.
    blinded: [bool; 1 << DriverId::MAX],
}

impl Connectivity {
    /// A link came up: sets that were blind until now see again.
    pub fn link_up(&mut self, driver_id: DriverId, now: Instant) {
        for set in DriverSet::all().filter(|set| set.contains(driver_id) && set.is_disjoint(self.up)) {
            if std::mem::take(&mut self.blinded[usize::from(set.0)]) {
                self.regained[usize::from(set.0)] = Some(now);
            }
        }
        self.up.insert(driver_id);
    }

    /// A link went down.
    pub fn link_down(&mut self, driver_id: DriverId) {
        let seeing = self.up.contains(driver_id);
        self.up.remove(driver_id);
        for set in DriverSet::all().filter(|set| seeing && set.contains(driver_id) && set.is_disjoint(self.up)) {
            self.blinded[usize::from(set.0)] = true;
        }
    }

    /// Whether any link is up.
    pub fn is_any_up(&self) -> bool {
        self.up != DriverSet::default()
    }

    /// When a host that came through these drivers and was last heard then is dead. While all of them are down it is not going to
    /// be; once one of them is back, the host has a full `ttl` to be heard again.
    pub fn deadline(&self, heard: Instant, through: DriverSet, ttl: Duration) -> Option<Instant> {
        if through.is_disjoint(self.up) {
            return None;
        }
        let regained = self.regained[usize::from(through.0)];
        Some(regained.map_or(heard, |regained| regained.max(heard)) + ttl)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const TTL: Duration = Duration::from_secs(30);

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn set(drivers: &[DriverId]) -> DriverSet {
        drivers.iter().fold(DriverSet::default(), |mut set, &driver_id| {
            set.insert(driver_id);
            set
        })
    }

    #[test]
    fn a_host_dies_one_ttl_after_it_was_last_heard() {
        let (start, nats) = (clock::now(), DriverId::new(0).unwrap());
        let mut connectivity = Connectivity::default();
        connectivity.link_up(nats, start);
        assert_eq!(connectivity.deadline(start + seconds(5), set(&[nats]), TTL), Some(start + seconds(35)));
    }

    #[test]
    fn nobody_dies_while_the_link_is_down_and_everybody_has_a_full_ttl_when_it_is_back() {
        let (start, nats) = (clock::now(), DriverId::new(0).unwrap());
        let mut connectivity = Connectivity::default();
        connectivity.link_up(nats, start);
        connectivity.link_down(nats);
        assert_eq!(connectivity.deadline(start, set(&[nats]), TTL), None);
        connectivity.link_up(nats, start + seconds(1000));
        assert_eq!(connectivity.deadline(start, set(&[nats]), TTL), Some(start + seconds(1030)));
    }

    #[test]
    fn before_the_first_link_came_up_nothing_was_frozen() {
        let (start, nats) = (clock::now(), DriverId::new(0).unwrap());
        let mut connectivity = Connectivity::default();
        connectivity.link_down(nats);
        connectivity.link_up(nats, start + seconds(5));
        assert_eq!(connectivity.deadline(start, set(&[nats]), TTL), Some(start + TTL));
    }

    #[test]
    fn one_of_two_links_is_enough_to_see_by() {
        let (start, nats, redis) = (clock::now(), DriverId::new(0).unwrap(), DriverId::new(1).unwrap());
        let mut connectivity = Connectivity::default();
        connectivity.link_up(nats, start);
        connectivity.link_up(redis, start);
        connectivity.link_down(nats);
        assert_eq!(connectivity.deadline(start, set(&[nats, redis]), TTL), Some(start + TTL));
        assert_eq!(connectivity.deadline(start, set(&[nats]), TTL), None);
        connectivity.link_up(nats, start + seconds(9));
        connectivity.link_down(redis);
        assert_eq!(connectivity.deadline(start, set(&[nats, redis]), TTL), Some(start + TTL));
    }

    #[test]
    fn only_the_time_when_both_links_were_down_counts_as_blind() {
        let (start, nats, redis) = (clock::now(), DriverId::new(0).unwrap(), DriverId::new(1).unwrap());
        let mut connectivity = Connectivity::default();
        connectivity.link_up(nats, start);
        connectivity.link_up(redis, start);
        connectivity.link_down(nats);
        connectivity.link_down(redis);
        assert_eq!(connectivity.deadline(start, set(&[nats, redis]), TTL), None);
        connectivity.link_up(redis, start + seconds(60));
        connectivity.link_up(nats, start + seconds(70));
        assert_eq!(connectivity.deadline(start, set(&[nats, redis]), TTL), Some(start + seconds(90)));
    }
}
