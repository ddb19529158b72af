//! Counts of the callback's runs, shared with those who show them.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// How the runs of the callback ended.
#[derive(Debug, Default)]
pub struct CallbackCounts {
    succeeded: AtomicU64,
    failed: AtomicU64,
    last_success: AtomicI64,
}

impl CallbackCounts {
    /// A run succeeded. `unix_seconds` is now.
    pub fn succeeded(&self, unix_seconds: i64) {
        self.last_success.store(unix_seconds, Ordering::Relaxed);
        self.succeeded.fetch_add(1, Ordering::Relaxed);
    }

    /// A run failed, or could not be started.
    pub fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// The numbers of runs that succeeded, and that failed.
    pub fn results(&self) -> (u64, u64) {
        (self.succeeded.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }

    /// When a run last succeeded, in Unix seconds; 0 before that.
    pub fn last_success(&self) -> i64 {
        self.last_success.load(Ordering::Relaxed)
    }
}
