//! The schedule of looks for expired hosts: at their deadlines, without a look at all hosts for
//! each.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::index::host_id::HostId;
use crate::liveness::time_base::millis;

/// Which part of a TTL a look at all hosts covers. All that expire in it cost one look.
const WINDOWS_PER_TTL: u32 = 8;

/// The next hosts that expire. All times are in milliseconds of running time.
///
/// A look at all hosts notes the deadlines within a window and the first one behind it. Keep-alives
/// only move deadlines later, so what was noted stays a lower bound, and a noted host that lives on
/// when its time comes is simply put off.
#[derive(Debug)]
pub(crate) struct ExpirySchedule {
    /// Deadlines that were noted. Hosts may have left, and others may have got their numbers.
    noted: BinaryHeap<Reverse<(u64, HostId)>>,
    /// No other host expires before this.
    horizon: u64,
    window: u64,
}

impl ExpirySchedule {
    /// The schedule of a registry without hosts.
    pub(crate) fn new(ttl: Duration) -> Self {
        Self { noted: BinaryHeap::new(), horizon: u64::MAX, window: millis(ttl / WINDOWS_PER_TTL) }
    }

    /// No host expires before this.
    pub(crate) fn next(&self) -> u64 {
        self.noted.peek().map_or(self.horizon, |Reverse((deadline, _))| self.horizon.min(*deadline))
    }

    /// Whether it is time for a look at all hosts.
    pub(crate) fn is_used_up(&self, now: u64) -> bool {
        self.horizon <= now
    }

    /// Begins anew with a look at all hosts and their deadlines.
    pub(crate) fn look(&mut self, now: u64, deadlines: impl Iterator<Item = (HostId, u64)>) {
        let (until, mut noted) = (now.saturating_add(self.window), Vec::new());
        self.horizon = u64::MAX;
        for (id, deadline) in deadlines {
            if deadline < until {
                noted.push(Reverse((deadline, id)));
            } else {
                self.horizon = self.horizon.min(deadline);
            }
        }
        self.noted = noted.into();
    }

    /// Notes a host that joined, or one that lives on.
    pub(crate) fn note(&mut self, now: u64, id: HostId, deadline: u64) {
        if deadline >= now.saturating_add(self.window) {
            self.horizon = self.horizon.min(deadline);
        } else if deadline < self.horizon {
            self.noted.push(Reverse((deadline, id)));
        }
    }

    /// The next host whose noted deadline has come.
    pub(crate) fn pop(&mut self, now: u64) -> Option<HostId> {
        let due = self.noted.peek().is_some_and(|Reverse((deadline, _))| *deadline <= now);
        if due { self.noted.pop().map(|Reverse((_, id))| id) } else { None }
    }
}
