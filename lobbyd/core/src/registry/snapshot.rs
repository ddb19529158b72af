//! What the registry knew at one moment, for all who read.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::index::host_id::HostId;
use crate::index::label_index::LabelIndex;
use crate::liveness::initial_sync::InitialSync;
use crate::registry::host::{Host, Liveness};
use crate::registry::host_table::HostTable;
use crate::render::json_array::JsonArrayBuilder;
use crate::render::prometheus::{self, Problem};
use crate::select::prefix_set::{self, PrefixSet};

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

    /// Grows with every change of who is here with which labels.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Which run of which daemon knew this: revisions of another one are others.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Whether the daemon is in a position to know everybody.
    pub fn initial_sync(&self) -> &InitialSync {
        &self.initial_sync
    }

    /// Everybody who is alive, sorted by host name. The dead do not show, whether they were swept or not.
    pub fn living(&self, now: Instant) -> impl Iterator<Item = &Arc<Host>> {
        self.hosts.sorted().filter(move |record| record.is_alive(now, &self.liveness))
    }

    /// How many are alive. Together with the revision this says whether a list is the same as before.
    pub fn count_living(&self, now: Instant) -> usize {
        if self.is_everybody_alive(now) { self.hosts.len() } else { self.living(now).count() }
    }

    /// Looks through all hosts only when one of them may have died since this was last asked.
    fn is_everybody_alive(&self, now: Instant) -> bool {
        let now = self.liveness.time_base.millis(self.liveness.running_time(now));
        if now < self.no_death_before.load(Ordering::Relaxed) {
            return true;
        }
        let deadlines = self.hosts.iter().filter_map(|record| record.deadline(&self.liveness));
        let first = deadlines.min().map_or(u64::MAX, |first| self.liveness.time_base.millis(first));
        self.no_death_before.store(first, Ordering::Relaxed);
        now < first
    }

    /// How many hosts there are, alive or not.
    pub(crate) fn len(&self) -> usize {
        self.hosts.len()
    }

    /// The texts of all packets together, in bytes: about as long is the list of everybody.
    pub fn text_len(&self) -> usize {
        self.hosts.text_len()
    }

    /// The record of a host.
    pub(crate) fn record(&self, id: HostId) -> Option<&Arc<Host>> {
        self.hosts.get(id)
    }

    /// The packets of the living that have any of these labels as a JSON list, each with those of its labels.
    pub fn labelled_json(&self, labels: &[String], now: Instant) -> Vec<String> {
        let wanted = prefix_set::labels(labels);
        let hosts = wanted.iter().flat_map(|label| self.labels.with_label(label)).collect();
        self.matching_json(hosts, |label| wanted.contains(label), now)
    }

    /// The packets of the living that have any label that begins as one of these texts as a JSON list, each with those of its labels.
    pub fn prefixed_json(&self, prefixes: &[String], now: Instant) -> Vec<String> {
        let wanted = PrefixSet::new(prefixes);
        let hosts = wanted.iter().flat_map(|prefix| self.labels.with_prefix(prefix)).collect();
        self.matching_json(hosts, |label| wanted.fit(label), now)
    }

    /// The Prometheus targets of a group as a JSON list, and what was wrong with the labels that they were made of.
    pub fn targets_json(&self, name: &str, default_port: u16, now: Instant) -> (Vec<String>, Vec<Problem>) {
        let prefix = prometheus::label_prefix(name);
        let (members, mut problems) = (self.labels.with_prefix(&prefix).collect(), Vec::new());
        let json = list(self.living_of(members, now), |record, json| {
            let labels: Vec<_> = record.labels().filter(|label| label.starts_with(&prefix)).collect();
            let Some((group, flaws)) = prometheus::group(name, record.hostname(), &labels, default_port) else {
                return false;
            };
            problems.extend(flaws);
            json.push_str(&serde_json::to_string(&group).unwrap_or_default());
            true
        });
        (json, problems)
    }

    fn matching_json(&self, hosts: Vec<HostId>, wanted: impl Fn(&str) -> bool, now: Instant) -> Vec<String> {
        list(self.living_of(hosts, now), |record, json| record.write_json_with(&wanted, json))
    }

    /// Those of the hosts that are alive, each once, sorted.
    fn living_of(&self, hosts: Vec<HostId>, now: Instant) -> Vec<&Arc<Host>> {
        let mut records = self.hosts.select(hosts);
        records.retain(|record| record.is_alive(now, &self.liveness));
        records
    }

    /// The names of the living that have exactly this label, as a JSON list.
    pub fn names_json(&self, label: &str, now: Instant) -> Vec<String> {
        list(self.living_of(self.labels.with_label(label).collect(), now), |record, json| {
            // Writing to a String cannot fail.
            write!(json, "{}", serde_json::json!(record.hostname())).is_ok()
        })
    }
}

/// A JSON list of what is written of each record, in pieces. What `write` does not write counts for nothing.
fn list<'a>(
    records: impl IntoIterator<Item = &'a Arc<Host>>,
    mut write: impl FnMut(&Host, &mut String) -> bool,
) -> Vec<String> {
    let mut list = JsonArrayBuilder::new();
    for record in records {
        list.add(|json| write(record, json));
    }
    list.finish()
}
