//! Snapshot: the hosts of the registry at one moment, for all readers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use lobby_client::selector::Condition;
use lobby_client::{HostName, Selector};

use crate::index::host_id::HostId;
use crate::index::label_index::LabelIndex;
use crate::liveness::Liveness;
use crate::liveness::connectivity::{DriverId, DriverSet};
use crate::liveness::initial_sync::{InitialSync, SyncState};
use crate::liveness::time_base::millis;
use crate::registry::change::Change;
use crate::registry::changes::Changes;
use crate::registry::host::Host;
use crate::registry::host_table::HostTable;
use crate::select::plan::{self, Fleet};
use crate::select::selection::Selection;

/// Most changes that [`Snapshot::is_unchanged_since`] looks at: with more of them an answer is made
/// anew as quickly.
const MAX_CHANGES_SEEN: u64 = 256;

/// The registry at one revision: cheap to make and to share.
#[derive(Debug)]
pub struct Snapshot {
    hosts: HostTable,
    labels: LabelIndex,
    liveness: Liveness,
    changes: Changes,
    revision: u64,
    initial_sync: InitialSync,
    instance: Arc<str>,
    first_expiry: Mutex<FirstExpiry>,
}

/// A bound on all expiries. A keep-alive only moves them later, so a stale one is safe as long as
/// no host tells a shorter TTL.
#[derive(Debug, Clone, Copy)]
struct FirstExpiry {
    /// No host expires before this, in milliseconds of running time.
    not_before: u64,
    /// How often a host had told a shorter TTL by then.
    shortenings: u64,
}

impl Snapshot {
    #[expect(clippy::too_many_arguments, reason = "they are the fields")]
    pub(crate) fn new(
        hosts: HostTable,
        labels: LabelIndex,
        liveness: Liveness,
        changes: Changes,
        revision: u64,
        initial_sync: InitialSync,
        instance: Arc<str>,
        no_expiry_before: u64,
    ) -> Self {
        let first_expiry =
            FirstExpiry { not_before: no_expiry_before, shortenings: liveness.shortenings() };
        Self {
            hosts,
            labels,
            liveness,
            changes,
            revision,
            initial_sync,
            instance,
            first_expiry: Mutex::new(first_expiry),
        }
    }

    /// The revision that the last change made: grows with every change of the list of hosts or of
    /// their labels.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The changes after a revision, in order. None if some of them are forgotten, or if this is
    /// not a revision of this registry: then a reader must start over from the list.
    pub fn changes_since(&self, revision: u64) -> Option<impl Iterator<Item = &Arc<Change>>> {
        self.changes.since(revision, self.revision)
    }

    /// Whether all changes after a revision are known, and left the hosts of a selection and their
    /// matching labels as they were.
    pub fn is_unchanged_since(&self, revision: u64, selection: &Selection) -> bool {
        let few =
            self.revision.checked_sub(revision).is_some_and(|changes| changes <= MAX_CHANGES_SEEN);
        let changes = few.then(|| self.changes_since(revision)).flatten();
        changes.is_some_and(|mut changes| changes.all(|change| !change.concerns(selection)))
    }

    /// The run of the daemon that made this: revisions of another run are not comparable.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Whether the daemon must have heard every host since its start.
    pub fn is_warm(&self, now: Instant) -> bool {
        self.initial_sync.is_warm(self.liveness.covered(now))
    }

    /// When the daemon is, or was, warm, unless it stands still before; not foreseeable before the
    /// first driver is up.
    pub fn warm_at(&self) -> Option<Instant> {
        self.initial_sync.warm_at()
    }

    /// What to answer a request that needs to know every host, came at `asked` and is still waiting
    /// `now`. Time in which the daemon stood still does not count.
    pub fn sync_state(&self, asked: Instant, now: Instant) -> SyncState {
        self.initial_sync.state(asked, self.liveness.covered(now))
    }

    /// The living hosts of a selection, sorted by name. An expired host does not show, whether it
    /// was swept or not.
    pub fn find(&self, selection: &Selection, now: Instant) -> Vec<&Arc<Host>> {
        let mut hosts: Vec<_> = match selection {
            Selection::All => self.hosts_matching(None),
            Selection::Labels(labels) => {
                self.hosts_of(labels.iter().flat_map(|label| self.labels.with_label(label)))
            }
            Selection::Prefixes(prefixes) => {
                self.hosts_of(prefixes.iter().flat_map(|prefix| self.labels.with_prefix(prefix)))
            }
            Selection::Selector(selector) => self.hosts_matching(Some(selector)),
        };
        hosts.retain(|host| host.is_alive(now, &self.liveness));
        hosts
    }

    /// The lengths of the packets of all hosts that are looked at for a selector, in bytes, if the
    /// index tells that they are `most` or fewer.
    pub fn len_of_few(&self, selector: &Selector, most: usize) -> Option<usize> {
        let hosts = plan::looked_at(selector.condition(), self, most)?;
        let len = |id: HostId| self.hosts.get(id).map_or(0, |host| host.text().len());
        Some(hosts.into_iter().map(len).sum())
    }

    /// The hosts of this revision that a selector matches, or all, sorted by name. Liveness does
    /// not count: one that has expired is among them until a change says so.
    pub(crate) fn hosts_matching(&self, selector: Option<&Selector>) -> Vec<&Arc<Host>> {
        match selector {
            Some(selector) => self.hosts.select(plan::find(selector.condition(), self)),
            None => self.hosts.sorted().collect(),
        }
    }

    /// The drivers whose links are up.
    pub(crate) fn links_up(&self) -> DriverSet {
        self.liveness.links_up()
    }

    /// A living host by its name.
    pub fn host_named(&self, name: &HostName, now: Instant) -> Option<&Arc<Host>> {
        self.hosts.named(name.as_str()).filter(|host| host.is_alive(now, &self.liveness))
    }

    /// The number of hosts, whether alive or not.
    pub fn count_hosts(&self) -> usize {
        self.hosts.len()
    }

    /// The number of living hosts. Together with the revision this says whether a list is the same
    /// as before.
    pub fn count_living(&self, now: Instant) -> usize {
        if self.is_everybody_alive(now) {
            self.hosts.len()
        } else {
            self.hosts.iter().filter(|host| host.is_alive(now, &self.liveness)).count()
        }
    }

    /// The lengths of all packets together, in bytes: about as long is a list of all hosts.
    pub fn text_len(&self) -> usize {
        self.hosts.text_len()
    }

    /// Looks through all hosts only when one of them may have died since this was last asked.
    fn is_everybody_alive(&self, now: Instant) -> bool {
        let (now, shortenings) = (self.liveness.judged_at(now), self.liveness.shortenings());
        let known = *self.first_expiry();
        if shortenings == known.shortenings && now < known.not_before {
            return true;
        }
        let first = self
            .hosts
            .iter()
            .map(|host| host.no_expiry_before(now, &self.liveness))
            .min()
            .unwrap_or(u64::MAX);
        *self.first_expiry() = FirstExpiry { not_before: first, shortenings };
        now < first
    }

    fn first_expiry(&self) -> MutexGuard<'_, FirstExpiry> {
        self.first_expiry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All hosts in no order, whether alive or not.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = &Arc<Host>> {
        self.hosts.iter()
    }

    /// Whether a host is alive; false if it is not here.
    pub(crate) fn is_alive(&self, id: HostId, now: Instant) -> bool {
        self.hosts.get(id).is_some_and(|host| host.is_alive(now, &self.liveness))
    }

    /// The other hosts that are alive and were heard through a driver of late.
    pub(crate) fn living_through(
        &self,
        driver_id: DriverId,
        now: Instant,
    ) -> impl Iterator<Item = &Arc<Host>> {
        let others = self.hosts.iter().filter(|host| !host.is_own());
        others.filter(move |host| {
            host.speaks_through(driver_id) && host.is_alive(now, &self.liveness)
        })
    }

    /// Whether every host that was heard through a driver has been heard since a moment: then
    /// nobody can have joined before it unnoticed.
    pub fn has_heard_all_since(&self, driver_id: DriverId, since: Instant, now: Instant) -> bool {
        let passed = millis(now.saturating_duration_since(since));
        self.living_through(driver_id, now).all(|host| self.age_of(host, now) <= passed)
    }

    /// How long ago a host sent what was heard of it last, in milliseconds.
    pub(crate) fn age_of(&self, host: &Host, now: Instant) -> u64 {
        self.liveness.age(host.last_heard(), now)
    }

    /// A host by its number.
    pub(crate) fn host(&self, id: HostId) -> Option<&Arc<Host>> {
        self.hosts.get(id)
    }

    /// Hosts by their numbers, each once, sorted by name.
    fn hosts_of(&self, ids: impl Iterator<Item = HostId>) -> Vec<&Arc<Host>> {
        self.hosts.select(ids.collect())
    }
}

impl Fleet for Snapshot {
    fn labels(&self) -> &LabelIndex {
        &self.labels
    }

    fn count(&self) -> usize {
        self.hosts.len()
    }

    fn all(&self) -> Vec<HostId> {
        self.hosts.iter().map(|host| host.id()).collect()
    }

    fn named(&self, name: &str) -> Option<HostId> {
        self.hosts.named(name).map(|host| host.id())
    }

    fn holds(&self, id: HostId, condition: &Condition) -> bool {
        self.hosts.get(id).is_some_and(|host| host.meets(condition))
    }
}
