//! Leases as they are stored: their ends by the wall clock, the only one that a restart leaves.

use std::time::Duration;

use lobby_client::Label;
use lobby_client::ttl::MAX_TTL;
use serde::{Deserialize, Serialize};

use super::moment::{Moment, millis};
use super::{Lease, LeaseTable};

/// The leases of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredLeases {
    leases: Vec<Record>,
}

/// A lease as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    label: Label,
    /// The time that it was given, in seconds.
    ttl: u64,
    /// When it ends, in milliseconds since the Unix epoch.
    until: u64,
}

/// The reason why the contents of a file are not leases.
#[derive(Debug, thiserror::Error)]
#[error("is not a file of leases: {0}")]
pub struct NotLeases(#[from] serde_json::Error);

impl StoredLeases {
    /// The leases of a table, with their ends as they are reckoned at a moment.
    pub fn of(table: &LeaseTable, Moment { now, unix_millis }: Moment) -> Self {
        let records = table.iter().map(|(label, lease)| Record {
            label: label.clone(),
            ttl: lease.ttl.as_secs(),
            until: unix_millis.saturating_add(millis(lease.remaining(now))),
        });
        Self { leases: records.collect() }
    }

    /// The contents of the file.
    ///
    /// # Errors
    /// None in practice: labels and numbers can be written.
    pub fn encode(&self) -> serde_json::Result<Vec<u8>> {
        let mut contents = serde_json::to_vec(self)?;
        contents.push(b'\n');
        Ok(contents)
    }

    /// Reads the contents of the file.
    ///
    /// # Errors
    /// When they are torn, or those of another program.
    pub fn decode(contents: &[u8]) -> Result<Self, NotLeases> {
        Ok(serde_json::from_slice(contents)?)
    }

    /// The leases that have not ended yet. What remains of one is min(ttl, until - now): a clock
    /// that was set back gives none more than its whole time.
    pub fn table(&self, Moment { now, unix_millis }: Moment) -> LeaseTable {
        let lease = |record: &Record| {
            let ttl = Duration::from_secs(record.ttl).min(MAX_TTL);
            let remaining = Duration::from_millis(record.until.saturating_sub(unix_millis));
            let end = now + remaining.min(ttl);
            (end > now).then(|| (record.label.clone(), Lease { end, ttl }))
        };
        self.leases.iter().filter_map(lease).collect()
    }
}
