//! Who is here until when.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lobby_client::{Discovery, DuplicateName, HostName};

use crate::index::host_id::{FreePlaces, HostId};
use crate::index::label_index::LabelIndex;
use crate::liveness::connectivity::{Carrier, Sight};
use crate::liveness::initial_sync::Warmth;
pub use crate::registry::change::{Change, Heard};
pub use crate::registry::host::Hearing;
use crate::registry::host::{Epoch, Record, View};
use crate::registry::host_table::Hosts;
use crate::registry::name_table::Known;
use crate::registry::snapshot::Snapshot;
use crate::wire::envelope::{self, Envelope, Refusal, Verb};
use crate::wire::instance_id::Sender;
use crate::wire::packet_json::{self, PacketText};

/// The registry: all hosts of the lobby that are alive.
#[derive(Debug)]
pub struct Records {
    hosts: Hosts,
    places: FreePlaces,
    labels: LabelIndex,
    known: Known,
    view: View,
    warmth: Warmth,
    instance: Arc<str>,
    own: Option<HostName>,
    started: Instant,
    duplicate: Option<(Instant, DuplicateName)>,
    max_servers: usize,
    revision: u64,
}

impl Records {
    /// An empty registry of the daemon that marks its packets with `instance`. `ttl` is the age at which a record is dead,
    /// `max_servers` the most hosts held beside the own one.
    pub fn new(instance: String, ttl: Duration, max_servers: usize, warmth: Warmth, now: Instant) -> Self {
        // What a channel kept may be up to a TTL older than this daemon.
        let epoch = Epoch(now.checked_sub(ttl).unwrap_or(now));
        let view = View { epoch, ttl, sight: Sight::default(), pulse: Arc::default(), standstill: Duration::ZERO };
        view.pulse.beat(epoch, now);
        Self {
            hosts: Hosts::default(),
            places: FreePlaces::default(),
            labels: LabelIndex::default(),
            known: Known::default(),
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
        if let Some(own) = self.own.as_ref().and_then(|own| self.known.get(own.as_str())) {
            own.touch(unix_seconds);
        }
    }

    /// Takes in a payload from a channel.
    ///
    /// # Errors
    /// The [`Refusal`] of a packet that changes nothing.
    pub fn hear(&mut self, payload: &[u8], hearing: Hearing) -> Result<Heard, Refusal> {
        match self.recognise(payload, hearing.at) {
            Some((record, None)) => {
                record.renew(&self.view, hearing);
                Ok(Heard::Nothing)
            }
            Some((record, Some(text))) => {
                record.renew(&self.view, hearing);
                let record = Arc::clone(record);
                Ok(Heard::Change(self.relabel(&record, text)))
            }
            None => self.believe(envelope::decode(payload)?, payload, hearing),
        }
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

    /// The host that says hi again, which shows without decoding the packet, and its text if that is another one than before.
    fn recognise(&self, payload: &[u8], at: Instant) -> Option<(&Arc<Record>, Option<PacketText>)> {
        let record = self.known.get(packet_json::hostname_in(payload)?)?;
        let (successor, tail) = match record.text().tail_in(payload) {
            Some(tail) => (None, tail),
            None => record.text().successor_in(payload).map(|(text, tail)| (Some(text), tail))?,
        };
        let again = record.is_from(Sender::of_hi(tail)) && record.is_alive(at, &self.view);
        again.then_some((record, successor))
    }

    /// Takes in that a channel no longer keeps a payload: a goodbye of a host that has spoken through this channel.
    ///
    /// # Errors
    /// The [`Refusal`] of a packet that had changed nothing in the first place.
    pub fn withdraw(&mut self, payload: &[u8], carrier: Carrier) -> Result<Option<Change>, Refusal> {
        let hostname = envelope::decode(payload)?.discovery.hostname;
        let speaks = self.known.get(hostname.as_str()).is_some_and(|record| record.speaks_through(carrier, &self.view));
        Ok(if speaks && !self.is_own(&hostname) { self.remove(&hostname) } else { None })
    }

    /// Removes the dead.
    pub fn sweep(&mut self, now: Instant) -> Vec<Change> {
        self.duplicate.take_if(|(heard, _)| now.saturating_duration_since(*heard) >= self.view.ttl);
        let dead = self.hosts.sorted().filter(|record| !record.is_alive(now, &self.view));
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
        let sender = text.tail_in(payload).and_then(Sender::of_hi);
        match self.known.get(packet.hostname.as_str()).filter(|record| record.is_alive(hearing.at, &self.view)) {
            Some(record) => {
                record.renew(&self.view, hearing);
                record.said_by(sender);
                let other = (*record.text() != text).then(|| Arc::clone(record));
                Ok(other.map(|record| self.relabel(&record, text)))
            }
            None => self.join(packet.hostname, text, sender, hearing).map(Some),
        }
    }

    /// Gives a known host other labels.
    fn relabel(&mut self, record: &Record, text: PacketText) -> Change {
        self.put(record.relabelled(text));
        Change::Relabelled(record.hostname().clone())
    }

    fn join(
        &mut self,
        hostname: HostName,
        text: PacketText,
        sender: Option<Sender>,
        hearing: Hearing,
    ) -> Result<Change, Refusal> {
        let others = self.hosts.len() - usize::from(self.own.is_some());
        if others >= self.max_servers && self.known.get(hostname.as_str()).is_none() {
            return Err(Refusal::RegistryFull(others));
        }
        let record = Record::heard(self.place_of(&hostname), hostname.clone(), text, &self.view, hearing);
        record.said_by(sender);
        self.put(record);
        Ok(Change::Joined(hostname))
    }

    fn put_own(&mut self, packet: Discovery, unix_seconds: i64) -> Option<Change> {
        let (text, hostname) = (PacketText::new(&packet), packet.hostname);
        let change = match self.known.get(hostname.as_str()) {
            Some(record) if *record.text() != text => Some(Change::Relabelled(hostname.clone())),
            Some(record) if record.is_own() => return None,
            Some(_) => None,
            None => Some(Change::Joined(hostname.clone())),
        };
        let id = self.place_of(&hostname);
        self.put(Record::own(id, hostname, text, unix_seconds));
        change
    }

    /// The place of a host in the table of hosts, a free one if it is not here yet.
    fn place_of(&mut self, hostname: &HostName) -> HostId {
        let known = self.known.get(hostname.as_str()).map(|record| record.id());
        known.unwrap_or_else(|| self.places.take())
    }

    fn put(&mut self, record: Record) {
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
        self.places.give_back(record.id());
        Some(Change::Left(hostname.clone()))
    }

    fn is_own(&self, hostname: &HostName) -> bool {
        self.own.as_ref() == Some(hostname)
    }
}

#[cfg(test)]
mod tests;
