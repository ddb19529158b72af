//! Liveness: which links are up, and until when a host counts as alive.

pub mod connectivity;
pub mod initial_sync;
pub(crate) mod last_heard;
pub mod reception;
pub(crate) mod time_base;
pub(crate) mod watchdog;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::liveness::connectivity::Connectivity;
use crate::liveness::time_base::TimeBase;
use crate::liveness::watchdog::Watchdog;

/// What decides on who is alive, beside the records themselves.
#[derive(Debug, Clone)]
pub(crate) struct Liveness {
    pub time_base: TimeBase,
    pub ttl: Duration,
    pub connectivity: Connectivity,
    pub watchdog: Arc<Watchdog>,
    /// How long the daemon itself stood still since it was started.
    pub suspended: Duration,
}

impl Liveness {
    /// A moment on the clock that decides on life and death: it stands still while the daemon does, as nobody hears anybody then.
    pub(crate) fn running_time(&self, moment: Instant) -> Instant {
        moment.checked_sub(self.suspended).unwrap_or(moment)
    }
}
