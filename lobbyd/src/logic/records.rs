//! Who is here until when.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lobby_client::{Discovery, DuplicateName, HostName};

use super::packet::{self, Refusal, Verb};
pub use super::record::Hearing;
use super::record::{Epoch, Record, View};
use super::sight::{Carrier, Sight};
use super::snapshot::Snapshot;
use super::sorted_map::SortedMap;
use super::warmth::Warmth;

/// What happened to a host. Every change makes a new revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It was not here before.
    Joined(HostName),
    /// It has other labels than before.
    Relabelled(HostName),
    /// It said goodbye.
    Left(HostName),
    /// It was not heard for TTL.
    Expired(HostName),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Joined(_) => "host joined",
            Self::Relabelled(_) => "host changed its labels",
            Self::Left(_) => "host left",
            Self::Expired(_) => "host expired",
        })
    }
}

impl Change {
    /// The host that it happened to.
    pub fn hostname(&self) -> &HostName {
        match self {
            Self::Joined(name) | Self::Relabelled(name) | Self::Left(name) | Self::Expired(name) => name,
        }
    }
}

/// What a packet was good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Nothing new.
    Nothing,
    /// Something happened to a host.
    Change(Change),
    /// Another daemon goes by the own name. The own record stands.
    Duplicate,
}

impl From<Option<Change>> for Heard {
    fn from(change: Option<Change>) -> Self {
        change.map_or(Self::Nothing, Self::Change)
    }
}

/// The registry: all hosts of the lobby that are alive.
#[derive(Debug)]
pub struct Records {
    records: SortedMap<HostName, Arc<Record>>,
    view: View,
    warmth: Warmth,
    instance: String,
    own: Option<HostName>,
    duplicate: Option<DuplicateName>,
    max_servers: usize,
    revision: u64,
}

impl Records {
    /// An empty registry of the daemon that marks its packets with `instance`. `ttl` is the age at which a record is dead,
    /// `max_servers` the most hosts held beside the own one.
    pub fn new(instance: String, ttl: Duration, max_servers: usize, warmth: Warmth, now: Instant) -> Self {
        let view = View { epoch: Epoch(now), ttl, sight: Sight::default(), pulse: Arc::default() };
        Self {
            records: SortedMap::default(),
            view,
            warmth,
            instance,
            own: None,
            duplicate: None,
            max_servers,
            revision: 0,
        }
    }

    /// Shows that the registry works; to be called several times a second. Returns whether it had been away, in which case nobody
    /// could be heard and everybody has a full TTL from now on.
    pub fn beat(&mut self, now: Instant) -> bool {
        let was_away = now > self.view.pulse.reaches(self.view.epoch);
        if was_away {
            self.view.sight.wake(now);
            // Snapshots of before know nothing of this: their pulse stands still, so that nobody dies in them.
            self.view.pulse = Arc::default();
        }
        self.view.pulse.beat(self.view.epoch, now);
        was_away
    }

    /// The own name; none with REGISTER=false.
    pub fn own(&self) -> Option<&HostName> {
        self.own.as_ref()
    }

    /// Which run of which daemon this is.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// The other daemon that goes by the own name, if one was heard.
    pub fn duplicate(&self) -> Option<&DuplicateName> {
        self.duplicate.as_ref()
    }

    /// All that is known now.
    pub fn snapshot(&self) -> Snapshot {
        let (records, view, warmth) = (self.records.clone(), self.view.clone(), self.warmth);
        Snapshot { records, view, revision: self.revision, warmth }
    }

    /// A link came up.
    pub fn link_opened(&mut self, carrier: Carrier, now: Instant) {
        self.view.sight.gain(carrier, now);
        self.warmth.opened(carrier, now);
    }

    /// A link went down.
    pub fn link_closed(&mut self, carrier: Carrier) {
        self.view.sight.lose(carrier);
    }

    /// This server is called so and has these labels now. It is always in its own list.
    pub fn set_own(&mut self, packet: Discovery, unix_seconds: i64) -> Vec<Change> {
        let former = self.own.replace(packet.hostname.clone()).filter(|former| *former != packet.hostname);
        let left = former.and_then(|former| self.remove(&former));
        left.into_iter().chain(self.put_own(packet, unix_seconds)).collect()
    }

    /// This server is still here.
    pub fn touch_own(&self, unix_seconds: i64) {
        if let Some(own) = self.own.as_ref().and_then(|own| self.records.get(own)) {
            own.touch(unix_seconds);
        }
    }

    /// Takes in a payload from a channel.
    ///
    /// # Errors
    /// The [`Refusal`] of a packet that changes nothing.
    pub fn hear(&mut self, payload: &[u8], hearing: Hearing) -> Result<Heard, Refusal> {
        let envelope = packet::decode(payload)?;
        match envelope.verb {
            _ if self.is_own(&envelope.discovery.hostname) => Ok(self.hear_own(envelope.instance, hearing)),
            Verb::Hi => self.hear_hi(envelope.discovery, hearing).map(Heard::from),
            Verb::Goodbye => Ok(self.remove(&envelope.discovery.hostname).into()),
        }
    }

    /// Takes in that a channel no longer keeps a payload.
    ///
    /// # Errors
    /// The [`Refusal`] of a packet that had changed nothing in the first place.
    pub fn withdraw(&mut self, payload: &[u8]) -> Result<Option<Change>, Refusal> {
        let hostname = packet::decode(payload)?.discovery.hostname;
        Ok(if self.is_own(&hostname) { None } else { self.remove(&hostname) })
    }

    /// Removes the dead.
    pub fn sweep(&mut self, now: Instant) -> Vec<Change> {
        let dead = self.records.values().filter(|record| !record.is_alive(now, &self.view));
        let dead: Vec<_> = dead.map(|record| record.hostname().clone()).collect();
        for hostname in &dead {
            self.remove(hostname);
        }
        dead.into_iter().map(Change::Expired).collect()
    }

    /// Somebody says the own name: this daemon itself, or another one. What a channel kept from before the start does not count.
    fn hear_own(&mut self, instance: Option<String>, hearing: Hearing) -> Heard {
        if instance.as_deref() == Some(&self.instance) {
            self.touch_own(hearing.unix_seconds);
            return Heard::Nothing;
        }
        if hearing.at < self.view.epoch.0 {
            return Heard::Nothing;
        }
        let packets = self.duplicate.as_ref().map_or(0, |known| known.packets) + 1;
        self.duplicate = Some(DuplicateName { packets, last_seen: hearing.unix_seconds, instance });
        Heard::Duplicate
    }

    fn hear_hi(&mut self, packet: Discovery, hearing: Hearing) -> Result<Option<Change>, Refusal> {
        match self.records.get(&packet.hostname).cloned() {
            Some(record) if record.is_alive(hearing.at, &self.view) => Ok(self.renew(&record, packet, hearing)),
            _ => self.join(packet, hearing).map(Some),
        }
    }

    fn renew(&mut self, record: &Record, packet: Discovery, hearing: Hearing) -> Option<Change> {
        record.renew(self.view.epoch, hearing);
        let relabelled = *record.labels() != *packet.labels;
        relabelled.then(|| {
            self.put(Arc::new(record.relabelled(packet.labels)));
            Change::Relabelled(packet.hostname)
        })
    }

    fn join(&mut self, packet: Discovery, hearing: Hearing) -> Result<Change, Refusal> {
        let others = self.records.len() - usize::from(self.own.is_some());
        if others >= self.max_servers && self.records.get(&packet.hostname).is_none() {
            return Err(Refusal::RegistryFull(others));
        }
        let hostname = packet.hostname.clone();
        self.put(Arc::new(Record::heard(packet, self.view.epoch, hearing)));
        Ok(Change::Joined(hostname))
    }

    fn put_own(&mut self, packet: Discovery, unix_seconds: i64) -> Option<Change> {
        let known = self.records.get(&packet.hostname);
        let change = match known {
            Some(known) if *known.labels() != *packet.labels => Some(Change::Relabelled(packet.hostname.clone())),
            Some(known) if known.is_own() => return None,
            Some(_) => None,
            None => Some(Change::Joined(packet.hostname.clone())),
        };
        self.put(Arc::new(Record::own(packet, unix_seconds)));
        change
    }

    fn put(&mut self, record: Arc<Record>) {
        self.revision += 1;
        self.records.insert(record.hostname().clone(), record);
    }

    fn remove(&mut self, hostname: &HostName) -> Option<Change> {
        let removed = self.records.remove(hostname)?;
        self.revision += 1;
        Some(Change::Left(removed.hostname().clone()))
    }

    fn is_own(&self, hostname: &HostName) -> bool {
        self.own.as_ref() == Some(hostname)
    }
}

#[cfg(test)]
#[path = "records_tests.rs"]
mod tests;
