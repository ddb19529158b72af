//! The host table: all hosts by number and in the order of their names, cheap to copy.

use std::array;
use std::sync::Arc;

use crate::index::host_id::HostId;
use crate::index::text_map::TextMap;
use crate::registry::host::Host;

/// Hosts in a page. A change copies one page that a copy of the table shares.
const HOST_PAGE_LEN: usize = 64;

/// A persistent table of hosts, in the order of their names, too. Copies share what neither side
/// has changed since.
#[derive(Debug, Clone, Default)]
pub struct HostTable {
    by_name: TextMap<HostId>,
    pages: Vec<Arc<Page>>,
    text_len: usize,
}

type Page = [Option<Arc<Host>>; HOST_PAGE_LEN];

impl HostId {
    fn page(self) -> usize {
        self.index() / HOST_PAGE_LEN
    }

    fn index_in_page(self) -> usize {
        self.index() % HOST_PAGE_LEN
    }
}

impl HostTable {
    /// The number of hosts.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there are no hosts.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// The texts of all packets together, in bytes.
    pub fn text_len(&self) -> usize {
        self.text_len
    }

    /// All hosts in the order of the host names.
    pub fn sorted(&self) -> impl Iterator<Item = &Arc<Host>> {
        self.by_name.values().filter_map(|id| self.get(*id))
    }

    /// All hosts in no order, which is quicker.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Host>> {
        self.pages.iter().flat_map(|page| page.iter().flatten())
    }

    /// A host by its name.
    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Host>> {
        self.get(*self.by_name.get(name)?)
    }

    /// The host of a number.
    pub fn get(&self, id: HostId) -> Option<&Arc<Host>> {
        self.pages.get(id.page())?[id.index_in_page()].as_ref()
    }

    /// The hosts of some numbers, each once, in the order of the host names.
    pub fn select(&self, mut ids: Vec<HostId>) -> Vec<&Arc<Host>> {
        // To sort so many would take longer than to look through all, which are sorted already.
        if ids.len() > self.len() / 16 {
            return self.filter(&ids);
        }
        ids.sort_unstable();
        ids.dedup();
        let mut hosts: Vec<_> = ids.into_iter().filter_map(|id| self.get(id)).collect();
        hosts.sort_unstable_by(|a, b| a.name().cmp(b.name()));
        hosts
    }

    fn filter(&self, ids: &[HostId]) -> Vec<&Arc<Host>> {
        let mut wanted = vec![false; self.pages.len() * HOST_PAGE_LEN];
        for id in ids {
            wanted[id.index()] = true;
        }
        let ids = self.by_name.values().filter(|id| wanted[id.index()]);
        ids.filter_map(|id| self.get(*id)).collect()
    }

    /// Puts a host at its number, which is free or that of the same host. Returns what was there.
    pub(crate) fn put(&mut self, host: Arc<Host>) -> Option<Arc<Host>> {
        let id = host.id();
        if self.pages.len() <= id.page() {
            self.pages.resize_with(id.page() + 1, || Arc::new(array::from_fn(|_| None)));
        }
        let entry = &mut Arc::make_mut(&mut self.pages[id.page()])[id.index_in_page()];
        if entry.is_none() {
            self.by_name.insert(host.name().as_str(), id);
        }
        self.text_len += host.text().len();
        let before = entry.replace(host);
        self.text_len -= before.as_ref().map_or(0, |before| before.text().len());
        before
    }

    /// Removes a host, and returns it if it was here.
    pub(crate) fn remove(&mut self, id: HostId) -> Option<Arc<Host>> {
        let page =
            self.pages.get_mut(id.page()).filter(|page| page[id.index_in_page()].is_some())?;
        let host = Arc::make_mut(page)[id.index_in_page()].take()?;
        self.by_name.remove(host.name().as_str());
        self.text_len -= host.text().len();
        Some(host)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use lobby_client::{Discovery, HostName};
    use proptest::prelude::*;

    use super::*;
    use crate::index::host_id::HostIdAllocator;
    use crate::wire::packet_json::PacketJson;

    fn host(name: &str, id: HostId) -> Arc<Host> {
        let hostname = HostName::parse(name).unwrap();
        let text = PacketJson::new(&Discovery::new(hostname.clone(), vec![]));
        Arc::new(Host::own(id, hostname, text, 0))
    }

    fn names<'a>(hosts: impl IntoIterator<Item = &'a Arc<Host>>) -> Vec<&'a str> {
        hosts.into_iter().map(|host| host.name().as_str()).collect()
    }

    proptest! {
        #[test]
        fn hosts_come_and_go_and_are_found_by_number_and_in_order(
            steps in prop::collection::vec((any::<bool>(), 0..300u16), 0..600), wanted in prop::collection::vec(0..300u16, 0..60),
        ) {
            let (mut hosts, mut ids, mut model) = (HostTable::default(), HostIdAllocator::default(), BTreeMap::new());
            for (come, name) in steps {
                let name = format!("h{name}");
                match (come, model.get(&name).copied()) {
                    (true, None) => {
                        let id = ids.allocate();
                        prop_assert!(hosts.put(host(&name, id)).is_none());
                        model.insert(name, id);
                    }
                    (true, Some(id)) => prop_assert!(hosts.put(host(&name, id)).is_some()),
                    (false, Some(id)) => {
                        prop_assert_eq!(hosts.remove(id).map(|host| host.name().to_string()), model.remove_entry(&name).map(|(name, _)| name));
                        prop_assert!(hosts.remove(id).is_none());
                        ids.free(id);
                    }
                    (false, None) => {}
                }
            }
            prop_assert_eq!(names(hosts.sorted()), model.keys().collect::<Vec<_>>());
            prop_assert_eq!((hosts.len(), hosts.iter().count()), (model.len(), model.len()));
            prop_assert_eq!(hosts.text_len(), hosts.iter().map(|host| host.text().len()).sum::<usize>());
            let wanted: BTreeMap<_, _> = wanted.iter().filter_map(|number| model.get_key_value(&format!("h{number}"))).collect();
            let ids: Vec<_> = wanted.values().chain(wanted.values()).map(|id| **id).collect();
            prop_assert_eq!(names(hosts.select(ids)), wanted.into_keys().collect::<Vec<_>>());
        }
    }
}
