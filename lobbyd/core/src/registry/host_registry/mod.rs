//! The host registry: all hosts of the lobby that are alive.

mod intake;

use std::sync::Arc;
use std::time::{Duration, Instant};

use lobby_client::{Discovery, DuplicateName, HostName};

pub use intake::Accepted;

use crate::index::host_id::{HostId, HostIdAllocator};
use crate::index::label_index::LabelIndex;
use crate::liveness::Liveness;
use crate::liveness::connectivity::DriverId;
use crate::liveness::initial_sync::InitialSync;
pub use crate::registry::change::{Applied, Change};
use crate::registry::host::Host;
use crate::registry::host_table::HostTable;
use crate::registry::name_table::NameTable;
use crate::registry::snapshot::Snapshot;
use crate::signing::keys::Keys;
use crate::signing::verifier::PacketVerifier;
use crate::wire::packet_json::PacketJson;

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
    verifier: Option<PacketVerifier>,
}

impl HostRegistry {
    /// An empty registry of the daemon that marks its packets with `instance`. `ttl` is the age at which a record is dead,
    /// `max_servers` the most hosts held beside the own one.
    pub fn new(instance: String, ttl: Duration, max_servers: usize, initial_sync: InitialSync, now: Instant) -> Self {
        let liveness = Liveness::new(ttl, initial_sync.drivers(), now);
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
            verifier: None,
        }
    }

    /// Lets a verifier decide which packets are accepted. Without one all are.
    #[must_use]
    pub fn verified(self, verifier: Option<PacketVerifier>) -> Self {
        Self { verifier, ..self }
    }

    /// Verifies with other keys from now on, if it verifies.
    pub fn use_keys(&mut self, keys: Keys) {
        if let Some(verifier) = &mut self.verifier {
            verifier.use_keys(keys);
        }
    }

    /// Shows that the registry works; to be called several times a second. Returns for how long it had stood still, if it had: nobody
    /// could be heard then, and that time counts for nobody's death.
    pub fn tick(&mut self, now: Instant) -> Option<Duration> {
        self.liveness.tick(now)
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
        self.liveness.link_up(driver_id, now);
        self.initial_sync.link_up(driver_id, now);
    }

    /// A link went down. Who was dead by then is removed: from now on nobody dies of silence on it.
    pub fn link_closed(&mut self, driver_id: DriverId, now: Instant) -> Vec<Change> {
        let dead = self.sweep(now);
        self.liveness.link_down(driver_id, now);
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

    /// Removes the dead.
    pub fn sweep(&mut self, now: Instant) -> Vec<Change> {
        if let Some(verifier) = &mut self.verifier {
            verifier.forget(now);
        }
        self.duplicate.take_if(|(heard, _)| now.saturating_duration_since(*heard) >= self.liveness.ttl());
        let dead = self.hosts.sorted().filter(|record| !record.is_alive(now, &self.liveness));
        let dead: Vec<_> = dead.map(|record| record.name().clone()).collect();
        for hostname in &dead {
            self.remove(hostname);
        }
        dead.into_iter().map(Change::Expired).collect()
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
