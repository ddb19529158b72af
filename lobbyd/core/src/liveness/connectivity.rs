//! The links that are up, and how long they have been listened to: a host may only expire of
//! silence where it would have been heard.

use std::sync::Arc;

use crate::liveness::time_base::millis;
use crate::wire::packet_ttl::PacketTtl;

/// A driver by its place in the list of active drivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DriverId(u8);

impl DriverId {
    /// Most drivers that can be active at once, as many as a [`DriverSet`] has bits.
    pub const MAX: usize = 8;

    /// The driver at a place in the list of active drivers, which has at most [`DriverId::MAX`]
    /// places.
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
    /// The set of these bits.
    pub(crate) fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// The set of one driver.
    pub(crate) fn only(driver_id: DriverId) -> Self {
        let mut only = Self::default();
        only.insert(driver_id);
        only
    }

    /// A bit for each driver.
    pub(crate) fn bits(self) -> u8 {
        self.0
    }

    /// Its drivers.
    pub fn iter(self) -> impl Iterator<Item = DriverId> {
        (0..DriverId::MAX).filter_map(DriverId::new).filter(move |driver| self.contains(*driver))
    }

    /// Whether no driver is in the set.
    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
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

/// Which links are up, and for each set of active drivers its listening time. Cheap to copy. All
/// times are in milliseconds; `now` is running time.
#[derive(Debug, Clone)]
pub(crate) struct Connectivity {
    up: DriverSet,
    /// One for each set of active drivers, by its bits.
    clocks: Arc<[ListeningClock]>,
}

/// A clock that runs while at least one driver of a set is up.
#[derive(Debug, Clone, Copy)]
struct ListeningClock {
    /// What it showed when it last began to run, or when it stopped.
    shown: u64,
    /// When it last began to run; none while it stands still.
    running_since: Option<u64>,
    /// Whether it ran before.
    stopped: bool,
    /// What it showed when it last ran on after it had stopped.
    resumed: Option<u64>,
}

impl FromIterator<DriverId> for DriverSet {
    fn from_iter<T: IntoIterator<Item = DriverId>>(drivers: T) -> Self {
        let mut set = Self::default();
        drivers.into_iter().for_each(|driver| set.insert(driver));
        set
    }
}

impl ListeningClock {
    fn show(&self, now: u64) -> u64 {
        self.shown + self.running_since.map_or(0, |since| now.saturating_sub(since))
    }

    fn start(&mut self, now: u64) {
        if self.running_since.is_none() {
            self.running_since = Some(now);
            self.resumed = self.stopped.then_some(self.shown);
        }
    }

    fn stop(&mut self, now: u64) {
        if self.running_since.is_some() {
            (self.shown, self.running_since, self.stopped) = (self.show(now), None, true);
        }
    }

    /// What it shows when a host expires that was last heard when it showed `heard`.
    fn expiry(&self, heard: u64, ttl: u64) -> u64 {
        match self.resumed {
            Some(resumed) if resumed >= heard => {
                // By an outage nobody gets more than the hour that a packet can ask for.
                let longest = (2 * ttl).min(ttl.max(millis(PacketTtl::MAX.duration())));
                (resumed + ttl).min(heard + longest)
            }
            Some(_) | None => heard + ttl,
        }
    }
}

impl Connectivity {
    /// So many drivers, none of them up yet. Listening times begin at `start`.
    pub(crate) fn new(drivers: usize, start: u64) -> Self {
        let clock =
            ListeningClock { shown: start, running_since: None, stopped: false, resumed: None };
        Self {
            up: DriverSet::default(),
            clocks: vec![clock; 1 << drivers.min(DriverId::MAX)].into(),
        }
    }

    /// A link came up.
    pub(crate) fn link_up(&mut self, driver_id: DriverId, now: u64) {
        self.up.insert(driver_id);
        self.set_clocks(now);
    }

    /// A link went down.
    pub(crate) fn link_down(&mut self, driver_id: DriverId, now: u64) {
        self.up.remove(driver_id);
        self.set_clocks(now);
    }

    /// Whether a link is up.
    pub(crate) fn is_up(&self, driver_id: DriverId) -> bool {
        self.up.contains(driver_id)
    }

    /// The drivers whose links are up.
    pub(crate) fn links_up(&self) -> DriverSet {
        self.up
    }

    /// The listening time of a set of drivers.
    pub(crate) fn listened(&self, drivers: DriverSet, now: u64) -> u64 {
        self.clocks.get(usize::from(drivers.0)).map_or(0, |clock| clock.show(now))
    }

    /// The running time at which a host expires that was last heard through these drivers at this
    /// listening time of theirs; none while all of them are down.
    pub(crate) fn deadline(&self, drivers: DriverSet, heard: u64, ttl: u64) -> Option<u64> {
        let clock = self.clocks.get(usize::from(drivers.0))?;
        let running_since = clock.running_since?;
        Some((running_since + clock.expiry(heard, ttl)).saturating_sub(clock.shown))
    }

    /// Lets run what has a link that is up, and stops the others.
    fn set_clocks(&mut self, now: u64) {
        let up = self.up;
        for (bits, clock) in (0..=u8::MAX).zip(Arc::make_mut(&mut self.clocks)) {
            if DriverSet(bits).is_disjoint(up) {
                clock.stop(now);
            } else {
                clock.start(now);
            }
        }
    }
}
