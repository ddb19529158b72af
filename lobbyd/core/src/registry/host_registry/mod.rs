//! The host registry: all hosts of the lobby that are alive.

mod intake;
mod losses;

use std::sync::Arc;
use std::time::{Duration, Instant};

use lobby_client::{Discovery, DuplicateName, HostName};

pub use intake::{Accepted, SenderNews};

use crate::index::host_id::HostIdAllocator;
use crate::index::label_index::LabelIndex;
use crate::liveness::Liveness;
use crate::liveness::connectivity::DriverId;
use crate::liveness::initial_sync::InitialSync;
use crate::liveness::pace::{LobbySize, Pace};
use crate::liveness::told_ttls::ToldTtls;
pub use crate::registry::change::{Applied, Change, ChangeKind};
use crate::registry::changes::Changes;
use crate::registry::duplicates::Duplicates;
use crate::registry::expiry_schedule::ExpirySchedule;
use crate::registry::host::Host;
use crate::registry::host_table::HostTable;
use crate::registry::name_table::NameTable;
use crate::registry::namesakes::Namesakes;
use crate::registry::snapshot::Snapshot;
use crate::registry::suspects::Suspects;
use crate::signing::keys::Keys;
use crate::signing::verifier::PacketVerifier;
use crate::wire::instance_id::InstanceId;
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
    duplicates: Duplicates,
    namesakes: Namesakes,
    max_servers: usize,
    /// That of the last change.
    revision: u64,
    changes: Changes,
    expiries: ExpirySchedule,
    suspects: Suspects,
    /// How many hosts tell no TTL.
    without_ttl: usize,
    pace: Pace,
    /// What hosts told that joined before the daemon was warm.
    told_ttls: ToldTtls,
    verifier: Option<PacketVerifier>,
}

impl HostRegistry {
    /// An empty registry of the daemon that marks its packets with `instance`. `ttl` is the age at
    /// which a host expires that tells none, `max_servers` the most hosts held beside the own one.
    pub fn new(
        instance: String,
        ttl: Duration,
        max_servers: usize,
        initial_sync: InitialSync,
        now: Instant,
    ) -> Self {
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
            duplicates: Duplicates::default(),
            namesakes: Namesakes::default(),
            max_servers,
            revision: 0,
            changes: Changes::default(),
            expiries: ExpirySchedule::new(ttl),
            suspects: Suspects::default(),
            without_ttl: 0,
            pace: Pace { keep_alive: initial_sync.keep_alive(), ttl, max_rate: 0 },
            told_ttls: ToldTtls::default(),
            verifier: None,
        }
    }

    /// In a lobby that would send more than `max_rate` packets a second hosts are heard less often.
    #[must_use]
    pub fn stretching_above(self, max_rate: u32) -> Self {
        Self { pace: Pace { max_rate, ..self.pace }, ..self }
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

    /// Shows that the registry works; to be called several times a second. Returns for how long it
    /// had stood still, if it had: nobody could be heard then, and that time counts for
    /// nobody's death.
    pub fn tick(&mut self, now: Instant) -> Option<Duration> {
        let lost = self.liveness.tick(now)?;
        self.initial_sync.stood_still(lost, now);
        Some(lost)
    }

    /// The own name; none with REGISTER=false.
    pub fn own(&self) -> Option<&HostName> {
        self.own.as_ref()
    }

    /// How many other hosts are in the list.
    pub fn count_others(&self) -> usize {
        self.hosts.len() - usize::from(self.own.is_some())
    }

    /// The age at which a host expires that tells no TTL.
    pub fn ttl(&self) -> Duration {
        self.liveness.ttl()
    }

    /// Which run of which daemon this is.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// The other daemon that goes by the own name, if one was heard in the last TTL.
    pub fn duplicate(&self) -> Option<&DuplicateName> {
        self.duplicates.last()
    }

    /// The host names other than the own one that two or more daemons go by, with their instances,
    /// the smallest first.
    pub fn namesakes(&self) -> impl Iterator<Item = (&HostName, Vec<InstanceId>)> {
        self.namesakes.proven()
    }

    /// The size of the lobby.
    pub fn size(&self) -> LobbySize {
        LobbySize { hosts: self.hosts.len(), without_ttl: self.without_ttl }
    }

    /// Whether a host of this name is known.
    pub fn is_known(&self, hostname: &str) -> bool {
        self.known.get(hostname).is_some()
    }

    /// All that is known now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(
            self.hosts.clone(),
            self.labels.clone(),
            self.liveness.clone(),
            self.changes.clone(),
            self.revision,
            self.initial_sync,
            Arc::clone(&self.instance),
            self.expiries.next(),
        )
    }

    /// Whether a link is up.
    pub fn is_link_up(&self, driver_id: DriverId) -> bool {
        self.liveness.is_up(driver_id)
    }

    /// A link came up.
    pub fn link_opened(&mut self, driver_id: DriverId, now: Instant) {
        self.liveness.link_up(driver_id, now);
        self.initial_sync.link_up(driver_id, now);
        // Hosts that nobody could hear until now may have little time left.
        self.look_at_all(self.liveness.judged_at(now));
    }

    /// Another daemon, which is warm, has told everybody who can be heard through this link.
    pub fn told_by_another(&mut self, driver_id: DriverId, now: Instant) {
        if self.is_link_up(driver_id) {
            self.initial_sync.told_by_another(driver_id, now);
        }
    }

    /// A link went down, or could not be brought up. Hosts that had expired by then are removed:
    /// from now on none expires of silence on this link.
    pub fn link_closed(&mut self, driver_id: DriverId, now: Instant) -> Vec<Arc<Change>> {
        let expired = self.expire(now);
        self.liveness.link_down(driver_id, now);
        self.initial_sync.link_down(driver_id, now);
        self.suspects.forget(driver_id);
        expired
    }

    /// When to call [`Self::expire`]: no host expires or is lost before this moment. None while
    /// none can.
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        let next =
            Some(self.expiries.next().min(self.suspects.next())).filter(|next| *next < u64::MAX)?;
        Some(self.liveness.moment(next).max(now))
    }

    /// This server is called so and has these labels now. It is always in its own list.
    pub fn set_own(&mut self, packet: Discovery, unix_seconds: i64) -> Vec<Arc<Change>> {
        let former =
            self.own.replace(packet.hostname.clone()).filter(|former| *former != packet.hostname);
        if former.is_some() {
            self.duplicates = Duplicates::default();
        }
        let left = former.and_then(|former| self.remove(&former, ChangeKind::Left));
        left.into_iter().chain(self.put_own(packet, unix_seconds)).collect()
    }

    /// This server is still here.
    pub fn touch_own(&self, unix_seconds: i64) {
        if let Some(own) = self.own.as_ref().and_then(|own| self.known.get(own.as_str())) {
            own.touch(unix_seconds);
        }
    }

    /// Removes the hosts whose deadline has come, and those that are lost.
    pub fn expire(&mut self, now: Instant) -> Vec<Arc<Change>> {
        let (at, mut expired) = (self.liveness.judged_at(now), Vec::new());
        if self.expiries.is_used_up(at) {
            self.look_at_all(at);
        }
        while let Some(id) = self.expiries.pop(at) {
            let Some(host) = self.hosts.get(id) else { continue };
            let deadline = host.no_expiry_before(at, &self.liveness);
            if at < deadline {
                self.expiries.note(at, id, deadline);
            } else {
                let hostname = host.name().clone();
                expired.extend(self.remove(&hostname, ChangeKind::Expired));
            }
        }
        self.lose(at, &mut expired);
        expired
    }

    /// Removes the hosts whose deadline has come, found by a look at all of them, and forgets what
    /// is over: a duplicate of a TTL ago, signed packets that would be refused by their age
    /// alone.
    pub fn sweep(&mut self, now: Instant) -> Vec<Arc<Change>> {
        if let Some(verifier) = &mut self.verifier {
            verifier.forget(now);
        }
        self.duplicates.sweep(now);
        self.namesakes.sweep(now, &self.liveness);
        self.look_at_all(self.liveness.judged_at(now));
        self.expire(now)
    }

    /// Notes the deadlines of all hosts.
    fn look_at_all(&mut self, at: u64) {
        let deadlines =
            self.hosts.iter().map(|host| (host.id(), host.no_expiry_before(at, &self.liveness)));
        self.expiries.look(at, deadlines);
    }

    fn put_own(&mut self, packet: Discovery, unix_seconds: i64) -> Option<Arc<Change>> {
        let (text, hostname) = (PacketJson::new(&packet), packet.hostname);
        let known = self.known.get(hostname.as_str());
        let kind = match known {
            Some(host) if *host.text() != text => Some(ChangeKind::relabelled(host.text(), &text)),
            Some(host) if host.is_own() => return None,
            Some(_) => None,
            None => Some(ChangeKind::Joined),
        };
        let id = known.map_or_else(|| self.ids.allocate(), |host| host.id());
        let host = self.put(Host::own(id, hostname, text, unix_seconds));
        kind.map(|kind| self.changed(kind, host))
    }

    /// Gives a host the place of the one that had its name, or a new one.
    fn put(&mut self, host: Host) -> Arc<Host> {
        let host = Arc::new(host);
        let before = self.hosts.put(Arc::clone(&host));
        self.without_ttl += usize::from(host.lacks_ttl());
        self.without_ttl -= usize::from(before.as_ref().is_some_and(|before| before.lacks_ttl()));
        self.labels.change(
            host.id(),
            before.as_ref().map(|before| before.text()),
            Some(host.text()),
        );
        self.known.insert(Arc::clone(&host));
        host
    }

    fn remove(&mut self, hostname: &HostName, kind: ChangeKind) -> Option<Arc<Change>> {
        let host = self.known.remove(hostname.as_str())?;
        self.namesakes.forget(hostname);
        self.hosts.remove(host.id());
        self.without_ttl -= usize::from(host.lacks_ttl());
        self.labels.change(host.id(), Some(host.text()), None);
        self.ids.free(host.id());
        Some(self.changed(kind, host))
    }

    /// Makes the next revision.
    fn changed(&mut self, kind: ChangeKind, host: Arc<Host>) -> Arc<Change> {
        self.revision += 1;
        let change = Arc::new(Change { revision: self.revision, kind, host });
        self.changes.push(Arc::clone(&change));
        change
    }

    fn is_own(&self, hostname: &HostName) -> bool {
        self.own.as_ref() == Some(hostname)
    }
}

#[cfg(test)]
mod tests;
