//! Losses: hosts whose connection the broker has closed, and that were not heard again.

use std::sync::Arc;

use lobby_client::HostName;

use super::{Change, ChangeKind, HostRegistry};
use crate::link::connection_name::ConnectionName;
use crate::liveness::reception::Reception;
use crate::registry::suspects::Suspicion;

impl HostRegistry {
    /// A connection of a daemon to the broker of a driver was closed. If that daemon is not heard
    /// again in a moment its host is lost, unless it was heard through other drivers, too.
    pub fn connection_closed(&mut self, name: &ConnectionName, reception: Reception) {
        let ConnectionName { host, instance } = name;
        let since = self.liveness.judged_at(reception.at);
        let suspicion = Suspicion { instance: *instance, driver_id: reception.driver_id, since };
        // Whoever repeats it gives the host no more time, and no less.
        let stands = self.suspects.get(host).is_some_and(|former| self.holds(host, former));
        // Suspects may have left by themselves since.
        let has_room = self.suspects.len() < self.max_servers;
        if !stands && has_room && self.is_affected(host, suspicion) {
            self.suspects.put(host, suspicion);
        }
    }

    /// Removes the suspects that were not heard again in time.
    pub(super) fn lose(&mut self, at: u64, lost: &mut Vec<Arc<Change>>) {
        while let Some((host, suspicion)) = self.suspects.pop(at) {
            if self.holds(&host, suspicion) {
                lost.extend(self.remove(&host, ChangeKind::Lost));
            }
        }
    }

    /// Whether a host was not heard since it is suspected. What is heard in the same millisecond
    /// speaks for it.
    fn holds(&self, host: &HostName, suspicion: Suspicion) -> bool {
        let known = self.known.get(host.as_str());
        let is_silent = known.is_some_and(|host| host.last_heard().sent_at() < suspicion.since);
        is_silent && self.is_affected(host, suspicion)
    }

    /// Whether the connection is all that a host has, as far as is known.
    fn is_affected(&self, host: &HostName, suspicion: Suspicion) -> bool {
        self.known.get(host.as_str()).is_some_and(|host| {
            !host.is_own()
                && host.sender() == Some(suspicion.instance)
                && host.speaks_only_through(suspicion.driver_id)
        })
    }
}
