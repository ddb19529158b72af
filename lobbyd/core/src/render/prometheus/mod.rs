//! The labels `prometheus:…` of a fleet as a document of Prometheus' HTTP service discovery.
//!
//! Prometheus refuses a whole document for one invalid label name or one unknown key, and then keeps its old targets. One server
//! with an odd label must not do that to all the others, so what comes out of here is always acceptable; what had to be changed or
//! left out for that is told beside the document.

mod problem;
mod target;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use lobby_client::HostName;
use serde::Serialize;

pub use problem::{Flaw, Problem};
use target::Port;

/// What all labels for Prometheus begin with.
const PREFIX: &str = "prometheus:";

/// One server's targets with the labels they share.
///
/// Prometheus matches the two keys in any case and refuses any other; the original writes them capitalised.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Group {
    /// Prometheus labels: valid names, sorted.
    pub labels: BTreeMap<String, String>,
    /// Addresses to scrape, sorted and unique. Empty when none of those wanted can be one.
    pub targets: BTreeSet<String>,
}

/// What every label of a group begins with, and others may.
pub fn label_prefix(name: &str) -> String {
    format!("{PREFIX}{name}")
}

/// What Prometheus is given of one host in group `name`, and what was changed or left out for that; nothing if the host has no label of
/// the group.
///
/// The labels are expected in bytewise order, as a packet has them: where two disagree the later one wins, as in the original.
pub fn group(
    name: &str,
    host: &HostName,
    labels: &[impl AsRef<str>],
    default_port: u16,
) -> Option<(Group, impl Iterator<Item = Problem>)> {
    let (group, flaws) = Draft::read(name, labels)?.finish(host, default_port);
    Some((group, flaws.into_iter().map(|flaw| Problem { host: host.clone(), flaw })))
}

/// What the labels of one host ask for.
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
    /// Nothing if the host has no label of the group.
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

    fn finish(mut self, hostname: &'a HostName, default_port: u16) -> (Group, Vec<Flaw>) {
        if self.hosts.is_empty() {
            self.hosts.push(hostname.as_str());
        }
        let port = self.port.unwrap_or(Port::Number(default_port));
        let mut group = Group { labels: self.renamed, targets: BTreeSet::new() };
        group.labels.extend(self.labels);
        for host in self.hosts {
            match target::address(host, port) {
                Some(target) => {
                    group.targets.insert(target);
                }
                None => self.flaws.push(Flaw::BadTarget(host.to_owned())),
            }
        }
        (group, self.flaws)
    }
}

/// What one label says to a group.
#[derive(Clone, Copy)]
enum Part<'a> {
    /// `prometheus:NAME`
    Membership,
    /// `prometheus:NAME:KEY:VALUE`
    Entry(&'a str, &'a str),
}

impl<'a> Part<'a> {
    /// Nothing for a label of something else. A KEY without a value is one too, as in the original: `prometheus:a:b` is the plain
    /// membership of the group `a:b`.
    fn of(name: &str, label: &'a str) -> Option<Self> {
        let rest = label.strip_prefix(PREFIX)?.strip_prefix(name)?;
        if rest.is_empty() {
            return Some(Self::Membership);
        }
        let (key, value) = rest.strip_prefix(':')?.split_once(':')?;
        Some(Self::Entry(key, value))
    }
}

/// The key with `_` in the place of every character that a Prometheus label name, `[a-zA-Z_][a-zA-Z0-9_]*`, cannot have there.
fn label_name(key: &str) -> String {
    let fits = |at: usize, c: char| c.is_ascii_alphabetic() || (at > 0 && c.is_ascii_digit());
    key.char_indices().map(|(at, c)| if fits(at, c) { c } else { '_' }).collect()
}
