//! The pace of large lobbies, in virtual time: fleets that grow, shrink, lose packets, and are
//! joined and left by hosts of lobby 1.x, which tell no TTL.
#![expect(clippy::unwrap_used, reason = "a test ends by panicking")]

mod fleet;
mod lobby;

use std::time::{Duration, Instant};

use lobby_core::liveness::connectivity::{DriverId, DriverSet};
use lobby_core::liveness::pace::Pace;

const SECOND: Duration = Duration::from_secs(1);
const KEEP_ALIVE: Duration = Duration::from_secs(5);
const TTL: Duration = Duration::from_secs(30);

#[expect(clippy::disallowed_methods, reason = "a test begins at any moment")]
fn now() -> Instant {
    Instant::now()
}

/// Numbers from 0 to 1.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// How much more than the rate a lobby may send.
const MARGIN: f64 = 1.2;

/// The only link of a host.
fn link() -> DriverId {
    DriverId::new(0).unwrap()
}

/// The links of a host whose link is up.
fn up() -> DriverSet {
    [link()].into_iter().collect()
}

/// The usual settings with this MAX_PACKET_RATE.
fn usual(max_rate: u32) -> Pace {
    Pace { keep_alive: KEEP_ALIVE, ttl: TTL, max_rate }
}
