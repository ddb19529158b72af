//! The last sign of life of a host, and the drivers that it came through of late.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::liveness::connectivity::{Connectivity, DriverId, DriverSet};
use crate::wire::packet_ttl::PacketTtl;

/// So many units of coarse times make a TTL.
const UNITS: u64 = 16;

/// Bits of a TTL that a packet tells.
const TTL_BITS: usize = 12;

/// The last sign of life of a host. The registry alone writes it, in place; readers see the drivers
/// and the time together.
#[derive(Debug, Default)]
pub(crate) struct LastHeard {
    /// In the lowest [`DriverId::MAX`] bits the set of drivers that the host was heard through in
    /// the TTL before it was last heard: that another one is up says nothing about the host. In
    /// the next [`TTL_BITS`] the TTL that it told last. Above them the listening time of these
    /// drivers when the host was last heard, in milliseconds.
    heard: AtomicU64,
    /// For each driver of the set how long before `at` the host was last heard through it, in
    /// coarse units of its TTL. For the registry only.
    lags: AtomicU64,
    /// The running time when the host last sent something, in milliseconds. For the registry only.
    at: AtomicU64,
}

/// What is known of the last sign of life of a host.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LastSign {
    /// The drivers that the host was heard through of late.
    pub(crate) drivers: DriverSet,
    /// The TTL that it told last; none where it tells none.
    pub(crate) ttl: Option<PacketTtl>,
    /// The listening time of the drivers then, in milliseconds.
    pub(crate) listened: u64,
}

impl LastSign {
    fn of(bits: u64) -> Self {
        Self {
            drivers: DriverSet::from_bits((bits & 0xff) as u8),
            ttl: PacketTtl::from_bits(bits >> DriverId::MAX & ((1 << TTL_BITS) - 1)),
            listened: bits >> (DriverId::MAX + TTL_BITS),
        }
    }

    fn bits(self) -> u64 {
        let ttl = PacketTtl::to_bits(self.ttl) << DriverId::MAX;
        self.listened << (DriverId::MAX + TTL_BITS) | ttl | u64::from(self.drivers.bits())
    }

    /// The TTL in milliseconds, where the receiver's is `own`.
    pub(crate) fn ttl_or(self, own: u64) -> u64 {
        self.ttl.map_or(own, |ttl| ttl.seconds() * 1000)
    }
}

/// A sign of life. All times are in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sign {
    /// The driver that it came through.
    pub(crate) driver_id: DriverId,
    /// The running time.
    pub(crate) now: u64,
    /// How old it was then, less than its TTL.
    pub(crate) age: u64,
    /// The TTL that it tells.
    pub(crate) ttl: Option<PacketTtl>,
}

impl LastHeard {
    /// What is known of the last sign of life.
    pub(crate) fn get(&self) -> LastSign {
        LastSign::of(self.heard.load(Ordering::Relaxed))
    }

    /// The drivers that the host was heard through of late.
    pub(crate) fn drivers(&self) -> DriverSet {
        self.get().drivers
    }

    /// The running time when the host last sent something, in milliseconds.
    pub(crate) fn sent_at(&self) -> u64 {
        self.at.load(Ordering::Relaxed)
    }

    /// The host was heard. `own_ttl` is the TTL of a host that tells none, in milliseconds.
    pub(crate) fn renew(&self, sign: Sign, own_ttl: u64, connectivity: &Connectivity) {
        let Sign { driver_id, now, age, .. } = sign;
        let former = self.get();
        let LastSign { drivers: before, listened: heard, .. } = former;
        let is_old = !before.is_empty() && now - age < self.at.load(Ordering::Relaxed);
        // What was sent before tells nothing of the TTL that holds now.
        let told = LastSign { ttl: if is_old { former.ttl } else { sign.ttl }, ..former };
        let (former_ttl, ttl) = (former.ttl_or(own_ttl), told.ttl_or(own_ttl));
        self.scale_lags(former_ttl, ttl);
        let drivers = self.renew_drivers(before, driver_id, now - age, ttl);
        let listened = connectivity.listened(drivers, now);
        let heard = if drivers == before {
            // Old news of a host that was heard since changes nothing.
            heard.max(listened.saturating_sub(age))
        } else {
            // From now on other links decide, whose clock is another. On it the host has at least
            // the time that it had before: but for another TTL, whatever is heard never makes a
            // host expire sooner.
            let silent = match connectivity.deadline(before, heard, former_ttl) {
                _ if before.is_empty() => age,
                Some(deadline) => age.min(ttl.saturating_sub(deadline.saturating_sub(now))),
                None => 0,
            };
            listened.saturating_sub(silent)
        };
        let heard = LastSign { drivers, listened: heard, ..told };
        self.heard.store(heard.bits(), Ordering::Relaxed);
    }

    /// Whether something was heard through other drivers that the host sent more than `margin`
    /// milliseconds after this moment of running time.
    pub(crate) fn is_newer_elsewhere(
        &self,
        driver_id: DriverId,
        sent_at: u64,
        margin: u64,
    ) -> bool {
        self.drivers() != DriverSet::only(driver_id)
            && self.at.load(Ordering::Relaxed) > sent_at.saturating_add(margin)
    }

    /// Another TTL makes other units.
    fn scale_lags(&self, former_ttl: u64, ttl: u64) {
        if former_ttl != ttl {
            let lags = self.lags.load(Ordering::Relaxed).to_le_bytes().map(|lag| {
                let scaled = u64::from(lag) * unit_of(former_ttl) / unit_of(ttl);
                u8::try_from(scaled).unwrap_or(u8::MAX)
            });
            self.lags.store(u64::from_le_bytes(lags), Ordering::Relaxed);
        }
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
        let unit = unit_of(ttl);
        let at = self.at.fetch_max(sent_at, Ordering::Relaxed);
        let (at, sent_at, latest) = (at / unit, sent_at / unit, at.max(sent_at) / unit);
        let mut drivers = DriverSet::only(driver_id);
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

fn unit_of(ttl: u64) -> u64 {
    ttl.div_ceil(UNITS).max(1)
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
