//! List: the answer to a query as JSON, written piece by piece. Of a large fleet it is too long to
//! be made as a whole for each reader.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Instant;

use crate::index::host_id::HostId;
use crate::registry::host::Host;
use crate::registry::snapshot::Snapshot;
use crate::render::indent::{indent, start_line};
use crate::render::prometheus::{self, Problem};
use crate::render::{Format, Layout, Query, names, packets};
use crate::wire::packet_json::unquoted;

/// Most faults of labels that one list tells of, so that strangers do not fill the memory with
/// them.
const MOST_PROBLEMS: usize = 10_000;

/// About how long a piece of whole packets is, in bytes: it fits into a processor's cache.
const PACKET_PIECE_LEN: usize = 256 << 10;

/// About how long a piece is in every other form, in bytes. They take longer to write, and others
/// wait meanwhile.
const SLOW_PIECE_LEN: usize = 16 << 10;

/// A JSON list of the hosts that a query selects at one moment, sorted by name. As an iterator it
/// gives its pieces.
#[derive(Debug, Clone)]
pub struct List {
    snapshot: Arc<Snapshot>,
    hosts: Vec<Entry>,
    /// The `last_check` from which those of the hosts are counted.
    epoch: i64,
    /// The number of hosts that were looked at.
    passed: usize,
    /// Whether any of them was written.
    begun: bool,
    ended: bool,
    writer: ElementWriter,
}

/// A host in a list. As many slow readers may hold long lists it is small.
#[derive(Debug, Clone, Copy)]
struct Entry {
    id: HostId,
    /// Its `last_check`, which goes on in the host itself, in seconds from the list's epoch.
    since_epoch: i32,
}

/// Writes the elements of a list.
#[derive(Debug, Clone)]
struct ElementWriter {
    query: Query,
    /// The faults of the labels that the elements were made of.
    problems: Vec<Problem>,
    /// The number of faults that may still be told of.
    problems_left: usize,
    /// Room for an element that has yet to be indented.
    compact: String,
}

impl List {
    /// The answer that a snapshot gives now.
    pub fn new(snapshot: Arc<Snapshot>, query: Query, now: Instant) -> Self {
        let found = snapshot.find(&query.selection, now);
        let epoch = found.first().map_or(0, |host| host.last_check());
        let hosts = found.into_iter().map(|host| Entry::new(host, epoch)).collect();
        let writer = ElementWriter {
            query,
            problems: Vec::new(),
            problems_left: MOST_PROBLEMS,
            compact: String::new(),
        };
        Self { snapshot, hosts, epoch, passed: 0, begun: false, ended: false, writer }
    }

    /// A number that lists have in common which say the same but for times, and others do not.
    pub fn fingerprint(&self, hasher: &impl BuildHasher) -> u64 {
        let mut state = hasher.build_hasher();
        for host in self.hosts.iter().filter_map(|entry| self.snapshot.host(entry.id)) {
            self.writer.query.hash_host(host, &mut state);
        }
        state.finish()
    }

    /// The length of the whole list in bytes, where it is known without writing it.
    pub fn known_len(&self) -> Option<usize> {
        if !self.writer.query.is_plain() {
            return None;
        }
        let packets = self.hosts.iter().filter_map(|entry| {
            let len = packets::len(self.snapshot.host(entry.id)?, entry.last_check(self.epoch));
            Some(len + ",".len())
        });
        // The last packet has the closing bracket in the comma's place.
        Some("[".len() + packets.sum::<usize>() + usize::from(self.hosts.is_empty()))
    }

    /// The length of the whole list in bytes. Where it is not known, all of the list is written for
    /// it, once more than it is sent; the faults of labels that were met on the way are added
    /// to `problems`.
    pub fn measure(&self, problems: &mut Vec<Problem>) -> usize {
        self.known_len().unwrap_or_else(|| {
            let (mut copy, mut len) = (self.clone(), 0);
            while let Some(piece) = copy.next_piece(problems) {
                len += piece.len();
            }
            len
        })
    }

    /// The whole list, unless it is longer than `limit` bytes. The faults of labels that were met
    /// on the way are added to `problems`.
    pub fn whole(mut self, limit: usize, problems: &mut Vec<Problem>) -> Option<String> {
        let mut json = String::with_capacity(self.known_len().unwrap_or_default().min(limit));
        self.write(&mut json, limit.saturating_add(1));
        problems.append(&mut self.writer.problems);
        (self.ended && json.len() <= limit).then_some(json)
    }

    /// The next piece of the list. The faults of labels that it was made of are added to
    /// `problems`.
    pub fn next_piece(&mut self, problems: &mut Vec<Problem>) -> Option<String> {
        if self.ended {
            return None;
        }
        let len = self.writer.query.piece_len();
        let mut json = String::with_capacity(len + len / 8);
        self.write(&mut json, len);
        problems.append(&mut self.writer.problems);
        Some(json)
    }

    /// Goes on with the list until a text is so long or the list ends.
    fn write(&mut self, json: &mut String, len: usize) {
        for entry in &self.hosts[self.passed..] {
            if json.len() >= len {
                return;
            }
            self.passed += 1;
            if let Some(host) = self.snapshot.host(entry.id) {
                let last_check = entry.last_check(self.epoch);
                self.begun |= self.writer.write(host, last_check, self.begun, json);
            }
        }
        json.push_str(self.writer.query.layout.end_of_list(self.begun));
        self.ended = true;
    }
}

impl Iterator for List {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        self.next_piece(&mut Vec::new())
    }
}

impl Entry {
    /// A host as it is now. Decades from the epoch, where no clock that is right leads, its
    /// `last_check` stands still.
    fn new(host: &Host, epoch: i64) -> Self {
        let since_epoch = host.last_check().saturating_sub(epoch);
        let bounded = since_epoch.clamp(i32::MIN.into(), i32::MAX.into());
        Self { id: host.id(), since_epoch: i32::try_from(bounded).unwrap_or_default() }
    }

    fn last_check(self, epoch: i64) -> i64 {
        epoch.saturating_add(self.since_epoch.into())
    }
}

impl ElementWriter {
    /// Writes the element of a host and what parts it from the one before. Returns whether there is
    /// such an element.
    fn write(&mut self, host: &Host, last_check: i64, follows: bool, json: &mut String) -> bool {
        let len = json.len();
        json.push(if follows { ',' } else { '[' });
        let written = match self.query.layout {
            Layout::Compact => self.write_compact(host, last_check, json),
            Layout::Pretty => self.write_indented(host, last_check, json),
        };
        if !written {
            json.truncate(len);
        }
        written
    }

    fn write_indented(&mut self, host: &Host, last_check: i64, json: &mut String) -> bool {
        let mut compact = std::mem::take(&mut self.compact);
        compact.clear();
        let written = self.write_compact(host, last_check, &mut compact);
        start_line(1, json);
        indent(&compact, 1, json);
        self.compact = compact;
        written
    }

    fn write_compact(&mut self, host: &Host, last_check: i64, json: &mut String) -> bool {
        match &self.query.format {
            Format::Packets => packets::write(host, last_check, json),
            Format::MatchingLabels => {
                packets::write_matching(host, last_check, &self.query.selection, json);
            }
            Format::Names => names::write(host, json),
            Format::TargetGroups { name, default_port, meta } => {
                let problems = prometheus::write(host, name, *default_port, *meta, json);
                let Some(problems) = problems else { return false };
                let told = problems.len().min(self.problems_left);
                self.problems_left -= told;
                self.problems.extend(problems.into_iter().take(told));
            }
        }
        true
    }
}

impl Query {
    /// Hashes what an answer depends on of a host, but for times.
    fn hash_host(&self, host: &Host, state: &mut impl Hasher) {
        match &self.format {
            Format::Packets => host.text().as_str().hash(state),
            Format::Names => host.name().hash(state),
            Format::MatchingLabels => {
                host.name().hash(state);
                let labels = host.text().json_labels();
                let shown = labels.filter(|label| self.selection.matches(&unquoted(label)));
                shown.for_each(|label| label.hash(state));
            }
            Format::TargetGroups { name, default_port, meta } => {
                let mut group = String::new();
                if prometheus::write(host, name, *default_port, *meta, &mut group).is_some() {
                    group.hash(state);
                }
            }
        }
    }

    /// Whether it asks for whole packets as they are kept.
    fn is_plain(&self) -> bool {
        self.format == Format::Packets && self.layout == Layout::Compact
    }

    fn piece_len(&self) -> usize {
        if self.is_plain() { PACKET_PIECE_LEN } else { SLOW_PIECE_LEN }
    }
}

impl Layout {
    /// What closes a list, of which elements were written or none.
    fn end_of_list(self, begun: bool) -> &'static str {
        match (self, begun) {
            (Self::Compact, false) => "[]",
            (Self::Compact, true) => "]",
            (Self::Pretty, false) => "[]\n",
            (Self::Pretty, true) => "\n]\n",
        }
    }
}

#[cfg(test)]
mod tests;
