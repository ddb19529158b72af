//! Suspects: hosts whose connection to the broker was closed. They may have crashed, or connect
//! anew and will be heard in a moment.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use lobby_client::HostName;

use crate::liveness::connectivity::DriverId;
use crate::wire::instance_id::InstanceId;

/// Time to be heard again, in milliseconds.
pub(super) const RETURN_GRACE: u64 = 3000;

/// What makes a host a suspect. Times are in milliseconds of running time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Suspicion {
    /// The daemon whose connection was closed.
    pub(super) instance: InstanceId,
    /// The driver that told.
    pub(super) driver_id: DriverId,
    /// When.
    pub(super) since: u64,
}

/// The suspects, of each host at most one suspicion.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    by_host: HashMap<HostName, Suspicion>,
    /// When to look at whom: for each suspicion once, at its end or before.
    turns: BinaryHeap<Reverse<(u64, HostName)>>,
}

impl Suspects {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.by_host.len()
    }

    /// What a host is suspected for.
    pub(super) fn get(&self, host: &HostName) -> Option<Suspicion> {
        self.by_host.get(host).copied()
    }

    /// A host is suspected, for this reason instead of another one.
    pub(super) fn put(&mut self, host: &HostName, suspicion: Suspicion) {
        if self.by_host.insert(host.clone(), suspicion).is_none() {
            self.turns.push(Reverse((suspicion.since + RETURN_GRACE, host.clone())));
        }
    }

    /// No suspicion ends before this.
    pub(super) fn next(&self) -> u64 {
        self.turns.peek().map_or(u64::MAX, |Reverse((turn, _))| *turn)
    }

    /// The next suspect whose time is up.
    pub(super) fn pop(&mut self, now: u64) -> Option<(HostName, Suspicion)> {
        while self.next() <= now {
            let Reverse((_, host)) = self.turns.pop()?;
            let Some(suspicion) = self.get(&host) else { continue };
            let end = suspicion.since + RETURN_GRACE;
            if end <= now {
                self.by_host.remove(&host);
                return Some((host, suspicion));
            }
            // It is suspected for another reason since.
            self.turns.push(Reverse((end, host)));
        }
        None
    }

    /// What a driver told counts no longer.
    pub(super) fn forget(&mut self, driver_id: DriverId) {
        self.by_host.retain(|_, suspicion| suspicion.driver_id != driver_id);
        let by_host = &self.by_host;
        self.turns.retain(|Reverse((_, host))| by_host.contains_key(host));
    }
}
