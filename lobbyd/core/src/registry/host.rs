//! Host: a server in the registry, with its labels.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use lobby_client::HostName;
use lobby_client::selector::Condition;

use crate::index::host_id::HostId;
use crate::liveness::Liveness;
use crate::liveness::connectivity::{DriverId, DriverSet};
use crate::liveness::last_heard::LastHeard;
use crate::liveness::reception::Reception;
use crate::select::selection::Selection;
use crate::signing::proof::Proof;
use crate::wire::envelope::{self, Signature};
use crate::wire::instance_id::InstanceId;
use crate::wire::packet_json::PacketJson;
use crate::wire::packet_ttl::PacketTtl;

/// A host with its labels. These never change. When it was last heard, and from which instance, is
/// renewed in place, so that a keep-alive that tells nothing new makes no new host and no new
/// snapshot.
#[derive(Debug)]
pub struct Host {
    id: HostId,
    own: bool,
    hostname: HostName,
    text: PacketJson,
    sender: AtomicU64,
    last_check: AtomicI64,
    last_heard: LastHeard,
    /// Whether its last packet was signed, and what that proves if it can be told on.
    is_signed: AtomicBool,
    proof: Mutex<Option<Box<Proof>>>,
}

impl Host {
    /// A host that was heard, with its number.
    pub(crate) fn heard(
        id: HostId,
        hostname: HostName,
        text: PacketJson,
        liveness: &Liveness,
        reception: Reception,
    ) -> Self {
        let host = Self::new(id, hostname, text, false, reception.unix_seconds());
        // It was not there before, so it cannot expire sooner than that.
        let _ = host.renew(liveness, reception);
        host
    }

    /// This server itself, which never expires.
    pub(crate) fn own(id: HostId, hostname: HostName, text: PacketJson, unix_seconds: i64) -> Self {
        Self::new(id, hostname, text, true, unix_seconds)
    }

    fn new(id: HostId, hostname: HostName, text: PacketJson, own: bool, unix_seconds: i64) -> Self {
        let (sender, last_check) = (AtomicU64::default(), AtomicI64::new(unix_seconds));
        Self {
            id,
            own,
            hostname,
            text,
            sender,
            last_check,
            last_heard: LastHeard::default(),
            is_signed: AtomicBool::default(),
            proof: Mutex::default(),
        }
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
            // The signature of other labels proves nothing.
            is_signed: AtomicBool::new(true),
            proof: Mutex::default(),
        }
    }

    /// Its number in the host table.
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
    pub fn labels(&self) -> impl Iterator<Item = Cow<'_, str>> + Clone {
        self.text.labels()
    }

    /// Whether a condition holds for it.
    pub fn meets(&self, condition: &Condition) -> bool {
        condition.holds(self.hostname.as_str(), self.labels())
    }

    /// Whether the packet was last said by this sender, and in a form in which that can be told.
    pub(crate) fn is_from(&self, sender: Option<InstanceId>) -> bool {
        sender.is_some() && self.sender.load(Ordering::Relaxed) == InstanceId::to_number(sender)
    }

    /// Whether it is one of the hosts that are selected as a whole.
    pub(crate) fn is_selected_by(&self, selection: &Selection) -> bool {
        match selection {
            Selection::Selector(selector) => self.meets(selector.condition()),
            Selection::All => true,
            Selection::Labels(_) | Selection::Prefixes(_) => {
                self.labels().any(|label| selection.matches(&label))
            }
        }
    }

    /// The instance that last sent the packet, if it named itself.
    pub(crate) fn sender(&self) -> Option<InstanceId> {
        InstanceId::from_number(self.sender.load(Ordering::Relaxed))
    }

    /// The TTL that its packets tell; none where they tell none, and for this server itself.
    pub fn ttl(&self) -> Option<PacketTtl> {
        self.last_heard.get().ttl
    }

    /// Whether it is another server whose packets tell no TTL.
    pub(crate) fn lacks_ttl(&self) -> bool {
        !self.own && self.ttl().is_none()
    }

    /// When it was last heard.
    pub(crate) fn last_heard(&self) -> &LastHeard {
        &self.last_heard
    }

    /// The packet was said by this sender.
    pub(crate) fn said_by(&self, sender: Option<InstanceId>) {
        self.sender.store(InstanceId::to_number(sender), Ordering::Relaxed);
    }

    /// The packet was signed so, or not at all, and had this number in its field `ttl`.
    pub(crate) fn proved_by(&self, signature: Option<&Signature<'_>>, ttl: Option<u64>) {
        let is_signed = signature.is_some();
        // That of a lobby without keys takes no lock.
        if self.is_signed.load(Ordering::Relaxed) || is_signed {
            self.is_signed.store(is_signed, Ordering::Relaxed);
            let proof = signature.and_then(|signature| Proof::of(signature, ttl));
            let mut kept = self.proof.lock().unwrap_or_else(PoisonError::into_inner);
            match (kept.as_deref_mut(), proof) {
                (Some(kept), Some(proof)) => *kept = proof,
                (_, proof) => *kept = proof.map(Box::new),
            }
        }
    }

    /// The packet as it was last said, to be told on; none if it is not known so well.
    pub(crate) fn retold(&self) -> Option<Vec<u8>> {
        let sender = InstanceId::known_from_number(self.sender.load(Ordering::Relaxed));
        if !self.is_signed.load(Ordering::Relaxed) {
            // What says nothing of its sender is true, whoever that is.
            let instance = sender.and_then(InstanceId::text);
            let ttl = self.ttl().map(PacketTtl::seconds);
            return Some(envelope::retell(&self.text, instance.as_deref(), ttl, None));
        }
        let instance = sender?.text();
        let proof = self.proof.lock().unwrap_or_else(PoisonError::into_inner);
        let proof = *proof.as_deref()?;
        let signature = Some(proof.signature());
        Some(envelope::retell(&self.text, instance.as_deref(), proof.ttl, signature.as_ref()))
    }

    /// Whether this is this server itself.
    pub(crate) fn is_own(&self) -> bool {
        self.own
    }

    /// When it was last heard, in seconds since the Unix epoch.
    pub fn last_check(&self) -> i64 {
        self.last_check.load(Ordering::Relaxed)
    }

    /// The host was heard again. Returns whether it may expire sooner now than before.
    #[must_use]
    pub(crate) fn renew(&self, liveness: &Liveness, reception: Reception) -> bool {
        if !liveness.is_sign_of_life(reception) {
            return false;
        }
        let seconds = reception.unix_seconds();
        if reception.is_kept() {
            self.last_check.fetch_max(seconds, Ordering::Relaxed);
        } else {
            self.touch(seconds);
        }
        liveness.renew(&self.last_heard, reception)
    }

    /// Whether what a packet says no longer holds, because newer things were heard elsewhere.
    pub(crate) fn is_newer_than(&self, liveness: &Liveness, reception: Reception) -> bool {
        liveness.is_outdated(&self.last_heard, reception)
    }

    /// The host is known to be there without having been heard.
    pub(crate) fn touch(&self, unix_seconds: i64) {
        self.last_check.store(unix_seconds, Ordering::Relaxed);
    }

    /// Whether the host counts as alive.
    pub(crate) fn is_alive(&self, now: Instant, liveness: &Liveness) -> bool {
        self.own || liveness.is_alive(&self.last_heard, now)
    }

    /// Whether the host was heard through a driver of late.
    pub(crate) fn speaks_through(&self, driver_id: DriverId) -> bool {
        self.last_heard.drivers().contains(driver_id)
    }

    /// Whether the host was heard through this driver of late and through no other.
    pub(crate) fn speaks_only_through(&self, driver_id: DriverId) -> bool {
        self.last_heard.drivers() == DriverSet::only(driver_id)
    }

    /// Before what time the host does not expire, whatever is heard from `now` on and as long as no
    /// link comes up; never, if it is this server. Both are in milliseconds of running time.
    pub(crate) fn no_expiry_before(&self, now: u64, liveness: &Liveness) -> u64 {
        if self.own { u64::MAX } else { liveness.no_expiry_before(&self.last_heard, now) }
    }
}
