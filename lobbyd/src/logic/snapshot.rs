//! What the registry knew at one moment, for all who read.

use std::sync::Arc;
use std::time::Instant;

use lobby_client::{Discovery, Filter, HostName};

use super::record::{Record, View};
use super::sorted_map::SortedMap;
use super::warmth::Warmth;

/// The registry at one revision: cheap to make, to copy and to share.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(super) records: SortedMap<HostName, Arc<Record>>,
    pub(super) view: View,
    pub(super) revision: u64,
    pub(super) warmth: Warmth,
}

impl Snapshot {
    /// Grows with every change of who is here with which labels.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether the daemon is in a position to know everybody.
    pub fn warmth(&self) -> &Warmth {
        &self.warmth
    }

    /// Whether any link is up.
    pub fn is_any_link_up(&self) -> bool {
        self.view.sight.is_any_up()
    }

    /// Everybody who is alive, sorted by host name. The dead do not show, whether they were swept or not.
    pub fn living(&self, now: Instant) -> impl Iterator<Item = &Arc<Record>> {
        self.records.values().filter(move |record| record.is_alive(now, &self.view))
    }

    /// The living that a filter asks for, each with the labels that it asks for.
    pub fn matching(&self, filter: &Filter, now: Instant) -> Vec<Discovery> {
        let reduced = |record: &Arc<Record>| {
            let labels: Vec<_> = record.labels().iter().filter(|label| filter.matches(label)).cloned().collect();
            let last_check = record.last_check();
            (!labels.is_empty()).then(|| Discovery { hostname: record.hostname().clone(), labels, last_check })
        };
        match filter {
            Filter::All => self.living(now).map(|record| record.discovery()).collect(),
            Filter::Labels(_) | Filter::Prefixes(_) => self.living(now).filter_map(reduced).collect(),
        }
    }

    /// The names of the living that have exactly this label.
    pub fn resolve(&self, label: &str, now: Instant) -> Vec<&HostName> {
        let has_label = |record: &&Arc<Record>| record.labels().binary_search_by(|own| own.as_str().cmp(label)).is_ok();
        self.living(now).filter(has_label).map(|record| record.hostname()).collect()
    }
}
