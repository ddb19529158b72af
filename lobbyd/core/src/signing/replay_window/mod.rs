//! The replay window: a signed packet counts once, and not after one of its host that was signed
//! later.

use std::time::{Duration, Instant};

use hashbrown::HashMap;
use lobby_client::HostName;

use crate::liveness::connectivity::DriverId;
use crate::liveness::reception::Reception;
use crate::wire::envelope::{MessageKind, Refusal};

/// The replay window: of each host, whether it is here or has left, when its last packets were
/// signed. Call it with verified packets only.
#[derive(Debug)]
pub(crate) struct ReplayWindow {
    hosts: HashMap<HostName, HostHistory>,
    ttl: Duration,
    max_servers: usize,
}

impl ReplayWindow {
    /// `ttl` is how much older or newer than this daemon's time a packet may be. As many hosts as
    /// `max_servers` may be here, and as many others have left a moment ago.
    pub(crate) fn new(ttl: Duration, max_servers: usize) -> Self {
        Self { hosts: HashMap::new(), ttl, max_servers }
    }

    /// Whether a packet signed at that time, in milliseconds since the Unix epoch, is new; if so,
    /// it is remembered.
    ///
    /// # Errors
    /// The [`Refusal`] of one that is stale or replayed, or of a host too many; nothing is
    /// remembered then.
    pub(crate) fn admit(
        &mut self,
        host: &HostName,
        kind: MessageKind,
        timestamp: u64,
        reception: Reception,
    ) -> Result<(), Refusal> {
        let useful_for = self.useful_for(host, timestamp, reception)?;
        let known = self.known(host)?;
        if !known.accepts(kind, timestamp, reception) {
            return Err(Refusal::Replayed(host.clone()));
        }
        known.remember(kind, timestamp, reception.driver_id);
        // Twice as long: the wall clock, which decides, may be slower, or set back a little.
        known.until = known.until.max(Some(reception.at + useful_for * 2));
        Ok(())
    }

    /// Checks that a packet is not too old, nor too far ahead of the time.
    ///
    /// # Errors
    /// [`Refusal::Stale`].
    pub(crate) fn check_age(
        &self,
        host: &HostName,
        timestamp: u64,
        reception: Reception,
    ) -> Result<(), Refusal> {
        self.useful_for(host, timestamp, reception).map(drop)
    }

    /// Forgets hosts whose accepted packets are all stale by now, so that none can be replayed.
    /// Counted by the monotonic clock: a wall clock that jumps ahead for a while makes nothing
    /// forgotten.
    pub(crate) fn forget(&mut self, now: Instant) {
        self.hosts.retain(|_, host| host.until.is_some_and(|until| now <= until));
    }

    /// How long a packet could still be accepted. One that a channel kept may be as old as it is
    /// good for.
    fn useful_for(
        &self,
        host: &HostName,
        timestamp: u64,
        reception: Reception,
    ) -> Result<Duration, Refusal> {
        let off_by = Duration::from_millis(timestamp.abs_diff(reception.unix_millis));
        let is_ahead = timestamp > reception.unix_millis;
        let longest = reception.ttl.map_or(self.ttl, |ttl| ttl.duration().max(self.ttl));
        let allowed = if reception.is_kept() && !is_ahead { longest } else { self.ttl };
        if off_by > allowed {
            let direction = if is_ahead { "ahead of" } else { "behind" };
            return Err(Refusal::Stale { host: host.clone(), off_by, direction });
        }
        Ok(if is_ahead { longest + off_by } else { longest - off_by })
    }

    fn known(&mut self, host: &HostName) -> Result<&mut HostHistory, Refusal> {
        if self.hosts.len() >= self.max_servers * 2 && !self.hosts.contains_key(host) {
            return Err(Refusal::RegistryFull(self.max_servers));
        }
        Ok(self.hosts.entry(host.clone()).or_default())
    }
}

/// The times at which the last packets of a host were signed.
#[derive(Debug, Default)]
struct HostHistory {
    /// By driver, up to the last one that carried such a packet.
    drivers: Vec<LastSigned>,
    /// When all of them will be stale.
    until: Option<Instant>,
}

/// The times at which the last packets of a host through one driver were signed; 0 = never.
#[derive(Debug, Clone, Copy, Default)]
struct LastSigned {
    hi: u64,
    goodbye: u64,
}

impl HostHistory {
    /// A packet goes out through every driver, and may come late through one of them: it is not a
    /// replay of what came through another. But no packet signed before a goodbye counts after
    /// it, nor a goodbye signed before a hi.
    fn accepts(&self, kind: MessageKind, timestamp: u64, reception: Reception) -> bool {
        let last = self.drivers.get(reception.driver_id.index()).copied().unwrap_or_default();
        let (hi, goodbye) = (self.latest(|last| last.hi), self.latest(|last| last.goodbye));
        match kind {
            MessageKind::Hi if reception.is_kept() && timestamp == last.hi => timestamp > goodbye,
            MessageKind::Hi => timestamp > last.hi && timestamp > goodbye,
            MessageKind::Goodbye => {
                timestamp > last.goodbye && timestamp >= goodbye && timestamp >= hi
            }
        }
    }

    fn remember(&mut self, kind: MessageKind, timestamp: u64, driver_id: DriverId) {
        let len = self.drivers.len().max(driver_id.index() + 1);
        self.drivers.reserve_exact(len - self.drivers.len());
        self.drivers.resize(len, LastSigned::default());
        let last = &mut self.drivers[driver_id.index()];
        match kind {
            MessageKind::Hi => last.hi = timestamp,
            MessageKind::Goodbye => last.goodbye = timestamp,
        }
    }

    fn latest(&self, time: impl Fn(&LastSigned) -> u64) -> u64 {
        self.drivers.iter().map(time).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
