//! What this daemon can hear, and since when. A record may only die of silence if there was somebody to listen.

use std::time::{Duration, Instant};

/// A driver by its place in the list of active drivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Carrier(u8);

impl Carrier {
    /// Most drivers that can be active at once.
    pub const MAX: usize = 3;

    /// The driver at a place in the list of active drivers, which has at most [`Carrier::MAX`] places.
    pub fn at(place: usize) -> Option<Self> {
        (place < Self::MAX).then(|| Self(u8::try_from(place).unwrap_or_default()))
    }

    /// Its place in the list of active drivers.
    pub fn place(self) -> usize {
        usize::from(self.0)
    }
}

/// A set of drivers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Carriers(u8);

impl Carriers {
    /// Every set that there can be.
    fn all() -> impl Iterator<Item = Self> {
        (0..1 << Carrier::MAX).map(Self)
    }

    /// Adds a driver.
    pub fn insert(&mut self, carrier: Carrier) {
        self.0 |= 1 << carrier.0;
    }

    fn remove(&mut self, carrier: Carrier) {
        self.0 &= !(1 << carrier.0);
    }

    /// Whether a driver is in the set.
    pub(crate) fn contains(self, carrier: Carrier) -> bool {
        self.0 & (1 << carrier.0) != 0
    }

    /// Whether two sets have no driver in common.
    fn is_disjoint(self, other: Self) -> bool {
        self.0 & other.0 == 0
    }
}

/// Which links are up, and for each set of drivers since when at least one of them has been.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sight {
    up: Carriers,
    regained: [Option<Instant>; 1 << Carrier::MAX],
    /// Which sets saw once and do not any more.
    blinded: [bool; 1 << Carrier::MAX],
}

impl Sight {
    /// A link came up: sets that were blind until now see again.
    pub fn gain(&mut self, carrier: Carrier, now: Instant) {
        for set in Carriers::all().filter(|set| set.contains(carrier) && set.is_disjoint(self.up)) {
            if std::mem::take(&mut self.blinded[usize::from(set.0)]) {
                self.regained[usize::from(set.0)] = Some(now);
            }
        }
        self.up.insert(carrier);
    }

    /// A link went down.
    pub fn lose(&mut self, carrier: Carrier) {
        let seeing = self.up.contains(carrier);
        self.up.remove(carrier);
        for set in Carriers::all().filter(|set| seeing && set.contains(carrier) && set.is_disjoint(self.up)) {
            self.blinded[usize::from(set.0)] = true;
        }
    }

    /// Whether any link is up.
    pub fn is_any_up(&self) -> bool {
        self.up != Carriers::default()
    }

    /// When a host that came through these drivers and was last heard then is dead. While all of them are down it is not going to
    /// be; once one of them is back, the host has a full `ttl` to be heard again.
    pub fn deadline(&self, heard: Instant, through: Carriers, ttl: Duration) -> Option<Instant> {
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

    fn set(carriers: &[Carrier]) -> Carriers {
        carriers.iter().fold(Carriers::default(), |mut set, &carrier| {
            set.insert(carrier);
            set
        })
    }

    #[test]
    fn a_host_dies_one_ttl_after_it_was_last_heard() {
        let (start, nats) = (clock::now(), Carrier::at(0).unwrap());
        let mut sight = Sight::default();
        sight.gain(nats, start);
        assert_eq!(sight.deadline(start + seconds(5), set(&[nats]), TTL), Some(start + seconds(35)));
    }

    #[test]
    fn nobody_dies_while_the_link_is_down_and_everybody_has_a_full_ttl_when_it_is_back() {
        let (start, nats) = (clock::now(), Carrier::at(0).unwrap());
        let mut sight = Sight::default();
        sight.gain(nats, start);
        sight.lose(nats);
        assert_eq!(sight.deadline(start, set(&[nats]), TTL), None);
        sight.gain(nats, start + seconds(1000));
        assert_eq!(sight.deadline(start, set(&[nats]), TTL), Some(start + seconds(1030)));
    }

    #[test]
    fn before_the_first_link_came_up_nothing_was_frozen() {
        let (start, nats) = (clock::now(), Carrier::at(0).unwrap());
        let mut sight = Sight::default();
        sight.lose(nats);
        sight.gain(nats, start + seconds(5));
        assert_eq!(sight.deadline(start, set(&[nats]), TTL), Some(start + TTL));
    }

    #[test]
    fn one_of_two_links_is_enough_to_see_by() {
        let (start, nats, redis) = (clock::now(), Carrier::at(0).unwrap(), Carrier::at(1).unwrap());
        let mut sight = Sight::default();
        sight.gain(nats, start);
        sight.gain(redis, start);
        sight.lose(nats);
        assert_eq!(sight.deadline(start, set(&[nats, redis]), TTL), Some(start + TTL));
        assert_eq!(sight.deadline(start, set(&[nats]), TTL), None);
        sight.gain(nats, start + seconds(9));
        sight.lose(redis);
        assert_eq!(sight.deadline(start, set(&[nats, redis]), TTL), Some(start + TTL));
    }

    #[test]
    fn only_the_time_when_both_links_were_down_counts_as_blind() {
        let (start, nats, redis) = (clock::now(), Carrier::at(0).unwrap(), Carrier::at(1).unwrap());
        let mut sight = Sight::default();
        sight.gain(nats, start);
        sight.gain(redis, start);
        sight.lose(nats);
        sight.lose(redis);
        assert_eq!(sight.deadline(start, set(&[nats, redis]), TTL), None);
        sight.gain(redis, start + seconds(60));
        sight.gain(nats, start + seconds(70));
        assert_eq!(sight.deadline(start, set(&[nats, redis]), TTL), Some(start + seconds(90)));
    }
}
