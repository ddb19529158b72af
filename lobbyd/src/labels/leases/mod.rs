//! Labels that end: the leases of this host, and the file that keeps them over a restart.

mod file;
mod queue;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lobby_client::{Label, LabelOrigin, LocalLabel};

use lobby_core::leases::{Lease, Ledger};

pub use file::LeaseFile;
pub use queue::{LeaseBatch, LeaseQueue};

/// The leases of this host. Clones share them. The label source makes all changes but renewals.
#[derive(Debug, Clone, Default)]
pub struct Leases(Arc<Mutex<Ledger>>);

impl Leases {
    /// The labels that have a lease.
    pub fn labels(&self) -> Vec<Label> {
        self.ledger().table().iter().map(|(label, _)| label.clone()).collect()
    }

    /// The labels that have a lease, or may get one when the disk has it. Some come twice.
    pub fn labels_to_come(&self) -> Vec<Label> {
        self.ledger().labels_to_come()
    }

    /// How many labels have a lease.
    pub fn count(&self) -> usize {
        self.ledger().table().len()
    }

    /// The labels that have a lease, each with its end. `unix_millis` is what the wall clock says
    /// now, in milliseconds since the Unix epoch.
    pub fn local_labels(&self, now: Instant, unix_millis: u64) -> Vec<LocalLabel> {
        let local = |(label, lease): (&Label, &Lease)| LocalLabel {
            label: label.clone(),
            source: LabelOrigin::Lease,
            file: None,
            until: Some(until(lease, now, unix_millis)),
        };
        self.ledger().table().iter().map(local).collect()
    }

    /// Gives leases their time anew, where nothing follows from that but that the disk must be told
    /// some time: the label source looks for that once a second. Returns whether it did.
    pub fn renew(&self, labels: &[Label], ttl: Duration, now: Instant) -> bool {
        self.ledger().renew(labels, ttl, now)
    }

    /// The ledger itself, for a moment.
    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When a lease ends by the wall clock, in seconds since the Unix epoch.
fn until(lease: &Lease, now: Instant, unix_millis: u64) -> i64 {
    let millis = lease.remaining(now).as_millis().saturating_add(unix_millis.into());
    i64::try_from(millis.div_ceil(1000)).unwrap_or(i64::MAX)
}
