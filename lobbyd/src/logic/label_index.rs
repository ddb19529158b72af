//! Who has a label: hosts by whole label and, as labels are in order, by the beginning of one.

use std::cmp::Ordering;
use std::sync::Arc;

use lobby_client::HostName;

use super::packet_text::PacketText;
use super::sorted_map::SortedMap;

/// The hosts of every label. Cheap to copy, as the map it is made of.
#[derive(Debug, Clone, Default)]
pub struct LabelIndex(SortedMap<Arc<str>, Hosts>);

/// The hosts that have a label. Many labels, an address for one, belong to a single host.
#[derive(Debug, Clone)]
enum Hosts {
    One(HostName),
    Many(Arc<SortedMap<HostName, ()>>),
}

impl LabelIndex {
    /// A host has these labels instead of those: what both have is not touched. Nothing stands for a host that is not here.
    pub fn change(&mut self, host: &HostName, before: Option<&PacketText>, after: Option<&PacketText>) {
        let mut old = before.into_iter().flat_map(PacketText::labels).peekable();
        let mut new = after.into_iter().flat_map(PacketText::labels).peekable();
        loop {
            let order = match (old.peek(), new.peek()) {
                (Some(old), Some(new)) => old.cmp(new),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return,
            };
            let gone = old.next_if(|_| order.is_le());
            let come = new.next_if(|_| order.is_ge());
            match (gone, come) {
                (Some(gone), None) => self.remove(&gone, host),
                (None, Some(come)) => self.insert(&come, host),
                _ => {}
            }
        }
    }

    /// The hosts that have exactly this label, sorted.
    pub fn with_label(&self, label: &str) -> Vec<&HostName> {
        self.0.get(label).map(|hosts| hosts.iter().collect()).unwrap_or_default()
    }

    /// The hosts that have a label that begins so, in no order and as often as they have one.
    pub fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a HostName> {
        let from = self.0.iter_from(prefix);
        from.take_while(move |(label, _)| label.starts_with(prefix)).flat_map(|(_, hosts)| hosts.iter())
    }

    fn insert(&mut self, label: &str, host: &HostName) {
        match self.0.get_mut(label) {
            Some(hosts) => hosts.insert(host),
            None => drop(self.0.insert(Arc::from(label), Hosts::One(host.clone()))),
        }
    }

    fn remove(&mut self, label: &str, host: &HostName) {
        if self.0.get_mut(label).is_some_and(|hosts| hosts.remove(host)) {
            self.0.remove(label);
        }
    }
}

impl Hosts {
    fn iter(&self) -> impl Iterator<Item = &HostName> {
        let (one, many) = match self {
            Self::One(host) => (Some(host), None),
            Self::Many(hosts) => (None, Some(hosts.iter().map(|(host, ())| host))),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    fn insert(&mut self, host: &HostName) {
        match self {
            Self::One(first) => {
                let mut hosts = SortedMap::default();
                hosts.insert(first.clone(), ());
                hosts.insert(host.clone(), ());
                *self = Self::Many(Arc::new(hosts));
            }
            Self::Many(hosts) => drop(Arc::make_mut(hosts).insert(host.clone(), ())),
        }
    }

    /// Returns whether nobody is left.
    fn remove(&mut self, host: &HostName) -> bool {
        match self {
            Self::One(only) => only == host,
            Self::Many(hosts) => {
                let hosts = Arc::make_mut(hosts);
                hosts.remove(host);
                hosts.is_empty()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use lobby_client::{Discovery, Label};
    use proptest::prelude::*;

    use super::*;

    fn text(labels: &BTreeSet<String>) -> PacketText {
        let labels = labels.iter().map(|label| Label::parse(label).unwrap()).collect();
        PacketText::new(&Discovery::new(HostName::parse("h").unwrap(), labels))
    }

    proptest! {
        #[test]
        fn it_answers_as_a_look_through_all_hosts_does(
            steps in prop::collection::vec((0..6u8, prop::option::of(prop::collection::btree_set("[ab\"]{1,3}", 0..5))), 0..40),
        ) {
            let (mut index, mut model) = (LabelIndex::default(), BTreeMap::new());
            for (host, labels) in steps {
                let host = HostName::parse(&format!("h{host}")).unwrap();
                let after = labels.as_ref().map(text);
                let before = match labels {
                    Some(labels) => model.insert(host.clone(), labels),
                    None => model.remove(&host),
                };
                index.change(&host, before.as_ref().map(text).as_ref(), after.as_ref());
            }
            let hosts_with = |matches: &dyn Fn(&str) -> bool| -> Vec<&HostName> {
                model.iter().filter(|(_, labels)| labels.iter().any(|label| matches(label))).map(|(host, _)| host).collect()
            };
            for wanted in ["", "a", "b", "ab", "aa", "\"a", "zz"] {
                prop_assert_eq!(index.with_label(wanted), hosts_with(&|label| label == wanted));
                let mut found: Vec<_> = index.with_prefix(wanted).collect();
                found.sort_unstable();
                found.dedup();
                prop_assert_eq!(found, hosts_with(&|label| label.starts_with(wanted)));
            }
        }
    }
}
