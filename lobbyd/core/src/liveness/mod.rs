//! Liveness: which links are up, and until when a host counts as alive.

pub mod connectivity;
pub mod initial_sync;
pub(crate) mod last_heard;
pub mod pace;
pub mod reception;
pub(crate) mod time_base;
pub(crate) mod told_ttls;
pub(crate) mod watchdog;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::liveness::connectivity::{Connectivity, DriverId, DriverSet};
use crate::liveness::last_heard::{LastHeard, Sign};
use crate::liveness::reception::Reception;
use crate::liveness::time_base::{TimeBase, millis};
use crate::liveness::watchdog::Watchdog;
use crate::wire::packet_ttl::PacketTtl;

/// How much older than what other drivers said a kept packet must seem before it counts as
/// outdated, in milliseconds: of what was sent at about the same time nobody knows which was first.
const MARGIN: u64 = 1000;

/// The rules of liveness: decides, from when a host was last heard, until when it counts as alive.
///
/// Three clocks are at work. The *monotonic* time comes from outside. The *running* time stands
/// still while the daemon itself does. The *listening* time of a set of drivers runs while at least
/// one of their links is up, so that silence counts only where somebody listened. A host expires
/// one TTL of listening time after it was last heard: the TTL that its packet told, or the
/// receiver's if it told none. When its links have been down in the meantime it has a full TTL
/// from their return, because its keep-alives may come late then, but two TTL
/// since it was last heard at most, and no more than an hour unless its TTL is longer: a link that
/// flaps keeps nobody alive.
#[derive(Debug, Clone)]
pub(crate) struct Liveness {
    time_base: TimeBase,
    /// In milliseconds.
    ttl: u64,
    connectivity: Connectivity,
    watchdog: Arc<Watchdog>,
    /// How often a host told a shorter TTL than before, so that it may expire sooner. Snapshots
    /// count on it.
    shortenings: Arc<AtomicU64>,
    /// How long the daemon itself stood still since it was started.
    suspended: Duration,
}

impl Liveness {
    /// The rules of a daemon that starts now, with so many active drivers. `ttl` is the age at
    /// which a host expires.
    pub(crate) fn new(ttl: Duration, drivers: usize, now: Instant) -> Self {
        // What a channel kept may be up to a TTL older than this daemon.
        let oldest = ttl.max(PacketTtl::MAX.duration());
        let time_base = TimeBase(now.checked_sub(oldest).unwrap_or(now));
        let ttl = millis(ttl);
        let connectivity = Connectivity::new(drivers, millis(oldest));
        let liveness = Self {
            time_base,
            ttl,
            connectivity,
            watchdog: Arc::default(),
            shortenings: Arc::default(),
            suspended: Duration::ZERO,
        };
        liveness.watchdog.tick(liveness.running_millis(now));
        liveness
    }

    /// The age at which a host expires that tells no TTL.
    pub(crate) fn ttl(&self) -> Duration {
        Duration::from_millis(self.ttl)
    }

    /// Shows that the registry works. Returns for how long it had stood still, if it had.
    pub(crate) fn tick(&mut self, now: Instant) -> Option<Duration> {
        let expected = self.time_base.instant(self.watchdog.covers_until());
        let lost =
            self.running_time(now).checked_duration_since(expected).filter(|lost| !lost.is_zero());
        if let Some(lost) = lost {
            self.suspended += lost;
            // Snapshots of before know nothing of this: their watchdog stands still, so that nobody
            // expires in them.
            self.watchdog = Arc::default();
        }
        self.watchdog.tick(self.running_millis(now));
        lost
    }

    /// A link came up.
    pub(crate) fn link_up(&mut self, driver_id: DriverId, now: Instant) {
        self.connectivity.link_up(driver_id, self.running_millis(now));
    }

    /// A link went down.
    pub(crate) fn link_down(&mut self, driver_id: DriverId, now: Instant) {
        self.connectivity.link_down(driver_id, self.running_millis(now));
    }

    /// Whether a link is up.
    pub(crate) fn is_up(&self, driver_id: DriverId) -> bool {
        self.connectivity.is_up(driver_id)
    }

    /// The drivers whose links are up.
    pub(crate) fn links_up(&self) -> DriverSet {
        self.connectivity.links_up()
    }

    /// Whether a packet shows that its host is alive: not if a channel has kept it for a TTL or
    /// longer.
    pub(crate) fn is_sign_of_life(&self, reception: Reception) -> bool {
        reception.age < self.ttl_of(reception)
    }

    /// For how long a packet is good.
    pub(crate) fn ttl_of(&self, reception: Reception) -> Duration {
        reception.ttl.map_or(self.ttl(), PacketTtl::duration)
    }

    /// Takes in a sign of life. Returns whether the host may expire sooner now than before.
    pub(crate) fn renew(&self, last_heard: &LastHeard, reception: Reception) -> bool {
        let Reception { driver_id, ttl, .. } = reception;
        let (now, age) = (self.running_millis(reception.at), millis(reception.age));
        let former = last_heard.get();
        last_heard.renew(Sign { driver_id, now, age, ttl }, self.ttl, &self.connectivity);
        let is_shorter = last_heard.get().ttl_or(self.ttl) < former.ttl_or(self.ttl);
        let is_sooner = is_shorter && !former.drivers.is_empty();
        // Each keep-alive comes by here, and readers share this count.
        if is_sooner {
            self.shortenings.fetch_add(1, Ordering::Relaxed);
        }
        is_sooner
    }

    /// How often a host told a shorter TTL than before.
    pub(crate) fn shortenings(&self) -> u64 {
        self.shortenings.load(Ordering::Relaxed)
    }

    /// Whether a packet that a channel kept is older than what was heard since through another
    /// driver: what it says no longer holds.
    pub(crate) fn is_outdated(&self, last_heard: &LastHeard, reception: Reception) -> bool {
        let sent_at = self.running_millis(reception.sent_at());
        reception.is_kept() && last_heard.is_newer_elsewhere(reception.driver_id, sent_at, MARGIN)
    }

    /// Whether something was heard of a host that it sent after a packet, or so shortly before that
    /// nobody knows which was first: what another daemon tells of it is no news.
    pub(crate) fn knows_as_new(&self, last_heard: &LastHeard, reception: Reception) -> bool {
        last_heard.sent_at() + MARGIN > self.running_millis(reception.sent_at())
    }

    /// How long ago a host sent what was heard of it last, in milliseconds.
    pub(crate) fn age(&self, last_heard: &LastHeard, now: Instant) -> u64 {
        self.running_millis(now).saturating_sub(last_heard.sent_at())
    }

    /// Whether a host counts as alive.
    pub(crate) fn is_alive(&self, last_heard: &LastHeard, now: Instant) -> bool {
        self.deadline(last_heard).is_none_or(|deadline| self.judged_at(now) < deadline)
    }

    /// When a host expires if it stays silent and the links stay as they are, in milliseconds of
    /// running time: not at all while nobody could hear it.
    pub(crate) fn deadline(&self, last_heard: &LastHeard) -> Option<u64> {
        let heard = last_heard.get();
        self.connectivity.deadline(heard.drivers, heard.listened, heard.ttl_or(self.ttl))
    }

    /// Before what time a host does not expire, whatever is heard from `now` on and as long as no
    /// link comes up and the host tells no shorter TTL. Both are in milliseconds of running time.
    pub(crate) fn no_expiry_before(&self, last_heard: &LastHeard, now: u64) -> u64 {
        // A host whose links are all down may be heard through another one at once, and then has a
        // TTL.
        self.deadline(last_heard).unwrap_or_else(|| now + last_heard.get().ttl_or(self.ttl))
    }

    /// Up to when it can be told at a moment who is alive, in milliseconds of running time.
    pub(crate) fn judged_at(&self, now: Instant) -> u64 {
        self.running_millis(now).min(self.watchdog.covers_until())
    }

    /// The moment up to which it can be told what is known: not later than the registry works.
    pub(crate) fn covered(&self, now: Instant) -> Instant {
        now.min(self.moment(self.watchdog.covers_until()))
    }

    /// The moment of so many milliseconds of running time, if the daemon does not stand still until
    /// then.
    pub(crate) fn moment(&self, running: u64) -> Instant {
        self.time_base.instant(running) + self.suspended
    }

    /// A moment on the clock that decides on expiry: it stands still while the daemon does, as
    /// nobody hears anybody then.
    fn running_time(&self, moment: Instant) -> Instant {
        moment.checked_sub(self.suspended).unwrap_or(moment)
    }

    fn running_millis(&self, moment: Instant) -> u64 {
        self.time_base.millis(self.running_time(moment))
    }
}

#[cfg(test)]
mod tests;
