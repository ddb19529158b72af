//! The intake of the registry: the one way in for packets, verified or not.

mod own_name;
mod retold;
mod said;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use lobby_client::HostName;

use said::Said;

use super::{Applied, Change, ChangeKind, HostRegistry};
use crate::liveness::Liveness;
use crate::liveness::connectivity::DriverId;
use crate::liveness::reception::Reception;
use crate::registry::expiry_schedule::ExpirySchedule;
use crate::registry::host::Host;
use crate::registry::name_table::NameTable;
use crate::registry::namesakes::{Farewell, Standing};
use crate::signing::keys::SignedFields;
use crate::signing::verifier::Authenticity;
use crate::wire::envelope::{self, MAX_ENVELOPE_LEN, MessageKind, Refusal, Signature};
use crate::wire::instance_id::InstanceId;
use crate::wire::layout::Trailer;
use crate::wire::packet_json::{self, PacketJson};
use crate::wire::packet_ttl::{PacketTtl, TtlField};

/// What became of a packet that was not refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// What it did.
    pub applied: Applied,
    /// What its verification gave.
    pub authenticity: Authenticity,
    /// What it tells of its sender, if that is news.
    pub news: Option<SenderNews>,
    /// The host whose packet has a TTL that is not valid, and so counts as without.
    pub invalid_ttl: Option<HostName>,
}

/// News of the sender of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SenderNews {
    /// A host that was not known, or an instance that was not seen before. It may not know this
    /// server yet.
    Newcomer,
    /// Two or more daemons go by one host name.
    Namesakes {
        /// The name.
        host: HostName,
        /// Their instances, the smallest first.
        instances: Vec<InstanceId>,
    },
}

impl HostRegistry {
    /// Verifies a payload from a channel and applies it.
    ///
    /// # Errors
    /// The [`Refusal`] of a packet that changes nothing.
    pub fn apply_payload(
        &mut self,
        payload: &[u8],
        reception: Reception,
    ) -> Result<Accepted, Refusal> {
        // A keep-alive that tells nothing new is most of what comes: it is recognised by its bytes.
        match match_known(&self.known, &self.liveness, payload, reception.sent_at()) {
            Some((host, trailer)) => {
                let (signature, ttl) = (trailer.signature(), TtlField::from(trailer.ttl));
                let reception = reception.good_for(self.believed_ttl(ttl, signature.as_ref()));
                let authenticity = match &mut self.verifier {
                    None => Authenticity::Unchecked,
                    Some(verifier) => {
                        let fields = signed_fields(host, &trailer);
                        verifier.admit(fields, signature.as_ref(), false, reception)?
                    }
                };
                let schedule = (&mut self.expiries, &mut self.without_ttl);
                renew(host, &self.liveness, schedule, reception);
                host.proved_by(signature.as_ref(), trailer.ttl);
                let invalid_ttl = ttl.is_invalid().then(|| host.name().clone());
                let applied = Applied::Unchanged;
                Ok(Accepted { applied, authenticity, news: None, invalid_ttl })
            }
            None => match Said::plainly(payload) {
                Some(said) => self.apply_said(said, payload, reception),
                None => self.decode_and_apply(payload, reception),
            },
        }
    }

    /// The slow path, which takes any packet.
    fn decode_and_apply(
        &mut self,
        payload: &[u8],
        reception: Reception,
    ) -> Result<Accepted, Refusal> {
        self.apply_said((&envelope::decode(payload)?).into(), payload, reception)
    }

    fn apply_said(
        &mut self,
        said: Said<'_>,
        payload: &[u8],
        reception: Reception,
    ) -> Result<Accepted, Refusal> {
        let ttl = self.believed_ttl(said.ttl, said.signature.as_ref());
        let reception = reception.good_for(ttl);
        let is_own = self.is_own(&said.hostname);
        let authenticity = match &mut self.verifier {
            None => Authenticity::Unchecked,
            Some(verifier) => {
                let signature = said.signature.as_ref();
                verifier.admit(said.signed_fields(), signature, is_own, reception)?
            }
        };
        let (hostname, ttl) = (said.hostname.clone(), said.ttl);
        let (applied, news) = self.apply(said, payload, reception)?;
        self.keep_proof(&hostname, payload);
        let invalid_ttl = ttl.is_invalid().then_some(hostname);
        Ok(Accepted { applied, authenticity, news, invalid_ttl })
    }

    /// Keeps what proves the packet that a host goes by now, if it is this one.
    fn keep_proof(&self, hostname: &HostName, payload: &[u8]) {
        if let Some(host) = self.known.get(hostname.as_str())
            && let Some(trailer) = trailer_in(host.text(), payload)
            && host.is_from(trailer.sender_of_hi())
        {
            host.proved_by(trailer.signature().as_ref(), trailer.ttl);
        }
    }

    /// For how long a packet is good. A stranger may have added it to a signed packet whose
    /// signature does not cover it.
    fn believed_ttl(&self, ttl: TtlField, signature: Option<&Signature<'_>>) -> Option<PacketTtl> {
        let is_covered = signature.is_none_or(Signature::covers_ttl);
        ttl.valid().filter(|_| is_covered || self.verifier.is_none())
    }

    fn renew(&mut self, host: &Host, reception: Reception) {
        let schedule = (&mut self.expiries, &mut self.without_ttl);
        renew(host, &self.liveness, schedule, reception);
    }

    /// In a large lobby it takes longer until everybody must have been heard.
    fn stretch_initial_sync(&mut self, reception: Reception) {
        if !self.initial_sync.is_warm(reception.at) {
            self.told_ttls.note(reception.ttl);
            if let Some(common) = self.told_ttls.common() {
                let time = self.pace.listening_time(common, self.hosts.len());
                self.initial_sync.listen_for(time, reception.at);
            }
        }
    }

    fn apply(
        &mut self,
        said: Said<'_>,
        payload: &[u8],
        reception: Reception,
    ) -> Result<(Applied, Option<SenderNews>), Refusal> {
        let Said { kind, hostname, text, instance, .. } = said;
        if self.is_own(&hostname) {
            return Ok(self.apply_own(kind, instance, reception));
        }
        // What a channel kept tells nothing of who is there now.
        let instance = InstanceId::named(instance.filter(|_| !reception.is_kept()));
        match kind {
            MessageKind::Hi => self.apply_hi(hostname, text, instance, payload, reception),
            MessageKind::Goodbye => {
                Ok((self.apply_goodbye(&hostname, instance, reception).into(), None))
            }
        }
    }

    fn apply_goodbye(
        &mut self,
        hostname: &HostName,
        instance: Option<InstanceId>,
        reception: Reception,
    ) -> Option<Arc<Change>> {
        if self.is_outdated(hostname, reception) {
            return None;
        }
        let host = Arc::clone(self.known.get(hostname.as_str())?);
        match self.namesakes.goodbye(&host, instance, reception.at, &self.liveness) {
            Farewell::Host => self.remove(hostname, ChangeKind::Left),
            Farewell::Instance(text) => (*host.text() != text).then(|| self.relabel(&host, text)),
        }
    }

    /// Applies that a channel no longer keeps a payload: a goodbye of a host that was heard through
    /// this channel.
    ///
    /// # Errors
    /// The [`Refusal`] of a packet that had changed nothing in the first place.
    pub fn withdraw(
        &mut self,
        payload: &[u8],
        driver_id: DriverId,
    ) -> Result<Option<Arc<Change>>, Refusal> {
        let envelope = envelope::decode(payload)?;
        if let Some(verifier) = &self.verifier {
            verifier.check_signature(envelope.signed_fields(), envelope.signature.as_ref())?;
        }
        let hostname = envelope.discovery.hostname;
        let host = self.known.get(hostname.as_str());
        let carried = host.is_some_and(|host| host.speaks_through(driver_id));
        Ok(if carried && !self.is_own(&hostname) {
            self.remove(&hostname, ChangeKind::Left)
        } else {
            None
        })
    }

    fn is_outdated(&self, hostname: &HostName, reception: Reception) -> bool {
        let host = self.known.get(hostname.as_str());
        host.is_some_and(|host| host.is_newer_than(&self.liveness, reception))
    }

    fn apply_hi(
        &mut self,
        hostname: HostName,
        text: PacketJson,
        instance: Option<InstanceId>,
        payload: &[u8],
        reception: Reception,
    ) -> Result<(Applied, Option<SenderNews>), Refusal> {
        let sender = trailer_in(&text, payload).and_then(|trailer| trailer.sender_of_hi());
        match self
            .known
            .get(hostname.as_str())
            .filter(|host| host.is_alive(reception.sent_at(), &self.liveness))
        {
            Some(host) if host.is_newer_than(&self.liveness, reception) => {
                let host = Arc::clone(host);
                self.renew(&host, reception);
                Ok((Applied::Unchanged, None))
            }
            Some(host) => {
                let host = Arc::clone(host);
                Ok(self.apply_hi_of(&host, instance, sender, text, reception))
            }
            None => {
                let joined = self.join(hostname, text, sender, reception)?;
                let is_new = joined.is_some() && !reception.is_kept();
                Ok((joined.into(), is_new.then_some(SenderNews::Newcomer)))
            }
        }
    }

    /// Applies the hi of a known host, which may be that of another daemon of its name.
    fn apply_hi_of(
        &mut self,
        host: &Arc<Host>,
        instance: Option<InstanceId>,
        sender: Option<InstanceId>,
        text: PacketJson,
        reception: Reception,
    ) -> (Applied, Option<SenderNews>) {
        let standing = self.namesakes.hi(host, instance, &text, reception, &self.liveness);
        self.renew(host, reception);
        let (text, news) = match standing {
            Standing::Sender { is_new } => {
                host.said_by(sender);
                (text, is_new.then_some(SenderNews::Newcomer))
            }
            Standing::Other { text, is_new, proof } => {
                // No packet of this name is recognised by its bytes now: each of them counts.
                host.said_by(None);
                let host = host.name().clone();
                let proved = proof.map(|instances| SenderNews::Namesakes { host, instances });
                (text, proved.or(is_new.then_some(SenderNews::Newcomer)))
            }
        };
        let changed = (*host.text() != text).then(|| self.relabel(host, text));
        (changed.into(), news)
    }

    /// Gives a known host other labels.
    fn relabel(&mut self, host: &Host, text: PacketJson) -> Arc<Change> {
        let kind = ChangeKind::relabelled(host.text(), &text);
        let host = self.put(host.relabelled(text));
        self.changed(kind, host)
    }

    fn join(
        &mut self,
        hostname: HostName,
        text: PacketJson,
        sender: Option<InstanceId>,
        reception: Reception,
    ) -> Result<Option<Arc<Change>>, Refusal> {
        if !self.liveness.is_sign_of_life(reception) {
            return Ok(None);
        }
        let others = self.hosts.len() - usize::from(self.own.is_some());
        if others >= self.max_servers && self.known.get(hostname.as_str()).is_none() {
            return Err(Refusal::RegistryFull(others));
        }
        // One that had expired is gone for readers since then.
        self.remove(&hostname, ChangeKind::Expired);
        let host = Host::heard(self.ids.allocate(), hostname, text, &self.liveness, reception);
        host.said_by(sender);
        note_deadline(&mut self.expiries, &host, &self.liveness, reception);
        let host = self.put(host);
        self.stretch_initial_sync(reception);
        Ok(Some(self.changed(ChangeKind::Joined, host)))
    }
}

/// A known host was heard again. It may tell another TTL than before: `schedule` are the deadlines,
/// and the number of hosts that tell none.
fn renew(
    host: &Host,
    liveness: &Liveness,
    (expiries, without_ttl): (&mut ExpirySchedule, &mut usize),
    reception: Reception,
) {
    let lacked = host.lacks_ttl();
    if host.renew(liveness, reception) {
        note_deadline(expiries, host, liveness, reception);
    }
    if lacked != host.lacks_ttl() {
        *without_ttl = if lacked { *without_ttl - 1 } else { *without_ttl + 1 };
    }
}

/// Notes the deadline of a host that joined, or that may expire sooner than before.
fn note_deadline(
    expiries: &mut ExpirySchedule,
    host: &Host,
    liveness: &Liveness,
    reception: Reception,
) {
    let at = liveness.judged_at(reception.at);
    expiries.note(at, host.id(), host.no_expiry_before(at, liveness));
}

/// The host that an unchanged keep-alive comes from, as its bytes show without being decoded, and
/// what follows its packet. `None` for any other payload, and for one that only a decoder
/// understands.
fn match_known<'r, 'p>(
    known: &'r NameTable,
    liveness: &Liveness,
    payload: &'p [u8],
    at: Instant,
) -> Option<(&'r Arc<Host>, Trailer<'p>)> {
    let (hostname, mut rest) = (packet_json::hostname_in(payload)?, None);
    // The name stands in the packet, so to compare that is enough.
    let host = known.find(hostname, |host| {
        rest = packet_rest(host.text(), payload);
        rest.is_some()
    })?;
    let trailer = Trailer::read(rest?)?;
    let is_known = host.is_from(trailer.sender_of_hi()) && host.is_alive(at, liveness);
    is_known.then_some((host, trailer))
}

/// What follows a packet in an envelope, if it begins with that packet and is written as lobbyd
/// writes it.
fn trailer_in<'p>(packet: &PacketJson, payload: &'p [u8]) -> Option<Trailer<'p>> {
    Trailer::read(packet_rest(packet, payload)?)
}

/// The bytes behind a packet in an envelope, if it begins with that packet.
fn packet_rest<'p>(packet: &PacketJson, payload: &'p [u8]) -> Option<&'p [u8]> {
    // A decoder refuses a longer one, whatever is in it.
    let payload = Some(payload).filter(|payload| payload.len() <= MAX_ENVELOPE_LEN)?;
    packet.suffix_if_same(payload)
}

/// What the signature of a recognised keep-alive must cover.
fn signed_fields<'a>(
    host: &'a Host,
    trailer: &Trailer<'a>,
) -> SignedFields<'a, impl Iterator<Item = Cow<'a, str>>> {
    SignedFields {
        kind: MessageKind::Hi,
        hostname: host.name(),
        instance: trailer.instance.unwrap_or_default(),
        ttl: trailer.ttl,
        labels: host.labels(),
    }
}

#[cfg(test)]
mod tests;
