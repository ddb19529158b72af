//! Records by host name, as the registry finds them fastest.

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};

use crate::registry::host::Host;

/// A table of records that hold their keys, the host names, themselves.
#[derive(Debug, Default)]
pub(crate) struct NameTable {
    records: HashTable<Arc<Host>>,
    hasher: DefaultHashBuilder,
}

impl NameTable {
    /// The record of a host.
    pub(crate) fn get(&self, hostname: &str) -> Option<&Arc<Host>> {
        self.records.find(self.hasher.hash_one(hostname), |record| record.name().as_str() == hostname)
    }

    /// Keeps a record in the place of the one that the host had.
    pub(crate) fn insert(&mut self, record: Arc<Host>) {
        let hasher = |record: &Arc<Host>| self.hasher.hash_one(record.name().as_str());
        let same = |other: &Arc<Host>| other.name() == record.name();
        match self.records.entry(hasher(&record), same, hasher) {
            Entry::Occupied(mut entry) => *entry.get_mut() = record,
            Entry::Vacant(entry) => drop(entry.insert(record)),
        }
    }

    /// Removes a host.
    pub(crate) fn remove(&mut self, hostname: &str) -> Option<Arc<Host>> {
        let same = |record: &Arc<Host>| record.name().as_str() == hostname;
        let entry = self.records.find_entry(self.hasher.hash_one(hostname), same).ok()?;
        Some(entry.remove().0)
    }
}
