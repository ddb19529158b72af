//! Records by host name, as the registry finds them fastest.

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};

use crate::registry::host::Record;

/// A table of records that hold their keys, the host names, themselves.
#[derive(Debug, Default)]
pub(crate) struct Known {
    records: HashTable<Arc<Record>>,
    hasher: DefaultHashBuilder,
}

impl Known {
    /// The record of a host.
    pub(crate) fn get(&self, hostname: &str) -> Option<&Arc<Record>> {
        self.records.find(self.hasher.hash_one(hostname), |record| record.hostname().as_str() == hostname)
    }

    /// Keeps a record in the place of the one that the host had.
    pub(crate) fn insert(&mut self, record: Arc<Record>) {
        let hasher = |record: &Arc<Record>| self.hasher.hash_one(record.hostname().as_str());
        let same = |other: &Arc<Record>| other.hostname() == record.hostname();
        match self.records.entry(hasher(&record), same, hasher) {
            Entry::Occupied(mut entry) => *entry.get_mut() = record,
            Entry::Vacant(entry) => drop(entry.insert(record)),
        }
    }

    /// Removes a host.
    pub(crate) fn remove(&mut self, hostname: &str) -> Option<Arc<Record>> {
        let same = |record: &Arc<Record>| record.hostname().as_str() == hostname;
        let entry = self.records.find_entry(self.hasher.hash_one(hostname), same).ok()?;
        Some(entry.remove().0)
    }
}
