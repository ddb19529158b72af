//! Prometheus target groups: hosts as elements of a document of Prometheus' HTTP service discovery,
//! made of labels `prometheus:…`.
//!
//! Prometheus refuses a whole document for one invalid label name or one unknown key, and then
//! keeps its old targets. The labels of one server must not do that to all the others, so every
//! group is acceptable. What had to be changed or left out for it is returned beside the group.

mod problem;
mod target;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use lobby_client::{HostName, TargetGroup};

pub use problem::{Flaw, Problem};

use crate::registry::host::Host;
use crate::registry::snapshot::Snapshot;
use target::Port;

/// The beginning of all labels for Prometheus.
pub const PREFIX: &str = "prometheus:";

/// The beginning that all labels of group `name` have. Labels of others may have it, too.
pub fn label_prefix(name: &str) -> String {
    format!("{PREFIX}{name}")
}

/// Writes the target group of a host; returns what was wrong with its labels. Nothing is written
/// and returned if the host has no label of group `name`.
pub(crate) fn write(
    host: &Host,
    name: &str,
    default_port: u16,
    meta: Meta,
    json: &mut String,
) -> Option<Vec<Problem>> {
    let prefix = label_prefix(name);
    let labels: Vec<_> = host.labels().filter(|label| label.starts_with(&prefix)).collect();
    let (mut group, problems) = target_group(name, host.name(), &labels, default_port)?;
    if meta == Meta::Shown {
        group.labels.extend(TargetGroup::meta_labels(host.name(), host.labels()));
    }
    // Texts, and maps of texts, always have a form in JSON.
    json.push_str(&serde_json::to_string(&group).unwrap_or_default());
    Some(problems.collect())
}

/// Whether targets get labels for relabelling beside those of their group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Meta {
    /// They do not, as with lobby 1.x.
    #[default]
    Hidden,
    /// Each has `__meta_lobby_hostname`, and `__meta_lobby_label_KEY` for each key of its host.
    Shown,
}

/// The names of the groups that some hosts are in, as their labels name them. The empty name is
/// left out: no path asks for that group.
pub fn group_names<'a>(hosts: impl IntoIterator<Item = &'a Arc<Host>>) -> BTreeSet<String> {
    let labels = hosts.into_iter().flat_map(|host| host.labels());
    let names = labels.filter_map(|label| Some(group_name(label.strip_prefix(PREFIX)?).to_owned()));
    names.filter(|name| !name.is_empty()).collect()
}

/// The group of a label, by what stands behind `prometheus:`. With one colon all of it is the name
/// of a group, with more of them a key and its value follow the name.
fn group_name(rest: &str) -> &str {
    match rest.split_once(':') {
        Some((name, entry)) if entry.contains(':') => name,
        _ => rest,
    }
}

/// The target group of a host in group `name`, and what was changed or left out for it. `None` if
/// the host has no label of the group.
///
/// The labels are expected in bytewise order, as a packet has them: where two disagree the later
/// one wins, as in lobby 1.x. The targets are sorted and unique; there is none if no `host` label
/// can be one.
pub fn target_group(
    name: &str,
    host: &HostName,
    labels: &[impl AsRef<str>],
    default_port: u16,
) -> Option<(TargetGroup, impl Iterator<Item = Problem>)> {
    let (group, flaws) = Draft::read(name, labels)?.finish(host, default_port);
    Some((
        group,
        flaws.into_iter().map(|flaw| Problem { host: host.clone(), group: name.to_owned(), flaw }),
    ))
}

/// The number of problems whose hosts are still alive and have the label at fault.
pub fn count_current(problems: &[Problem], snapshot: &Snapshot, now: Instant) -> usize {
    let mut by_group = HashMap::<_, HashSet<_>>::new();
    for problem in problems {
        by_group.entry((&problem.host, &problem.group)).or_default().insert(problem);
    }
    // The labels of a host are read once for all of its problems.
    let current = by_group.into_iter().map(|((host, group), known)| {
        let host = snapshot.host_named(host, now);
        // No fault depends on the default port.
        let found = host.and_then(|host| write(host, group, 0, Meta::Hidden, &mut String::new()));
        let found: HashSet<_> = found.into_iter().flatten().collect();
        known.into_iter().filter(|problem| found.contains(*problem)).count()
    });
    current.sum()
}

/// The target group of a host while its labels are read.
#[derive(Default)]
struct Draft<'a> {
    hosts: Vec<&'a str>,
    port: Option<Port>,
    labels: BTreeMap<String, String>,
    /// Labels under another name than asked for; they give way to one that has the name by right.
    renamed: BTreeMap<String, String>,
    flaws: Vec<Flaw>,
}

impl<'a> Draft<'a> {
    /// `None` if the host has no label of the group.
    fn read(name: &str, labels: &'a [impl AsRef<str>]) -> Option<Self> {
        let mut draft = None;
        for part in labels.iter().filter_map(|label| Part::of(name, label.as_ref())) {
            draft.get_or_insert_with(Self::default).take(part);
        }
        draft
    }

    fn take(&mut self, part: Part<'a>) {
        match part {
            Part::Membership => {}
            Part::Entry("host", host) => self.hosts.push(host),
            Part::Entry("port", port) => match Port::parse(port) {
                Some(port) => self.port = Some(port),
                None => self.flaws.push(Flaw::BadPort(port.to_owned())),
            },
            Part::Entry(key, value) => self.label(key, value),
        }
    }

    fn label(&mut self, key: &str, value: &str) {
        if key.is_empty() {
            return self.flaws.push(Flaw::NoKey { value: value.to_owned() });
        }
        let name = label_name(key);
        if name == "__address__" {
            self.flaws.push(Flaw::ReservedKey { key: key.to_owned() });
        } else if name == key {
            self.labels.insert(name, value.to_owned());
        } else {
            self.flaws.push(Flaw::Renamed { key: key.to_owned(), name: name.clone() });
            self.renamed.insert(name, value.to_owned());
        }
    }

    fn finish(mut self, hostname: &'a HostName, default_port: u16) -> (TargetGroup, Vec<Flaw>) {
        if self.hosts.is_empty() {
            self.hosts.push(hostname.as_str());
        }
        let port = self.port.unwrap_or(Port::Number(default_port));
        let mut labels = self.renamed;
        labels.extend(self.labels);
        let mut targets = BTreeSet::new();
        for host in self.hosts {
            match target::address(host, port) {
                Some(target) => drop(targets.insert(target)),
                None => self.flaws.push(Flaw::BadTarget(host.to_owned())),
            }
        }
        (TargetGroup { labels, targets: targets.into_iter().collect() }, self.flaws)
    }
}

/// The meaning of one label for a group.
#[derive(Clone, Copy)]
enum Part<'a> {
    /// `prometheus:NAME`
    Membership,
    /// `prometheus:NAME:KEY:VALUE`
    Entry(&'a str, &'a str),
}

impl<'a> Part<'a> {
    /// `None` for a label that is not of the group. A KEY without a value is not, as in lobby 1.x:
    /// `prometheus:a:b` is the plain membership of the group `a:b`.
    fn of(name: &str, label: &'a str) -> Option<Self> {
        let rest = label.strip_prefix(PREFIX)?.strip_prefix(name)?;
        if rest.is_empty() {
            return Some(Self::Membership);
        }
        let (key, value) = rest.strip_prefix(':')?.split_once(':')?;
        Some(Self::Entry(key, value))
    }
}

/// The key with `_` in the place of every character that a Prometheus label name,
/// `[a-zA-Z_][a-zA-Z0-9_]*`, cannot have there.
fn label_name(key: &str) -> String {
    let fits = |at: usize, c: char| c.is_ascii_alphabetic() || (at > 0 && c.is_ascii_digit());
    key.char_indices().map(|(at, c)| if fits(at, c) { c } else { '_' }).collect()
}
