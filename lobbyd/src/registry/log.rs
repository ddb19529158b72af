//! Log of the registry, at a limited rate however many hosts come, go and misbehave.

use std::time::Duration;

use lobby_client::{DuplicateName, HostName};
use tracing::field::{DisplayValue, display};
use tracing::{debug, info, warn};

use crate::sys::clock;
use lobby_core::log::rare_keep_alives::RareKeepAlives;
use lobby_core::log::similar_names::SimilarNames;
use lobby_core::log::throttle::Throttle;
use lobby_core::registry::change::{Change, ChangeKind, LabelSummary};
use lobby_core::wire::envelope::Refusal;
use lobby_core::wire::instance_id::InstanceId;

/// The target of these lines, which users may filter by.
const MEMBERSHIP: &str = "lobby::membership";

/// Most log lines about membership, and about refused packets, in every [`PERIOD`].
const BURST: u32 = 100;
const PERIOD: Duration = Duration::from_secs(10);

/// Most log lines about hosts that do not sign, in every [`REMINDER_PERIOD`].
const UNSIGNED_BURST: u32 = 10;

/// How often one is reminded of what goes on until a person does something.
const REMINDER_PERIOD: Duration = Duration::from_secs(60);

/// Most log lines about odd names and intervals, in every [`REMINDER_PERIOD`].
const ODDITY_BURST: u32 = 10;

/// Logs, each kind of event at a limited rate.
#[derive(Debug)]
pub(super) struct RegistryLog {
    membership: Throttle,
    refusals: Throttle,
    unsigned: Throttle,
    duplicates: Throttle,
    oddities: Throttle,
    similar_names: SimilarNames,
    rare_keep_alives: RareKeepAlives,
}

impl RegistryLog {
    /// `ttl` is the age at which a host expires.
    pub(super) fn new(ttl: Duration) -> Self {
        Self {
            membership: Throttle::new(BURST, PERIOD),
            refusals: Throttle::new(BURST, PERIOD),
            unsigned: Throttle::new(UNSIGNED_BURST, REMINDER_PERIOD),
            duplicates: Throttle::new(1, REMINDER_PERIOD),
            oddities: Throttle::new(ODDITY_BURST, REMINDER_PERIOD),
            similar_names: SimilarNames::default(),
            rare_keep_alives: RareKeepAlives::new(ttl),
        }
    }

    /// Something happened to a host. `is_known` says whether a host is here.
    pub(super) fn changed(&mut self, change: &Change, is_known: impl Fn(&str) -> bool) {
        self.told(change);
        match change.kind {
            ChangeKind::Joined => self.joined(change.host.name(), is_known),
            ChangeKind::Relabelled { .. } => {}
            ChangeKind::Expired if change.host.ttl().is_none() => {
                self.gone(change.host.name(), |rare, host| rare.expired(host, clock::now()));
            }
            // That of a host that tells its TTL has nothing to do with the own one.
            ChangeKind::Left | ChangeKind::Expired | ChangeKind::Lost => {
                self.gone(change.host.name(), RareKeepAlives::left);
            }
        }
    }

    fn gone(&mut self, host: &HostName, note: impl FnOnce(&mut RareKeepAlives, &HostName)) {
        self.similar_names.left(host.as_str());
        note(&mut self.rare_keep_alives, host);
    }

    fn joined(&mut self, host: &HostName, is_known: impl Fn(&str) -> bool) {
        let now = clock::now();
        if self.similar_names.joined(host.as_str(), is_known)
            && let Some(held_back) = self.oddities.pass(now)
        {
            warn!(target: MEMBERSHIP, %host, held_back, "another server's name differs from this one in case or a final dot only: they count as two");
        }
        if let Some(interval) = self.rare_keep_alives.joined(host, now)
            && let Some(held_back) = self.oddities.pass(now)
        {
            let seconds = interval.as_secs_f64().round();
            warn!(target: MEMBERSHIP, %host, seconds, held_back, "host is heard less often than once in TTL, so it expires and joins again and again: raise TTL here or lower its KEEP_ALIVE");
        }
    }

    fn told(&mut self, change: &Change) {
        let held_back = self.membership.pass(clock::now());
        let (host, kind, told) =
            (change.host.name(), &change.kind, held_back.filter(|held_back| *held_back > 0));
        let (added, removed) = match kind {
            ChangeKind::Relabelled { added, removed } => (summary(added), summary(removed)),
            ChangeKind::Joined | ChangeKind::Left | ChangeKind::Expired | ChangeKind::Lost => {
                (None, None)
            }
        };
        if held_back.is_some() {
            info!(target: MEMBERSHIP, %host, added, removed, held_back = told, "{kind}");
        } else {
            debug!(target: MEMBERSHIP, %host, added, removed, "{kind}");
        }
    }

    /// A packet changed nothing.
    pub(super) fn refused(&mut self, refusal: &Refusal) {
        if let Some(held_back) = self.refusals.pass(clock::now()) {
            warn!(target: MEMBERSHIP, reason = refusal.reason(), error = refusal.to_string(), held_back, "packet refused");
        }
    }

    /// A packet is believed although nothing speaks for it.
    pub(super) fn unsigned(&mut self, host: &HostName) {
        if let Some(held_back) = self.unsigned.pass(clock::now()) {
            warn!(target: MEMBERSHIP, %host, held_back, "packet without signature accepted, as PACKET_VERIFY=warn says");
        }
    }

    /// A packet has a TTL that is not valid.
    pub(super) fn invalid_ttl(&mut self, host: &HostName) {
        if let Some(held_back) = self.oddities.pass(clock::now()) {
            warn!(target: MEMBERSHIP, %host, held_back, "packet with an invalid ttl, taken as if it had none: expected 1 to 3600, in whole seconds");
        }
    }

    /// Two or more daemons go by the name of another host.
    pub(super) fn namesakes(&mut self, host: &HostName, instances: &[InstanceId]) {
        if let Some(held_back) = self.oddities.pass(clock::now()) {
            let instances =
                instances.iter().map(InstanceId::to_string).collect::<Vec<_>>().join(", ");
            warn!(target: MEMBERSHIP, %host, instances, held_back, "two daemons go by one name, the smaller instance counts: give one of them another HOSTNAME");
        }
    }

    /// Another daemon goes by the own name.
    pub(super) fn duplicate(&mut self, own: Option<&HostName>, duplicate: Option<&DuplicateName>) {
        if let Some(held_back) = self.duplicates.pass(clock::now()) {
            let host = own.map(HostName::as_str);
            let instance = duplicate.and_then(|duplicate| duplicate.instance.as_deref());
            warn!(
                target: MEMBERSHIP,
                host,
                instance, held_back, "another daemon goes by this server's name: give one of them another HOSTNAME"
            );
        }
    }
}

fn summary(labels: &[Box<str>]) -> Option<DisplayValue<LabelSummary<'_>>> {
    (!labels.is_empty()).then(|| display(LabelSummary(labels)))
}
