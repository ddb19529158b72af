use proptest::prelude::*;

use super::*;
use crate::clock;
use crate::testsuite::fixtures::{driver, name};

const TTL: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);

/// What the wall clock says when a test begins, in milliseconds.
const NOON: u64 = 1_795_424_000_000;

struct Fixture {
    window: ReplayWindow,
    start: Instant,
}

impl Fixture {
    fn new() -> Self {
        Self::for_servers(10)
    }

    fn for_servers(max_servers: usize) -> Self {
        Self { window: ReplayWindow::new(TTL, max_servers), start: clock::now() }
    }

    /// A packet arrives at once, or kept by the channel, in the same second in which it was signed; `time` is in milliseconds after noon.
    fn hear(&mut self, kind: MessageKind, host: &str, time: u64, index: usize, kept: bool) -> Result<(), Refusal> {
        let reception = reception(self.start + Duration::from_millis(time), NOON + time, index, kept);
        self.window.admit(&name(host), kind, NOON + time, reception)
    }

    fn hi(&mut self, time: u64, index: usize) -> Result<(), Refusal> {
        self.hear(MessageKind::Hi, "a", time, index, false)
    }

    fn goodbye(&mut self, time: u64, index: usize) -> Result<(), Refusal> {
        self.hear(MessageKind::Goodbye, "a", time, index, false)
    }
}

fn reception(at: Instant, unix_millis: u64, index: usize, kept: bool) -> Reception {
    let age = if kept { SECOND } else { Duration::ZERO };
    Reception { driver_id: driver(index), at, unix_millis, age }
}

fn replayed() -> Result<(), Refusal> {
    Err(Refusal::Replayed(name("a")))
}

#[test]
fn the_same_packet_is_heard_once_through_each_driver() {
    let mut wire = Fixture::new();
    for index in [0, 1, 2] {
        assert_eq!(wire.hi(5, index), Ok(()));
        assert_eq!(wire.hi(5, index), replayed());
    }
    for index in [2, 0, 1] {
        assert_eq!(wire.goodbye(6, index), Ok(()));
        assert_eq!(wire.goodbye(6, index), replayed());
    }
}

#[test]
fn what_was_said_before_the_goodbye_is_not_heard_after_it_through_any_driver() {
    let mut wire = Fixture::new();
    wire.hi(5, 0).unwrap();
    wire.goodbye(8, 0).unwrap();
    assert_eq!(wire.hi(5, 0), replayed());
    assert_eq!(wire.hi(7, 1), replayed());
    assert_eq!(wire.hi(8, 1), replayed());
    assert_eq!(wire.hi(9, 1), Ok(()));
}

#[test]
fn a_goodbye_that_was_said_before_a_hi_does_not_remove_who_has_come_back() {
    let mut wire = Fixture::new();
    wire.goodbye(5, 0).unwrap();
    wire.hi(6, 0).unwrap();
    assert_eq!(wire.goodbye(5, 1), replayed());
    assert_eq!(wire.goodbye(6, 1), Ok(()));
}

#[test]
fn a_packet_that_a_channel_keeps_may_be_shown_again_but_not_after_a_later_one() {
    let mut wire = Fixture::new();
    let mut kept = |time| wire.hear(MessageKind::Hi, "a", time, 0, true);
    assert_eq!((kept(5), kept(5), kept(6)), (Ok(()), Ok(()), Ok(())));
    assert_eq!(kept(5), replayed());
    wire.goodbye(7, 1).unwrap();
    assert_eq!(wire.hear(MessageKind::Hi, "a", 6, 0, true), replayed());
}

#[test]
fn a_packet_may_be_a_ttl_off_in_either_direction_and_no_more() {
    let mut wire = Fixture::new();
    let (start, now) = (reception(wire.start, NOON, 0, false), NOON);
    let mut hear = |host: &str, timestamp| wire.window.admit(&name(host), MessageKind::Hi, timestamp, start);
    assert_eq!(hear("behind", now - 30_000), Ok(()));
    assert_eq!(hear("ahead", now + 30_000), Ok(()));
    let stale = |host: &str, direction| {
        Err(Refusal::Stale { host: name(host), off_by: Duration::from_millis(30_001), direction })
    };
    assert_eq!(hear("behind", now - 30_001), stale("behind", "behind"));
    assert_eq!(hear("ahead", now + 30_001), stale("ahead", "ahead of"));
    assert!(hear("a", 0).is_err() && hear("a", u64::MAX).is_err());
}

#[test]
fn a_host_is_remembered_until_all_of_its_packets_are_stale() {
    let mut wire = Fixture::new();
    wire.hi(0, 0).unwrap();
    wire.goodbye(1000, 0).unwrap();
    for second in 0..=60 {
        wire.window.forget(wire.start + SECOND * second);
        let later = reception(wire.start + SECOND * second, NOON + 1000 * u64::from(second), 0, false);
        assert!(wire.window.admit(&name("a"), MessageKind::Hi, NOON, later).is_err(), "after {second} s");
    }
    wire.window.forget(wire.start + SECOND * 62);
    assert!(wire.window.hosts.is_empty());
}

#[test]
fn a_clock_that_jumps_ahead_for_a_while_makes_nothing_forgotten() {
    let mut wire = Fixture::new();
    wire.hi(0, 0).unwrap();
    let jumped = reception(wire.start + SECOND, NOON + 3_600_000, 0, false);
    assert!(matches!(wire.window.admit(&name("a"), MessageKind::Hi, NOON, jumped), Err(Refusal::Stale { .. })));
    wire.window.forget(wire.start + SECOND);
    let back = reception(wire.start + SECOND * 2, NOON + 2000, 0, false);
    assert_eq!(wire.window.admit(&name("a"), MessageKind::Hi, NOON, back), replayed());
}

#[test]
fn memory_is_bounded_and_those_it_holds_are_still_heard() {
    let mut wire = Fixture::for_servers(2);
    for host in ["a", "b", "c", "d"] {
        assert_eq!(wire.hear(MessageKind::Hi, host, 5, 0, false), Ok(()));
    }
    assert_eq!(wire.hear(MessageKind::Hi, "e", 5, 0, false), Err(Refusal::RegistryFull(2)));
    assert_eq!(wire.hear(MessageKind::Hi, "d", 6, 0, false), Ok(()));
    wire.window.forget(wire.start + TTL * 3);
    assert_eq!(wire.hear(MessageKind::Hi, "e", 6, 0, false), Ok(()));
}

#[test]
fn what_is_refused_is_not_remembered() {
    let mut wire = Fixture::new();
    let early = reception(wire.start, NOON, 0, false);
    assert!(wire.window.admit(&name("a"), MessageKind::Goodbye, NOON + 40_000, early).is_err());
    assert_eq!(wire.hi(1, 0), Ok(()));
}

proptest! {
    #[test]
    fn nothing_is_heard_twice_nor_after_what_undoes_it_and_the_newest_is_always_heard(
        packets in prop::collection::vec((any::<bool>(), 1_u64..20, 0_usize..3), 1..60)
    ) {
        let mut wire = Fixture::new();
        let mut heard: Vec<(MessageKind, u64, usize)> = Vec::new();
        for (is_hi, time, index) in packets {
            let kind = if is_hi { MessageKind::Hi } else { MessageKind::Goodbye };
            let accepted = wire.hear(kind, "a", time, index, false).is_ok();
            if accepted {
                prop_assert!(!heard.contains(&(kind, time, index)));
                let undone = heard.iter().any(|(other, when, _)| match kind {
                    MessageKind::Hi => *other == MessageKind::Goodbye && *when >= time,
                    MessageKind::Goodbye => *other == MessageKind::Hi && *when > time,
                });
                prop_assert!(!undone);
                heard.push((kind, time, index));
            } else {
                prop_assert!(heard.iter().any(|(_, when, _)| *when >= time), "the newest was refused");
            }
        }
    }
}
