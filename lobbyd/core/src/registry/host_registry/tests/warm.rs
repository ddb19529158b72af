//! When a newcomer is warm in a lobby whose intervals are stretched.

use super::*;
use crate::liveness::pace::Pace;
use crate::testsuite::fixtures;
use crate::wire::envelope::{Message, MessageKind};
use crate::wire::packet_ttl::PacketTtl;

const KEEP_ALIVE: Duration = Duration::from_secs(5);
const MILLISECOND: Duration = Duration::from_millis(1);

/// A newcomer in a lobby of so many hosts that keep to their rate, of which one in 100 lies. Its
/// own MAX_PACKET_RATE is another one.
struct Newcomer {
    registry: HostRegistry,
    start: Instant,
    hosts: usize,
    interval: Duration,
    ttl: PacketTtl,
}

impl Newcomer {
    fn among(hosts: usize, rate: u32, own_rate: u32) -> Self {
        let start = clock::now();
        let sync = InitialSync::new(KEEP_ALIVE, 1, start);
        let registry = HostRegistry::new("me".to_owned(), TTL, 20_000, sync, start);
        let mut registry = registry.stretching_above(own_rate);
        registry.link_opened(driver_id(0), start);
        let pace = Pace { keep_alive: KEEP_ALIVE, ttl: TTL, max_rate: rate };
        let interval = pace.interval(LobbySize { hosts, without_ttl: 0 });
        Self { registry, start, hosts, interval, ttl: pace.ttl_of(interval).unwrap() }
    }

    fn hear(&mut self, number: usize, at: Instant) {
        let ttl = if number % 100 == 7 { PacketTtl::MAX } else { self.ttl };
        let packet = server(&format!("h{number}"), &[]);
        let message = Message::new(MessageKind::Hi, &packet, fixtures::instance(0xa1));
        let payload = message.lasting(Some(ttl)).encode(None);
        self.registry.apply_payload(&payload, received(at)).unwrap();
    }

    /// After how many seconds it is warm, and how many hosts it knows then.
    fn warms(&mut self) -> (u64, usize) {
        let (mut at, mut next) = (self.start, 0);
        while !self.registry.snapshot().is_warm(at) {
            at += MILLISECOND * 100;
            self.registry.tick(at);
            let passed = (at - self.start).div_duration_f64(self.interval).min(1.0);
            while next < (self.hosts as f64 * passed) as usize {
                self.hear(next, at);
                next += 1;
            }
        }
        ((at - self.start).as_secs(), self.registry.size().hosts)
    }
}

#[test]
fn a_newcomer_is_warm_when_it_knows_everybody_whatever_its_rate() {
    for own_rate in [0, 20, 200, 100_000] {
        for (hosts, rate, expected) in [(10_000, 200, 50), (3000, 200, 15), (400, 20, 20)] {
            let warm = Newcomer::among(hosts, rate, own_rate).warms();
            assert_eq!(warm, (expected, hosts), "{own_rate} {rate}");
        }
    }
}

#[test]
fn a_newcomer_of_a_lobby_that_does_not_stretch_is_warm_at_once() {
    for own_rate in [0, 200] {
        assert_eq!(Newcomer::among(1000, 200, own_rate).warms(), (5, 1000), "{own_rate}");
    }
}
