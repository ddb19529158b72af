//! Who is here until when.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lobby_client::{Discovery, DuplicateName, HostName};

pub use super::change::{Change, Heard};
use super::label_index::LabelIndex;
use super::packet::{self, Envelope, Refusal, Verb};
use super::packet_text::{self, PacketText};
pub use super::record::Hearing;
use super::record::{Epoch, Record, View};
use super::sight::{Carrier, Sight};
use super::snapshot::Snapshot;
use super::sorted_map::SortedMap;
use super::warmth::Warmth;

/// The registry: all hosts of the lobby that are alive.
#[derive(Debug)]
pub struct Records {
    hosts: SortedMap<HostName, Arc<Record>>,
    labels: LabelIndex,
    known: HashMap<HostName, Known>,
    view: View,
    warmth: Warmth,
    instance: Arc<str>,
    own: Option<HostName>,
    started: Instant,
    duplicate: Option<(Instant, DuplicateName)>,
    max_servers: usize,
    revision: u64,
}

/// A host as the registry finds it fastest.
#[derive(Debug)]
struct Known {
    record: Arc<Record>,
    /// What followed the packet's text in the envelope. The next envelope is the same, unless something happens to the host.
    tail: Box<[u8]>,
}

/// Longest rest of an envelope that is remembered, in bytes: writers may add to it as they like, but not fill our memory.
const LONGEST_TAIL: usize = 128;

impl Records {
    /// An empty registry of the daemon that marks its packets with `instance`. `ttl` is the age at which a record is dead,
    /// `max_servers` the most hosts held beside the own one.
    pub fn new(instance: String, ttl: Duration, max_servers: usize, warmth: Warmth, now: Instant) -> Self {
        // What a channel kept may be up to a TTL older than this daemon.
        let epoch = Epoch(now.checked_sub(ttl).unwrap_or(now));
        let view = View { epoch, ttl, sight: Sight::default(), pulse: Arc::default(), standstill: Duration::ZERO };
        view.pulse.beat(epoch, now);
        Self {
            hosts: SortedMap::default(),
            labels: LabelIndex::default(),
            known: HashMap::new(),
            view,
            warmth,
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
    pub fn beat(&mut self, now: Instant) -> Option<Duration> {
        let expected = self.view.pulse.reaches(self.view.epoch);
        let lost = self.view.working_time(now).checked_duration_since(expected).filter(|lost| !lost.is_zero());
        if let Some(lost) = lost {
            self.view.standstill += lost;
            // Snapshots of before know nothing of this: their pulse stands still, so that nobody dies in them.
            self.view.pulse = Arc::default();
        }
        self.view.pulse.beat(self.view.epoch, self.view.working_time(now));
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
        Snapshot::new(hosts, labels, self.view.clone(), self.revision, self.warmth, instance)
    }

    /// A link came up.
    pub fn link_opened(&mut self, carrier: Carrier, now: Instant) {
        self.view.sight.gain(carrier, self.view.working_time(now));
        self.warmth.opened(carrier, now);
    }

    /// A link went down. Who was dead by then is removed: from now on nobody dies of silence on it.
    pub fn link_closed(&mut self, carrier: Carrier, now: Instant) -> Vec<Change> {
        let dead = self.sweep(now);
        self.view.sight.lose(carrier);
        self.warmth.closed(carrier, now);
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
        if let Some(own) = self.own.as_ref().and_then(|own| self.known.get(own)) {
            own.record.touch(unix_seconds);
        }
    }

    /// Takes in a payload from a channel.
    ///
    /// # Errors
    /// The [`Refusal`] of a packet that changes nothing.
    pub fn hear(&mut self, payload: &[u8], hearing: Hearing) -> Result<Heard, Refusal> {
        if let Some(record) = self.recognise(payload).filter(|record| record.is_alive(hearing.at, &self.view)) {
            record.renew(&self.view, hearing);
            return Ok(Heard::Nothing);
        }
        self.believe(packet::decode(payload)?, payload, hearing)
    }

    /// Takes in what was said on a channel, decoded already.
    ///
    /// # Errors
    /// The [`Refusal`] of a packet that changes nothing.
    pub fn believe(&mut self, envelope: Envelope, payload: &[u8], hearing: Hearing) -> Result<Heard, Refusal> {
        let Envelope { verb, discovery, instance, .. } = envelope;
        match verb {
            _ if self.is_own(&discovery.hostname) => Ok(self.hear_own(instance, hearing)),
            Verb::Hi => self.hear_hi(discovery, payload, hearing).map(Heard::from),
            Verb::Goodbye => Ok(self.remove(&discovery.hostname).into()),
        }
    }

    /// The host that has said the very same before: the usual packet, which need not be decoded.
    fn recognise(&self, payload: &[u8]) -> Option<&Record> {
        let known = self.known.get(packet_text::hostname_in(payload)?)?;
        let tail = known.record.text().tail_in(payload)?;
        (!tail.is_empty() && *tail == *known.tail).then_some(&known.record)
    }

    /// Takes in that a channel no longer keeps a payload: a goodbye of a host that has spoken through this channel.
    ///
    /// # Errors
    /// The [`Refusal`] of a packet that had changed nothing in the first place.
    pub fn withdraw(&mut self, payload: &[u8], carrier: Carrier) -> Result<Option<Change>, Refusal> {
        let hostname = packet::decode(payload)?.discovery.hostname;
        let speaks = self.known.get(&hostname).is_some_and(|known| known.record.speaks_through(carrier, &self.view));
        Ok(if speaks && !self.is_own(&hostname) { self.remove(&hostname) } else { None })
    }

    /// Removes the dead.
    pub fn sweep(&mut self, now: Instant) -> Vec<Change> {
        self.duplicate.take_if(|(heard, _)| now.saturating_duration_since(*heard) >= self.view.ttl);
        let dead = self.hosts.values().filter(|record| !record.is_alive(now, &self.view));
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
        if hearing.at < self.started {
            return Heard::Nothing;
        }
        let packets = self.duplicate().map_or(0, |known| known.packets) + 1;
        let duplicate = DuplicateName { packets, last_seen: hearing.unix_seconds, instance };
        self.duplicate = Some((hearing.at, duplicate));
        Heard::Duplicate
    }

    fn hear_hi(&mut self, packet: Discovery, payload: &[u8], hearing: Hearing) -> Result<Option<Change>, Refusal> {
        let text = PacketText::new(&packet);
        let tail = text.tail_in(payload).filter(|tail| tail.len() <= LONGEST_TAIL).unwrap_or_default().into();
        match self.known.get_mut(&packet.hostname) {
            Some(known) if known.record.is_alive(hearing.at, &self.view) => {
                known.record.renew(&self.view, hearing);
                known.tail = tail;
                Ok(self.relabel(packet.hostname, text))
            }
            _ => self.join(packet.hostname, text, tail, hearing).map(Some),
        }
    }

    /// Gives a known host the labels that it has now, if they are others.
    fn relabel(&mut self, hostname: HostName, text: PacketText) -> Option<Change> {
        let known = self.known.get_mut(&hostname).filter(|known| *known.record.text() != text)?;
        let record = Arc::new(known.record.relabelled(text));
        let tail = std::mem::take(&mut known.tail);
        self.put(record, tail);
        Some(Change::Relabelled(hostname))
    }

    fn join(
        &mut self,
        hostname: HostName,
        text: PacketText,
        tail: Box<[u8]>,
        hearing: Hearing,
    ) -> Result<Change, Refusal> {
        let others = self.hosts.len() - usize::from(self.own.is_some());
        if others >= self.max_servers && !self.known.contains_key(&hostname) {
            return Err(Refusal::RegistryFull(others));
        }
        self.put(Arc::new(Record::heard(hostname.clone(), text, &self.view, hearing)), tail);
        Ok(Change::Joined(hostname))
    }

    fn put_own(&mut self, packet: Discovery, unix_seconds: i64) -> Option<Change> {
        let (text, hostname) = (PacketText::new(&packet), packet.hostname);
        let change = match self.known.get(&hostname) {
            Some(known) if *known.record.text() != text => Some(Change::Relabelled(hostname.clone())),
            Some(known) if known.record.is_own() => return None,
            Some(_) => None,
            None => Some(Change::Joined(hostname.clone())),
        };
        self.put(Arc::new(Record::own(hostname, text, unix_seconds)), Box::default());
        change
    }

    fn put(&mut self, record: Arc<Record>, tail: Box<[u8]>) {
        self.revision += 1;
        let hostname = record.hostname().clone();
        let before = self.hosts.insert(hostname.clone(), Arc::clone(&record));
        self.labels.change(&hostname, before.as_ref().map(|before| before.text()), Some(record.text()));
        self.known.insert(hostname, Known { record, tail });
    }

    fn remove(&mut self, hostname: &HostName) -> Option<Change> {
        let removed = self.hosts.remove(hostname)?;
        self.revision += 1;
        self.labels.change(hostname, Some(removed.text()), None);
        self.known.remove(hostname);
        Some(Change::Left(hostname.clone()))
    }

    fn is_own(&self, hostname: &HostName) -> bool {
        self.own.as_ref() == Some(hostname)
    }
}

#[cfg(test)]
#[path = "records_tests.rs"]
mod tests;
