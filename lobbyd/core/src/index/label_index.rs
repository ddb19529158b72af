//! The hosts of each label: by whole label and, as labels are in order, by the beginning of one.

use std::sync::Arc;

use crate::index::host_id::HostId;
use crate::index::id_set::IdSet;
use crate::index::text_map::TextMap;
use crate::wire::packet_json::{PacketJson, unquoted};

/// The hosts of every label. Cheap to copy, as the map it is made of.
#[derive(Debug, Clone, Default)]
pub struct LabelIndex(TextMap<Postings>);

/// The hosts that have a label. Many labels, an address for one, belong to a single host.
#[derive(Debug, Clone)]
enum Postings {
    One(HostId),
    Many(Arc<IdSet>),
}

impl LabelIndex {
    /// A host has these labels instead of those: what both have is not touched. Nothing stands for
    /// a host that is not here.
    pub fn change(
        &mut self,
        host: HostId,
        before: Option<&PacketJson>,
        after: Option<&PacketJson>,
    ) {
        let [mut old, new] =
            [before, after].map(|text| text.map(PacketJson::json_labels).unwrap_or_default());
        for come in new {
            while !old.skip_text(come) {
                let label = unquoted(come);
                let Some(gone) = old.peek().map(unquoted).filter(|gone| *gone < label) else {
                    self.insert(&label, host);
                    break;
                };
                self.remove(&gone, host);
                old.next();
            }
        }
        old.for_each(|gone| self.remove(&unquoted(gone), host));
    }

    /// The hosts that have exactly this label.
    pub fn with_label(&self, label: &str) -> impl Iterator<Item = HostId> {
        self.0.get(label).into_iter().flat_map(Postings::iter)
    }

    /// The hosts that have a label that begins so, as often as they have one.
    pub fn with_prefix(&self, prefix: &str) -> impl Iterator<Item = HostId> {
        self.beginning_with(prefix).flat_map(|(_, postings)| postings.iter())
    }

    /// The hosts that have a label that begins so and is good, as often as they have one.
    pub fn with_prefix_if(
        &self,
        prefix: &str,
        is_good: impl Fn(&str) -> bool,
    ) -> impl Iterator<Item = HostId> {
        let good = self.beginning_with(prefix).filter(move |(label, _)| is_good(label));
        good.flat_map(|(_, postings)| postings.iter())
    }

    /// The number of hosts that have exactly this label.
    pub fn count_with_label(&self, label: &str) -> usize {
        self.0.get(label).map_or(0, Postings::len)
    }

    /// The number of hosts that have a label that begins so, each as often as it has one. It is not
    /// counted far beyond `limit`.
    pub fn count_with_prefix(&self, prefix: &str, limit: usize) -> usize {
        let mut count = 0;
        for (_, postings) in self.beginning_with(prefix) {
            count += postings.len();
            if count >= limit {
                break;
            }
        }
        count
    }

    fn beginning_with(&self, prefix: &str) -> impl Iterator<Item = (&str, &Postings)> {
        self.0.iter_from(prefix).take_while(move |(label, _)| label.starts_with(prefix))
    }

    fn insert(&mut self, label: &str, host: HostId) {
        match self.0.get_mut(label) {
            Some(postings) => postings.insert(host),
            None => drop(self.0.insert(label, Postings::One(host))),
        }
    }

    fn remove(&mut self, label: &str, host: HostId) {
        if self.0.get_mut(label).is_some_and(|postings| postings.remove(host)) {
            self.0.remove(label);
        }
    }
}

impl Postings {
    fn iter(&self) -> impl Iterator<Item = HostId> {
        let (one, many) = match self {
            Self::One(host) => (Some(*host), None),
            Self::Many(hosts) => (None, Some(hosts.iter())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Many(hosts) => hosts.len(),
        }
    }

    fn insert(&mut self, host: HostId) {
        match self {
            Self::One(first) => {
                let mut hosts = IdSet::default();
                hosts.insert(*first);
                hosts.insert(host);
                *self = Self::Many(Arc::new(hosts));
            }
            Self::Many(hosts) => Arc::make_mut(hosts).insert(host),
        }
    }

    /// Returns whether nobody is left.
    fn remove(&mut self, host: HostId) -> bool {
        match self {
            Self::One(only) => *only == host,
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

    use lobby_client::{Discovery, HostName, Label};
    use proptest::prelude::*;

    use super::*;

    fn text(labels: &BTreeSet<String>) -> PacketJson {
        let labels = labels.iter().map(|label| Label::parse(label).unwrap()).collect();
        PacketJson::new(&Discovery::new(HostName::parse("h").unwrap(), labels))
    }

    proptest! {
        #[test]
        fn it_answers_as_a_look_through_all_hosts_does(
            steps in prop::collection::vec((0..6u32, prop::option::of(prop::collection::btree_set("[ab\"]{1,3}", 0..5))), 0..40),
        ) {
            let (mut index, mut model) = (LabelIndex::default(), BTreeMap::new());
            for (host, labels) in steps {
                let host = HostId(host);
                let after = labels.as_ref().map(text);
                let before = match labels {
                    Some(labels) => model.insert(host, labels),
                    None => model.remove(&host),
                };
                index.change(host, before.as_ref().map(text).as_ref(), after.as_ref());
            }
            let hosts_with = |matches: &dyn Fn(&str) -> bool| -> Vec<HostId> {
                model.iter().filter(|(_, labels)| labels.iter().any(|label| matches(label))).map(|(host, _)| *host).collect()
            };
            for wanted in ["", "a", "b", "ab", "aa", "\"a", "zz"] {
                prop_assert_eq!(index.with_label(wanted).collect::<Vec<_>>(), hosts_with(&|label| label == wanted));
                prop_assert_eq!(index.count_with_label(wanted), index.with_label(wanted).count());
                let all = index.with_prefix(wanted).count();
                prop_assert_eq!(index.count_with_prefix(wanted, usize::MAX), all);
                prop_assert!(index.count_with_prefix(wanted, 2) >= all.min(2));
                let with_b = index.with_prefix_if(wanted, |label| label.contains('b'));
                prop_assert_eq!(with_b.collect::<BTreeSet<_>>(), BTreeSet::from_iter(
                    hosts_with(&|label| label.starts_with(wanted) && label.contains('b')),
                ));
                let mut found: Vec<_> = index.with_prefix(wanted).collect();
                found.sort_unstable();
                found.dedup();
                prop_assert_eq!(found, hosts_with(&|label| label.starts_with(wanted)));
            }
        }
    }
}
