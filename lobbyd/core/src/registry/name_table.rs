//! The name table: hosts by name, for the registry itself.

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};

use crate::registry::host::Host;

/// A hash table of hosts, keyed by the name stored in each.
#[derive(Debug, Default)]
pub(crate) struct NameTable {
    hosts: HashTable<Arc<Host>>,
    hasher: DefaultHashBuilder,
}

impl NameTable {
    /// The host of a name.
    pub(crate) fn get(&self, hostname: &str) -> Option<&Arc<Host>> {
        self.find(hostname, |host| host.name().as_str() == hostname)
    }

    /// The host of a name that `is_same` knows again, by whatever only the host of this name has.
    pub(crate) fn find(
        &self,
        hostname: &str,
        mut is_same: impl FnMut(&Host) -> bool,
    ) -> Option<&Arc<Host>> {
        self.hosts.find(self.hasher.hash_one(hostname), |host| is_same(host))
    }

    /// Adds a host, or replaces the one of its name.
    pub(crate) fn insert(&mut self, host: Arc<Host>) {
        let hasher = |host: &Arc<Host>| self.hasher.hash_one(host.name().as_str());
        let same = |other: &Arc<Host>| other.name() == host.name();
        match self.hosts.entry(hasher(&host), same, hasher) {
            Entry::Occupied(mut entry) => *entry.get_mut() = host,
            Entry::Vacant(entry) => drop(entry.insert(host)),
        }
    }

    /// Removes a host.
    pub(crate) fn remove(&mut self, hostname: &str) -> Option<Arc<Host>> {
        let same = |host: &Arc<Host>| host.name().as_str() == hostname;
        let entry = self.hosts.find_entry(self.hasher.hash_one(hostname), same).ok()?;
        Some(entry.remove().0)
    }
}
