//! The list of hosts that a run of the callback is given.

use std::sync::Arc;
use std::time::Instant;

use lobby_client::HostName;

use crate::registry::host::Host;
use crate::registry::snapshot::Snapshot;
use crate::select::selection::Selection;

/// Hosts with their labels, sorted by name. When a host was last heard does not count.
#[derive(Debug)]
pub struct HostList(Vec<Arc<Host>>);

impl HostList {
    /// The living hosts of a selection.
    pub fn new(snapshot: &Snapshot, selection: &Selection, now: Instant) -> Self {
        Self(snapshot.find(selection, now).into_iter().cloned().collect())
    }

    /// Whether both lists have the same names and labels.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let mut pairs = self.0.iter().zip(&other.0);
        self.0.len() == other.0.len() && pairs.all(|(one, other)| is_same(one, other))
    }

    /// Whether a host has another entry than this one, which is none if it is not to be in the
    /// list.
    pub(super) fn differs(&self, name: &HostName, entry: Option<&Arc<Host>>) -> bool {
        let listed = self.0.binary_search_by(|host| host.name().cmp(name));
        match (listed.ok().and_then(|index| self.0.get(index)), entry) {
            (Some(listed), Some(entry)) => !is_same(listed, entry),
            (listed, entry) => listed.is_some() != entry.is_some(),
        }
    }
}

fn is_same(one: &Arc<Host>, other: &Arc<Host>) -> bool {
    Arc::ptr_eq(one, other) || one.text() == other.text()
}
