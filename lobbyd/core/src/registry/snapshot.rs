//! Snapshot: the hosts of the registry at one moment, for all readers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::index::host_id::HostId;
use crate::index::label_index::LabelIndex;
use crate::liveness::Liveness;
use crate::liveness::initial_sync::InitialSync;
use crate::registry::host::Host;
use crate::registry::host_table::HostTable;
use crate::select::selection::Selection;

/// The registry at one revision: cheap to make and to share.
#[derive(Debug)]
pub struct Snapshot {
    hosts: HostTable,
    labels: LabelIndex,
    liveness: Liveness,
    revision: u64,
    initial_sync: InitialSync,
    instance: Arc<str>,
    /// Before this nobody dies, in milliseconds since the epoch. Who is heard again only lives longer.
    no_death_before: AtomicU64,
}

impl Snapshot {
    pub(crate) fn new(
        hosts: HostTable,
        labels: LabelIndex,
        liveness: Liveness,
        revision: u64,
        initial_sync: InitialSync,
        instance: Arc<str>,
    ) -> Self {
        Self { hosts, labels, liveness, revision, initial_sync, instance, no_death_before: AtomicU64::new(0) }
    }

    /// The revision: grows with every change of the hosts or their labels.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The run of the daemon that made this: revisions of another run are not comparable.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Whether the daemon must have heard every host since its start.
    pub fn initial_sync(&self) -> &InitialSync {
        &self.initial_sync
    }

    /// The living hosts of a selection, sorted by name. An expired host does not show, whether it was swept or not.
    pub fn find(&self, selection: &Selection, now: Instant) -> Vec<&Arc<Host>> {
        let mut hosts: Vec<_> = match selection {
            Selection::All => self.hosts.sorted().collect(),
            Selection::Labels(labels) => self.hosts_of(labels.iter().flat_map(|label| self.labels.with_label(label))),
            Selection::Prefixes(prefixes) => {
                self.hosts_of(prefixes.iter().flat_map(|prefix| self.labels.with_prefix(prefix)))
            }
        };
        hosts.retain(|host| host.is_alive(now, &self.liveness));
        hosts
    }

    /// The number of living hosts. Together with the revision this says whether a list is the same as before.
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
        let now = self.liveness.judged_at(now);
        if now < self.no_death_before.load(Ordering::Relaxed) {
            return true;
        }
        let first = self.hosts.iter().map(|host| host.no_expiry_before(now, &self.liveness)).min().unwrap_or(u64::MAX);
        self.no_death_before.store(first, Ordering::Relaxed);
        now < first
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
