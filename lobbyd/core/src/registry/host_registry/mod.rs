//! Who is here until when.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lobby_client::{Discovery, DuplicateName, HostName};

use crate::index::host_id::{HostId, HostIdAllocator};
use crate::index::label_index::LabelIndex;
use crate::liveness::connectivity::{Connectivity, DriverId};
use crate::liveness::initial_sync::InitialSync;
use crate::liveness::reception::Reception;
pub use crate::registry::change::{Applied, Change};
use crate::registry::host::{Host, Liveness, TimeBase};
use crate::registry::host_table::HostTable;
use crate::registry::name_table::NameTable;
use crate::registry::snapshot::Snapshot;
use crate::wire::envelope::{self, Envelope, MessageKind, Refusal};
use crate::wire::instance_id::InstanceId;
use crate::wire::packet_json::{self, PacketJson};

/// The registry: all hosts of the lobby that are alive.
#[derive(Debug)]
pub struct HostRegistry {
    hosts: HostTable,
    ids: HostIdAllocator,
    labels: LabelIndex,
    known: NameTable,
    liveness: Liveness,
    initial_sync: InitialSync,
    instance: Arc<str>,
    own: Option<HostName>,
    started: Instant,
    duplicate: Option<(Instant, DuplicateName)>,
    max_servers: usize,
    revision: u64,
}

impl HostRegistry {
    /// An empty registry of the daemon that marks its packets with `instance`. `ttl` is the age at which a record is dead,
    /// `max_servers` the most hosts held beside the own one.
    pub fn new(instance: String, ttl: Duration, max_servers: usize, initial_sync: InitialSync, now: Instant) -> Self {
        // What a channel kept may be up to a TTL older than this daemon.
        let time_base = TimeBase(now.checked_sub(ttl).unwrap_or(now));
        let liveness = Liveness {
            time_base,
            ttl,
            connectivity: Connectivity::default(),
            watchdog: Arc::default(),
            suspended: Duration::ZERO,
        };
        liveness.watchdog.tick(time_base, now);
        Self {
            hosts: HostTable::default(),
            ids: HostIdAllocator::default(),
            labels: LabelIndex::default(),
            known: NameTable::default(),
            liveness,
            initial_sync,
            instance: instance.into(),
            own: None,
            started: now,
            duplicate: None,
            max_servers,
            revision: 0,
        }
    }

    /// Shows that the registry works; to be called several times a second. Returns for how long it had stood still, if it had: nobody
    /// could be heard then, and that time counts for nobody's death.
    pub fn tick(&mut self, now: Instant) -> Option<Duration> {
        let expected = self.liveness.watchdog.covers_until(self.liveness.time_base);
        let lost = self.liveness.running_time(now).checked_duration_since(expected).filter(|lost| !lost.is_zero());
        if let Some(lost) = lost {
            self.liveness.suspended += lost;
            // Snapshots of before know nothing of this: their pulse stands still, so that nobody dies in them.
            self.liveness.watchdog = Arc::default();
        }
        self.liveness.watchdog.tick(self.liveness.time_base, self.liveness.running_time(now));
        lost
    }

    /// The own name; none with REGISTER=false.
    pub fn own(&self) -> Option<&HostName> {
        self.own.as_ref()
    }

    /// Which run of which daemon this is.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// The other daemon that goes by the own name, if one was heard in the last TTL.
    pub fn duplicate(&self) -> Option<&DuplicateName> {
        self.duplicate.as_ref().map(|(_, duplicate)| duplicate)
    }

    /// All that is known now.
    pub fn snapshot(&self) -> Snapshot {
        let (hosts, labels) = (self.hosts.clone(), self.labels.clone());
        let instance = Arc::clone(&self.instance);
        Snapshot::new(hosts, labels, self.liveness.clone(), self.revision, self.initial_sync, instance)
    }

    /// A link came up.
    pub fn link_opened(&mut self, driver_id: DriverId, now: Instant) {
        self.liveness.connectivity.link_up(driver_id, self.liveness.running_time(now));
        self.initial_sync.link_up(driver_id, now);
    }

    /// A link went down. Who was dead by then is removed: from now on nobody dies of silence on it.
    pub fn link_closed(&mut self, driver_id: DriverId, now: Instant) -> Vec<Change> {
        let dead = self.sweep(now);
        self.liveness.connectivity.link_down(driver_id);
        self.initial_sync.link_down(driver_id, now);
        dead
    }

    /// This server is called so and has these labels now. It is always in its own list.
    pub fn set_own(&mut self, packet: Discovery, unix_seconds: i64) -> Vec<Change> {
        let former = self.own.replace(packet.hostname.clone()).filter(|former| *former != packet.hostname);
        if former.is_some() {
            self.duplicate = None;
        }
        let left = former.and_then(|former| self.remove(&former));
        left.into_iter().chain(self.put_own(packet, unix_seconds)).collect()
    }

    /// This server is still here.
    pub fn touch_own(&self, unix_seconds: i64) {
        if let Some(own) = self.own.as_ref().and_then(|own| self.known.get(own.as_str())) {
            own.touch(unix_seconds);
        }
    }

    /// Takes in a payload from a channel.
    ///
    /// # Errors
    /// The [`Refusal`] of a packet that changes nothing.
    pub fn apply_payload(&mut self, payload: &[u8], reception: Reception) -> Result<Applied, Refusal> {
        match self.match_known(payload, reception.sent_at()) {
            Some((record, None)) => {
                record.renew(&self.liveness, reception);
                Ok(Applied::Unchanged)
            }
            Some((record, Some(text))) => {
                record.renew(&self.liveness, reception);
                let record = Arc::clone(record);
                Ok(Applied::Changed(self.relabel(&record, text)))
            }
            None => self.apply(envelope::decode(payload)?, payload, reception),
        }
    }

    /// Takes in what was said on a channel, decoded already.
    ///
    /// # Errors
    /// The [`Refusal`] of a packet that changes nothing.
    pub fn apply(&mut self, envelope: Envelope, payload: &[u8], reception: Reception) -> Result<Applied, Refusal> {
        let Envelope { verb, discovery, instance, .. } = envelope;
        match verb {
            _ if self.is_own(&discovery.hostname) => Ok(self.apply_own(instance, reception)),
            MessageKind::Hi => self.apply_hi(discovery, payload, reception).map(Applied::from),
            MessageKind::Goodbye => Ok(self.remove(&discovery.hostname).into()),
        }
    }

    /// The host that says hi again, which shows without decoding the packet, and its text if that is another one than before.
    fn match_known(&self, payload: &[u8], at: Instant) -> Option<(&Arc<Host>, Option<PacketJson>)> {
        let record = self.known.get(packet_json::hostname_in(payload)?)?;
        let (successor, tail) = match record.text().suffix_if_same(payload) {
            Some(tail) => (None, tail),
            None => record.text().successor_in(payload).map(|(text, tail)| (Some(text), tail))?,
        };
        let again = record.is_from(InstanceId::of_hi(tail)) && record.is_alive(at, &self.liveness);
        again.then_some((record, successor))
    }

    /// Takes in that a channel no longer keeps a payload: a goodbye of a host that has spoken through this channel.
    ///
    /// # Errors
    /// The [`Refusal`] of a packet that had changed nothing in the first place.
    pub fn withdraw(&mut self, payload: &[u8], driver_id: DriverId) -> Result<Option<Change>, Refusal> {
        let hostname = envelope::decode(payload)?.discovery.hostname;
        let speaks =
            self.known.get(hostname.as_str()).is_some_and(|record| record.speaks_through(driver_id, &self.liveness));
        Ok(if speaks && !self.is_own(&hostname) { self.remove(&hostname) } else { None })
    }

    /// Removes the dead.
    pub fn sweep(&mut self, now: Instant) -> Vec<Change> {
        self.duplicate.take_if(|(heard, _)| now.saturating_duration_since(*heard) >= self.liveness.ttl);
        let dead = self.hosts.sorted().filter(|record| !record.is_alive(now, &self.liveness));
        let dead: Vec<_> = dead.map(|record| record.hostname().clone()).collect();
        for hostname in &dead {
            self.remove(hostname);
        }
        dead.into_iter().map(Change::Expired).collect()
    }

    /// Somebody says the own name: this daemon itself, or another one. What a channel kept from before the start does not count.
    fn apply_own(&mut self, instance: Option<String>, reception: Reception) -> Applied {
        if instance.as_deref() == Some(&self.instance) {
            self.touch_own(reception.unix_seconds());
            return Applied::Unchanged;
        }
        if reception.sent_at() < self.started {
            return Applied::Unchanged;
        }
        let packets = self.duplicate().map_or(0, |known| known.packets) + 1;
        let duplicate = DuplicateName { packets, last_seen: reception.unix_seconds(), instance };
        self.duplicate = Some((reception.sent_at(), duplicate));
        Applied::DuplicateName
    }

    fn apply_hi(&mut self, packet: Discovery, payload: &[u8], reception: Reception) -> Result<Option<Change>, Refusal> {
        let text = PacketJson::new(&packet);
        let sender = text.suffix_if_same(payload).and_then(InstanceId::of_hi);
        match self
            .known
            .get(packet.hostname.as_str())
            .filter(|record| record.is_alive(reception.sent_at(), &self.liveness))
        {
            Some(record) => {
                record.renew(&self.liveness, reception);
                record.said_by(sender);
                let other = (*record.text() != text).then(|| Arc::clone(record));
                Ok(other.map(|record| self.relabel(&record, text)))
            }
            None => self.join(packet.hostname, text, sender, reception).map(Some),
        }
    }

    /// Gives a known host other labels.
    fn relabel(&mut self, record: &Host, text: PacketJson) -> Change {
        self.put(record.relabelled(text));
        Change::Relabelled(record.hostname().clone())
    }

    fn join(
        &mut self,
        hostname: HostName,
        text: PacketJson,
        sender: Option<InstanceId>,
        reception: Reception,
    ) -> Result<Change, Refusal> {
        let others = self.hosts.len() - usize::from(self.own.is_some());
        if others >= self.max_servers && self.known.get(hostname.as_str()).is_none() {
            return Err(Refusal::RegistryFull(others));
        }
        let record = Host::heard(self.id_of(&hostname), hostname.clone(), text, &self.liveness, reception);
        record.said_by(sender);
        self.put(record);
        Ok(Change::Joined(hostname))
    }

    fn put_own(&mut self, packet: Discovery, unix_seconds: i64) -> Option<Change> {
        let (text, hostname) = (PacketJson::new(&packet), packet.hostname);
        let change = match self.known.get(hostname.as_str()) {
            Some(record) if *record.text() != text => Some(Change::Relabelled(hostname.clone())),
            Some(record) if record.is_own() => return None,
            Some(_) => None,
            None => Some(Change::Joined(hostname.clone())),
        };
        let id = self.id_of(&hostname);
        self.put(Host::own(id, hostname, text, unix_seconds));
        change
    }

    /// The place of a host in the table of hosts, a free one if it is not here yet.
    fn id_of(&mut self, hostname: &HostName) -> HostId {
        let known = self.known.get(hostname.as_str()).map(|record| record.id());
        known.unwrap_or_else(|| self.ids.allocate())
    }

    fn put(&mut self, record: Host) {
        self.revision += 1;
        let record = Arc::new(record);
        let before = self.hosts.put(Arc::clone(&record));
        self.labels.change(record.id(), before.as_ref().map(|before| before.text()), Some(record.text()));
        self.known.insert(record);
    }

    fn remove(&mut self, hostname: &HostName) -> Option<Change> {
        let record = self.known.remove(hostname.as_str())?;
        self.revision += 1;
        self.hosts.remove(record.id());
        self.labels.change(record.id(), Some(record.text()), None);
        self.ids.free(record.id());
        Some(Change::Left(hostname.clone()))
    }

    fn is_own(&self, hostname: &HostName) -> bool {
        self.own.as_ref() == Some(hostname)
    }
}

#[cfg(test)]
mod tests;
