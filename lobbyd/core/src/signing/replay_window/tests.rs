use proptest::prelude::*;

use super::*;
use crate::clock;
use crate::testsuite::fixtures::{self, driver, name};
use crate::wire::packet_ttl::PacketTtl;

const TTL: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);

/// The wall clock when a test begins, in milliseconds.
const NOON: u64 = 1_795_424_000_000;

struct Fixture {
    replay_window: ReplayWindow,
    start: Instant,
}

impl Fixture {
    fn new() -> Self {
        Self::for_servers(10)
    }

    fn for_servers(max_servers: usize) -> Self {
        Self { replay_window: ReplayWindow::new(TTL, max_servers), start: clock::now() }
    }

    /// A packet arrives at once, or kept by the channel, in the same second in which it was signed;
    /// `time` is in milliseconds after noon.
    fn admit(
        &mut self,
        kind: MessageKind,
        host: &str,
        time: u64,
        index: usize,
        kept: bool,
    ) -> Result<(), Refusal> {
        let reception =
            reception(self.start + Duration::from_millis(time), NOON + time, index, kept);
        self.replay_window.admit(&name(host), kind, NOON + time, reception)
    }

    fn hi(&mut self, time: u64, index: usize) -> Result<(), Refusal> {
        self.admit(MessageKind::Hi, "a", time, index, false)
    }

    fn goodbye(&mut self, time: u64, index: usize) -> Result<(), Refusal> {
        self.admit(MessageKind::Goodbye, "a", time, index, false)
    }
}

fn reception(at: Instant, unix_millis: u64, index: usize, kept: bool) -> Reception {
    let age = if kept { SECOND } else { Duration::ZERO };
    Reception { driver_id: driver(index), age, ..fixtures::reception(at, unix_millis) }
}

fn replayed() -> Result<(), Refusal> {
    Err(Refusal::Replayed(name("a")))
}

#[test]
fn the_same_packet_counts_once_through_each_driver() {
    let mut window = Fixture::new();
    for index in [0, 1, 2] {
        assert_eq!(window.hi(5, index), Ok(()));
        assert_eq!(window.hi(5, index), replayed());
    }
    for index in [2, 0, 1] {
        assert_eq!(window.goodbye(6, index), Ok(()));
        assert_eq!(window.goodbye(6, index), replayed());
    }
}

#[test]
fn a_kept_packet_may_be_as_old_as_it_is_good_for_and_no_older() {
    let (mut window, start) = (ReplayWindow::new(TTL, 10), clock::now());
    let mut admit = |host: &str, age: u32, ttl: Option<u64>, kept: bool| {
        let reception = Reception {
            ttl: ttl.and_then(PacketTtl::from_seconds),
            ..reception(start, NOON + 1000 * u64::from(age), 0, kept)
        };
        window.admit(&name(host), MessageKind::Hi, NOON, reception).map_err(|error| error.reason())
    };
    assert_eq!(admit("a", 31, None, true), Err("stale"));
    assert_eq!(admit("a", 31, Some(300), false), Err("stale"), "nothing has kept it");
    assert_eq!(admit("a", 300, Some(300), true), Ok(()));
    assert_eq!(admit("b", 301, Some(300), true), Err("stale"));
    assert_eq!(admit("b", 30, Some(5), true), Ok(()), "clocks may differ by that");
}

#[test]
fn a_packet_of_a_long_ttl_is_remembered_for_as_long() {
    let Fixture { mut replay_window, start } = Fixture::new();
    let ttl = PacketTtl::from_seconds(300);
    let mut admit = |timestamp: u64, second: u32, kept: bool| {
        let (at, now) = (start + SECOND * second, NOON + 1000 * u64::from(second));
        replay_window.forget(at);
        let reception = Reception { ttl, ..reception(at, now, 0, kept) };
        replay_window.admit(&name("a"), MessageKind::Hi, timestamp, reception)
    };
    assert_eq!(admit(NOON, 0, false), Ok(()));
    assert_eq!(admit(NOON - 1, 150, true), replayed());
}

#[test]
fn no_driver_brings_back_what_was_signed_before_a_goodbye() {
    let mut window = Fixture::new();
    window.hi(5, 0).unwrap();
    window.goodbye(8, 0).unwrap();
    assert_eq!(window.hi(5, 0), replayed());
    assert_eq!(window.hi(7, 1), replayed());
    assert_eq!(window.hi(8, 1), replayed());
    assert_eq!(window.hi(9, 1), Ok(()));
}

#[test]
fn a_goodbye_signed_before_a_hi_does_not_count_after_it() {
    let mut window = Fixture::new();
    window.goodbye(5, 0).unwrap();
    window.hi(6, 0).unwrap();
    assert_eq!(window.goodbye(5, 1), replayed());
    assert_eq!(window.goodbye(6, 1), Ok(()));
}

#[test]
fn a_kept_packet_may_come_again_but_not_after_a_later_one() {
    let mut window = Fixture::new();
    let mut kept = |time| window.admit(MessageKind::Hi, "a", time, 0, true);
    assert_eq!((kept(5), kept(5), kept(6)), (Ok(()), Ok(()), Ok(())));
    assert_eq!(kept(5), replayed());
    window.goodbye(7, 1).unwrap();
    assert_eq!(window.admit(MessageKind::Hi, "a", 6, 0, true), replayed());
}

#[test]
fn a_packet_may_be_a_ttl_off_in_either_direction_and_no_more() {
    let mut window = Fixture::new();
    let (start, now) = (reception(window.start, NOON, 0, false), NOON);
    let mut admit = |host: &str, timestamp| {
        window.replay_window.admit(&name(host), MessageKind::Hi, timestamp, start)
    };
    assert_eq!(admit("behind", now - 30_000), Ok(()));
    assert_eq!(admit("ahead", now + 30_000), Ok(()));
    let stale = |host: &str, direction| {
        Err(Refusal::Stale { host: name(host), off_by: Duration::from_millis(30_001), direction })
    };
    assert_eq!(admit("behind", now - 30_001), stale("behind", "behind"));
    assert_eq!(admit("ahead", now + 30_001), stale("ahead", "ahead of"));
    assert!(admit("a", 0).is_err() && admit("a", u64::MAX).is_err());
}

#[test]
fn a_host_is_remembered_until_all_of_its_packets_are_stale() {
    let mut window = Fixture::new();
    window.hi(0, 0).unwrap();
    window.goodbye(1000, 0).unwrap();
    for second in 0..=60 {
        window.replay_window.forget(window.start + SECOND * second);
        let later =
            reception(window.start + SECOND * second, NOON + 1000 * u64::from(second), 0, false);
        assert!(
            window.replay_window.admit(&name("a"), MessageKind::Hi, NOON, later).is_err(),
            "after {second} s"
        );
    }
    window.replay_window.forget(window.start + SECOND * 62);
    assert!(window.replay_window.hosts.is_empty());
}

#[test]
fn a_clock_that_jumps_ahead_for_a_while_makes_nothing_forgotten() {
    let mut window = Fixture::new();
    window.hi(0, 0).unwrap();
    let jumped = reception(window.start + SECOND, NOON + 3_600_000, 0, false);
    assert!(matches!(
        window.replay_window.admit(&name("a"), MessageKind::Hi, NOON, jumped),
        Err(Refusal::Stale { .. })
    ));
    window.replay_window.forget(window.start + SECOND);
    let back = reception(window.start + SECOND * 2, NOON + 2000, 0, false);
    assert_eq!(window.replay_window.admit(&name("a"), MessageKind::Hi, NOON, back), replayed());
}

#[test]
fn memory_is_bounded_and_those_it_holds_are_still_heard() {
    let mut window = Fixture::for_servers(2);
    for host in ["a", "b", "c", "d"] {
        assert_eq!(window.admit(MessageKind::Hi, host, 5, 0, false), Ok(()));
    }
    assert_eq!(window.admit(MessageKind::Hi, "e", 5, 0, false), Err(Refusal::RegistryFull(2)));
    assert_eq!(window.admit(MessageKind::Hi, "d", 6, 0, false), Ok(()));
    window.replay_window.forget(window.start + TTL * 3);
    assert_eq!(window.admit(MessageKind::Hi, "e", 6, 0, false), Ok(()));
}

#[test]
fn what_is_refused_is_not_remembered() {
    let mut window = Fixture::new();
    let early = reception(window.start, NOON, 0, false);
    assert!(
        window.replay_window.admit(&name("a"), MessageKind::Goodbye, NOON + 40_000, early).is_err()
    );
    assert_eq!(window.hi(1, 0), Ok(()));
}

proptest! {
    #[test]
    fn nothing_counts_twice_or_undone_and_the_newest_always_counts(
        packets in prop::collection::vec((any::<bool>(), 1_u64..20, 0_usize..3), 1..60)
    ) {
        let mut window = Fixture::new();
        let mut admitted: Vec<(MessageKind, u64, usize)> = Vec::new();
        for (is_hi, time, index) in packets {
            let kind = if is_hi { MessageKind::Hi } else { MessageKind::Goodbye };
            let accepted = window.admit(kind, "a", time, index, false).is_ok();
            if accepted {
                prop_assert!(!admitted.contains(&(kind, time, index)));
                let undone = admitted.iter().any(|(other, when, _)| match kind {
                    MessageKind::Hi => *other == MessageKind::Goodbye && *when >= time,
                    MessageKind::Goodbye => *other == MessageKind::Hi && *when > time,
                });
                prop_assert!(!undone);
                admitted.push((kind, time, index));
            } else {
                prop_assert!(admitted.iter().any(|(_, when, _)| *when >= time), "the newest was refused");
            }
        }
    }
}
