//! One host in the registry.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lobby_client::HostName;

use crate::index::host_id::HostId;
use crate::liveness::connectivity::{Connectivity, DriverId, DriverSet};
use crate::liveness::reception::Reception;
use crate::wire::instance_id::InstanceId;
use crate::wire::packet_json::PacketJson;

/// A host with its labels. These never change; when it was last heard and who spoke is renewed in place, so that a keep-alive, which
/// tells nothing new, makes no new record and no new snapshot.
#[derive(Debug)]
pub struct Host {
    id: HostId,
    own: bool,
    hostname: HostName,
    text: PacketJson,
    sender: AtomicU64,
    last_check: AtomicI64,
    last_heard: LastHeard,
}

impl Host {
    /// A host that was heard, with its place in the table of hosts.
    pub(crate) fn heard(
        id: HostId,
        hostname: HostName,
        text: PacketJson,
        liveness: &Liveness,
        reception: Reception,
    ) -> Self {
        let record = Self::new(id, hostname, text, false, reception.unix_seconds());
        record.renew(liveness, reception);
        record
    }

    /// This server itself, which needs no hearing to be there.
    pub(crate) fn own(id: HostId, hostname: HostName, text: PacketJson, unix_seconds: i64) -> Self {
        Self::new(id, hostname, text, true, unix_seconds)
    }

    fn new(id: HostId, hostname: HostName, text: PacketJson, own: bool, unix_seconds: i64) -> Self {
        let (sender, last_check) = (AtomicU64::default(), AtomicI64::new(unix_seconds));
        Self { id, own, hostname, text, sender, last_check, last_heard: LastHeard::default() }
    }

    /// The same host with other labels.
    pub(crate) fn relabelled(&self, text: PacketJson) -> Self {
        Self {
            id: self.id,
            own: self.own,
            hostname: self.hostname.clone(),
            text,
            sender: AtomicU64::new(self.sender.load(Ordering::Relaxed)),
            last_check: AtomicI64::new(self.last_check()),
            last_heard: self.last_heard.clone(),
        }
    }

    /// Its place in the table of hosts.
    pub(crate) fn id(&self) -> HostId {
        self.id
    }

    /// The host's name.
    pub fn name(&self) -> &HostName {
        &self.hostname
    }

    /// The host's name and its labels as JSON.
    pub(crate) fn text(&self) -> &PacketJson {
        &self.text
    }

    /// Its labels, sorted and unique.
    pub fn labels(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.text.labels()
    }

    /// Whether the packet was last said by this sender, and in a form in which that can be told.
    pub(crate) fn is_from(&self, sender: Option<InstanceId>) -> bool {
        sender.is_some() && self.sender.load(Ordering::Relaxed) == InstanceId::to_number(sender)
    }

    /// The packet was said by this sender.
    pub(crate) fn said_by(&self, sender: Option<InstanceId>) {
        self.sender.store(InstanceId::to_number(sender), Ordering::Relaxed);
    }

    /// Whether this is this server itself.
    pub(crate) fn is_own(&self) -> bool {
        self.own
    }

    /// When it was last heard, in seconds since the Unix epoch.
    pub fn last_check(&self) -> i64 {
        self.last_check.load(Ordering::Relaxed)
    }

    /// The host was heard again.
    pub(crate) fn renew(&self, liveness: &Liveness, reception: Reception) {
        self.last_heard.set(reception.driver_id, liveness.time_base.millis(liveness.running_time(reception.sent_at())));
        self.touch(reception.unix_seconds());
    }

    /// The host is known to be there without having been heard.
    pub(crate) fn touch(&self, unix_seconds: i64) {
        self.last_check.store(unix_seconds, Ordering::Relaxed);
    }

    /// Whether the host counts as alive.
    pub(crate) fn is_alive(&self, now: Instant, liveness: &Liveness) -> bool {
        let judged_at = liveness.running_time(now).min(liveness.watchdog.covers_until(liveness.time_base));
        self.deadline(liveness).is_none_or(|deadline| judged_at < deadline)
    }

    /// Whether the host spoke through a driver of late.
    pub(crate) fn speaks_through(&self, driver_id: DriverId, liveness: &Liveness) -> bool {
        self.last_heard.since(self.last_heard.latest().saturating_sub(millis(liveness.ttl))).contains(driver_id)
    }

    /// When, in working time, the host is dead if it stays silent; never while nobody could hear it, and never if it is this server.
    pub(crate) fn deadline(&self, liveness: &Liveness) -> Option<Instant> {
        if self.own {
            return None;
        }
        let latest = self.last_heard.latest();
        let through = self.last_heard.since(latest.saturating_sub(millis(liveness.ttl)));
        liveness.connectivity.deadline(liveness.time_base.instant(latest), through, liveness.ttl)
    }
}

/// What decides on who is alive, beside the records themselves.
#[derive(Debug, Clone)]
pub(crate) struct Liveness {
    pub time_base: TimeBase,
    pub ttl: Duration,
    pub connectivity: Connectivity,
    pub watchdog: Arc<Watchdog>,
    /// How long the daemon itself stood still since it was started.
    pub suspended: Duration,
}

impl Liveness {
    /// A moment on the clock that decides on life and death: it stands still while the daemon does, as nobody hears anybody then.
    pub(crate) fn running_time(&self, moment: Instant) -> Instant {
        moment.checked_sub(self.suspended).unwrap_or(moment)
    }
}

/// When the registry last showed that it works, in milliseconds of working time since the epoch. A daemon that is stopped or starved hears nobody, so
/// its readers must not let anybody die meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Watchdog(AtomicU64);

impl Watchdog {
    /// Longest time between two beats of a registry that works.
    const PATIENCE: Duration = Duration::from_secs(1);

    /// The registry works.
    pub(crate) fn tick(&self, time_base: TimeBase, now: Instant) {
        self.0.store(time_base.millis(now), Ordering::Relaxed);
    }

    /// Up to when the registry can tell who is alive.
    pub(crate) fn covers_until(&self, time_base: TimeBase) -> Instant {
        time_base.instant(self.0.load(Ordering::Relaxed)) + Self::PATIENCE
    }
}

/// The moment from which the times in records count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimeBase(pub Instant);

impl TimeBase {
    pub(crate) fn millis(self, instant: Instant) -> u64 {
        millis(instant.saturating_duration_since(self.0))
    }

    fn instant(self, millis: u64) -> Instant {
        self.0 + Duration::from_millis(millis)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// For each driver when the host was last heard through it, in milliseconds since the epoch plus one; 0 = never.
#[derive(Debug, Default)]
struct LastHeard([AtomicU64; DriverId::MAX]);

impl LastHeard {
    fn set(&self, driver_id: DriverId, millis: u64) {
        self.0[driver_id.index()].fetch_max(millis + 1, Ordering::Relaxed);
    }

    fn latest(&self) -> u64 {
        self.0.iter().map(|last_heard| last_heard.load(Ordering::Relaxed)).max().unwrap_or_default().saturating_sub(1)
    }

    /// The drivers it was heard through at that time or later. A driver it was not heard through for long no longer counts: that
    /// this one is up says nothing about the host.
    fn since(&self, millis: u64) -> DriverSet {
        let mut through = DriverSet::default();
        for (place, last_heard) in self.0.iter().enumerate() {
            if let Some(driver_id) = DriverId::new(place).filter(|_| last_heard.load(Ordering::Relaxed) > millis) {
                through.insert(driver_id);
            }
        }
        through
    }
}

impl Clone for LastHeard {
    fn clone(&self) -> Self {
        Self(std::array::from_fn(|place| AtomicU64::new(self.0[place].load(Ordering::Relaxed))))
    }
}
