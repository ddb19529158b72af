//! Reception: when and through what a packet came in.

use std::time::{Duration, Instant};

use crate::liveness::connectivity::DriverId;
use crate::wire::packet_ttl::PacketTtl;

/// The arrival of a packet.
#[derive(Debug, Clone, Copy)]
pub struct Reception {
    /// The driver it came through.
    pub driver_id: DriverId,
    /// The monotonic time of the arrival.
    pub at: Instant,
    /// The wall clock at the arrival, in milliseconds since the Unix epoch.
    pub unix_millis: u64,
    /// For how long the channel had kept the packet; zero where channels keep nothing.
    pub age: Duration,
    /// For how long the packet says that it is good, if that is to be believed.
    pub ttl: Option<PacketTtl>,
}

impl Reception {
    /// The arrival of a packet that was sent just now.
    pub fn fresh(driver_id: DriverId, at: Instant, unix_millis: u64) -> Self {
        Self { driver_id, at, unix_millis, age: Duration::ZERO, ttl: None }
    }

    /// The same arrival of a packet that the channel had kept for `age`.
    #[must_use]
    pub fn kept_for(self, age: Duration) -> Self {
        Self { age, ..self }
    }

    /// The same arrival of a packet that is good for so long.
    #[must_use]
    pub fn good_for(self, ttl: Option<PacketTtl>) -> Self {
        Self { ttl, ..self }
    }

    /// Whether the channel kept the packet, and so may show the same one again.
    pub fn is_kept(&self) -> bool {
        !self.age.is_zero()
    }

    /// The monotonic time at which the packet was sent, as far as one can tell: that of a sign of
    /// life.
    pub fn sent_at(&self) -> Instant {
        self.at.checked_sub(self.age).unwrap_or(self.at)
    }

    /// The wall clock at [`Self::sent_at`], in whole seconds since the Unix epoch.
    pub fn unix_seconds(&self) -> i64 {
        let seconds = (self.unix_millis / 1000).saturating_sub(self.age.as_secs());
        i64::try_from(seconds).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_kept_packet_counts_from_when_it_was_sent() {
        let driver_id = DriverId::new(0).unwrap();
        let reception = Reception::fresh(driver_id, clock::now(), 100_999);
        assert_eq!((reception.sent_at(), reception.unix_seconds()), (reception.at, 100));
        let kept = reception.kept_for(Duration::from_millis(20_900));
        assert_eq!((kept.sent_at() + kept.age, kept.unix_seconds()), (reception.at, 80));
        assert_eq!((reception.is_kept(), kept.is_kept()), (false, true));
    }
}
