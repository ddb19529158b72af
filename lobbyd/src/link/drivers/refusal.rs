//! Whether a broker refused the last own packet. A broker does not say beforehand what a user may
//! publish, so a link that may not would come up and go down again and again. After a refusal the
//! next connection is tried with an own packet before the link counts as up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the last own packet was refused; a clone is the same.
#[derive(Debug, Clone, Default)]
pub(super) struct RefusalFlag(Arc<AtomicBool>);

impl RefusalFlag {
    /// Whether the last one was refused.
    pub(super) fn stands(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// A packet was refused, or accepted.
    pub(super) fn set(&self, refused: bool) {
        self.0.store(refused, Ordering::Relaxed);
    }
}
