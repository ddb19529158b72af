//! Leases: labels that end by themselves, unless they are renewed.

mod ledger;
mod moment;
mod record;
mod table;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use ledger::Ledger;
pub use moment::Moment;
pub use record::{NotLeases, StoredLeases};
pub use table::{Lease, LeaseChange, LeaseTable};

/// Time from which a lease survives a restart of the daemon. A shorter one needs no disk.
pub const LASTING_TTL: Duration = Duration::from_secs(10);
