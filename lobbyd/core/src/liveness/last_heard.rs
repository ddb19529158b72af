//! When a host was last heard, and through which drivers of late.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::liveness::connectivity::{Connectivity, DriverId, DriverSet};

/// So many units of coarse times make a TTL.
const UNITS: u64 = 16;

/// The last sign of life of a host. The registry alone writes it, in place; readers see the drivers
/// and the time together.
#[derive(Debug, Default)]
pub(crate) struct LastHeard {
    /// The listening time of the drivers when the host was last heard, in milliseconds, and the
    /// set of these drivers in the lowest [`DriverId::MAX`] bits: those it was heard through
    /// in the TTL before. That another one is up says nothing about the host.
    heard: AtomicU64,
    /// For each driver of the set how long before `at` the host was last heard through it, in
    /// coarse units. For the registry only.
    lags: AtomicU64,
    /// The running time when the host last sent something, in milliseconds. For the registry only.
    at: AtomicU64,
}

impl LastHeard {
    /// The drivers that the host was heard through of late, and their listening time then, in
    /// milliseconds.
    pub(crate) fn get(&self) -> (DriverSet, u64) {
        let heard = self.heard.load(Ordering::Relaxed);
        (DriverSet::from_bits((heard & 0xff) as u8), heard >> DriverId::MAX)
    }

    /// The drivers that the host was heard through of late.
    pub(crate) fn drivers(&self) -> DriverSet {
        self.get().0
    }

    /// The host was heard through a driver. All times are in milliseconds; `now` is running time,
    /// `age`, less than `ttl`, is how old the sign of life was then.
    pub(crate) fn renew(
        &self,
        driver_id: DriverId,
        now: u64,
        age: u64,
        ttl: u64,
        connectivity: &Connectivity,
    ) {
        let (before, heard) = self.get();
        let drivers = self.renew_drivers(before, driver_id, now - age, ttl);
        let listened = connectivity.listened(drivers, now);
        let heard = if drivers == before {
            // Old news of a host that was heard since changes nothing.
            heard.max(listened.saturating_sub(age))
        } else {
            // From now on other links decide, whose clock is another. On it the host has at least
            // the time that it had before: whatever is heard never makes a host expire sooner.
            let silent = match connectivity.deadline(before, heard, ttl) {
                _ if before.is_empty() => age,
                Some(deadline) => age.min(ttl.saturating_sub(deadline.saturating_sub(now))),
                None => 0,
            };
            listened.saturating_sub(silent)
        };
        self.heard.store(heard << DriverId::MAX | u64::from(drivers.bits()), Ordering::Relaxed);
    }

    /// Whether something was heard through other drivers that the host sent more than `margin`
    /// milliseconds after this moment of running time.
    pub(crate) fn is_newer_elsewhere(
        &self,
        driver_id: DriverId,
        sent_at: u64,
        margin: u64,
    ) -> bool {
        let mut only = DriverSet::default();
        only.insert(driver_id);
        self.drivers() != only && self.at.load(Ordering::Relaxed) > sent_at.saturating_add(margin)
    }

    /// The drivers that the host was heard through in the TTL before it was last heard, which may
    /// be now.
    fn renew_drivers(
        &self,
        before: DriverSet,
        driver_id: DriverId,
        sent_at: u64,
        ttl: u64,
    ) -> DriverSet {
        let unit = ttl.div_ceil(UNITS).max(1);
        let at = self.at.fetch_max(sent_at, Ordering::Relaxed);
        let (at, sent_at, latest) = (at / unit, sent_at / unit, at.max(sent_at) / unit);
        let mut drivers = DriverSet::default();
        drivers.insert(driver_id);
        if before.is_empty() || before == drivers {
            self.lags.store(0, Ordering::Relaxed);
            return drivers;
        }
        let mut lags = self.lags.load(Ordering::Relaxed).to_le_bytes();
        for (index, lag) in lags.iter_mut().enumerate() {
            let Some(other) = DriverId::new(index).filter(|other| before.contains(*other)) else {
                continue;
            };
            let since = u64::from(*lag) + (latest - at);
            *lag = u8::try_from(since).unwrap_or(u8::MAX);
            if since <= UNITS {
                drivers.insert(other);
            }
        }
        let lag = u8::try_from(latest - sent_at).unwrap_or(u8::MAX);
        let own = &mut lags[driver_id.index()];
        *own = if before.contains(driver_id) { lag.min(*own) } else { lag };
        self.lags.store(u64::from_le_bytes(lags), Ordering::Relaxed);
        drivers
    }
}

impl Clone for LastHeard {
    fn clone(&self) -> Self {
        Self {
            heard: AtomicU64::new(self.heard.load(Ordering::Relaxed)),
            lags: AtomicU64::new(self.lags.load(Ordering::Relaxed)),
            at: AtomicU64::new(self.at.load(Ordering::Relaxed)),
        }
    }
}
