use proptest::prelude::*;

use super::greetings::MOST_GREETINGS;
use super::*;
use crate::clock;

const MILLISECOND: Duration = Duration::from_millis(1);
const KEEP_ALIVE: Duration = Duration::from_secs(5);
const TTL: Duration = Duration::from_secs(30);

fn pace(max_rate: u32) -> Pace {
    Pace { keep_alive: KEEP_ALIVE, ttl: TTL, max_rate }
}

fn driver(index: usize) -> DriverId {
    DriverId::new(index).unwrap()
}

/// The only link is up.
fn nats() -> DriverSet {
    [driver(0)].into_iter().collect()
}

/// A daemon that hears newcomers at these moments, and the moments of its packets within a
/// time. All in milliseconds since its start.
fn packets(newcomers: &[(u64, f64)], hosts: usize, until: u64) -> (Vec<u64>, Vec<u64>) {
    let start = clock::now();
    let mut schedule = HiSchedule::new(pace(0), start);
    let (mut packets, mut greetings) = (Vec::new(), Vec::new());
    for millis in 0..until {
        let now = start + MILLISECOND * millis as u32;
        for (_, random) in newcomers.iter().filter(|(at, _)| *at == millis) {
            schedule.newcomer(hosts, *random, now);
        }
        let is_greeting = now < schedule.regular;
        if schedule.is_due(nats(), 0.0, now) {
            packets.push(millis);
            greetings.extend(is_greeting.then_some(millis));
        }
    }
    (packets, greetings)
}

#[test]
fn without_newcomers_a_packet_is_sent_each_keep_alive() {
    assert_eq!(packets(&[], 60, 16_000).0, [5000, 10_000, 15_000]);
}

#[test]
fn a_newcomer_is_greeted_soon_and_the_next_interval_begins() {
    assert_eq!(packets(&[(1000, 0.5)], 60, 7000).0, [1040, 6040]);
    assert_eq!(packets(&[(1000, 1.0)], 60, 7000).0, [1080, 6080]);
}

#[test]
fn a_greeting_waits_until_the_last_packet_has_some_age() {
    let newcomers = [(1000, 0.0), (1100, 0.0), (6200, 0.0)];
    assert_eq!(packets(&newcomers, 60, 7000).0, [1000, 1150, 6150, 6300]);
    let crowd: Vec<_> = (1000..2000).map(|at| (at, 0.0)).collect();
    assert_eq!(packets(&crowd, 1_000_000, 9000).0, [1000, 3500, 8500]);
}

/// A daemon whose lobby has these sizes from these seconds on: when it sends, and which TTL.
fn sizes(sizes: &[(u32, LobbySize)], until: u32) -> Vec<(u32, u64)> {
    let start = clock::now();
    let (mut schedule, mut packets) = (HiSchedule::new(pace(200), start), Vec::new());
    for second in 0..until {
        let now = start + Duration::from_secs(second.into());
        for (_, size) in sizes.iter().filter(|(at, _)| *at == second) {
            schedule.resize(*size, now);
        }
        if schedule.is_due(nats(), 1.0, now) {
            packets.push((second, schedule.ttl().unwrap().seconds()));
        }
    }
    packets
}

fn of(hosts: usize, without_ttl: usize) -> LobbySize {
    LobbySize { hosts, without_ttl }
}

#[test]
fn a_longer_ttl_is_told_one_packet_before_the_longer_interval() {
    let expected = [(5, 30), (10, 300), (15, 300), (60, 300)];
    assert_eq!(sizes(&[(6, of(10_000, 0))], 100), expected);
}

#[test]
fn a_shorter_interval_begins_one_packet_before_the_shorter_ttl() {
    let expected = [(5, 300), (10, 300), (55, 300), (64, 57), (69, 30), (74, 30)];
    assert_eq!(sizes(&[(0, of(10_000, 0)), (10, of(100, 0))], 75), expected);
}

#[test]
fn in_a_lobby_that_shrinks_the_interval_follows_steadily() {
    // At 55 seconds, 20 after it shrank, two fifths of the way from 50 to 20 are done.
    let packets = sizes(&[(0, of(10_000, 0)), (35, of(4000, 0))], 130);
    let expected = [(5, 300), (10, 300), (55, 300), (90, 228), (108, 120), (126, 120)];
    assert_eq!(packets, expected);
}

#[test]
fn when_an_original_comes_all_send_within_a_keep_alive() {
    let sizes = sizes(&[(0, of(10_000, 0)), (20, of(10_001, 1)), (40, of(10_000, 0))], 120);
    assert_eq!(sizes[..6], [(5, 300), (10, 300), (24, 300), (29, 30), (34, 30), (39, 30)]);
    assert_eq!(sizes[6..], [(44, 300), (49, 300), (94, 300)]);
}

#[test]
fn in_a_large_lobby_nobody_greets_and_intervals_are_jittered() {
    let start = clock::now();
    let mut schedule = HiSchedule::new(pace(200), start);
    schedule.newcomer(1001, 0.0, start);
    assert_eq!(schedule.deadline(), start + KEEP_ALIVE);
    schedule.resize(of(2000, 0), start);
    schedule.sent(nats(), 0.5, start);
    assert_eq!(schedule.deadline(), start + KEEP_ALIVE, "none is told yet");
    let [then, later] = [start + KEEP_ALIVE, start + KEEP_ALIVE * 2];
    schedule.sent(nats(), 1.0, then);
    assert_eq!(schedule.deadline(), then + Duration::from_secs(9), "it is spread");
    schedule.sent(nats(), 1.0, later);
    assert_eq!(schedule.deadline(), later + Duration::from_secs(9));
    schedule.resize(of(1000, 0), later);
    schedule.newcomer(1000, 0.0, later + KEEP_ALIVE);
    assert!(schedule.deadline() < later + KEEP_ALIVE * 2, "it is not large any more");
}

/// The usual settings beside this KEEP_ALIVE.
fn usual(keep_alive: u64) -> Pace {
    let keep_alive = Duration::from_secs(keep_alive);
    Pace { keep_alive, ttl: keep_alive * 6, max_rate: 200 }
}

/// The milliseconds that the wall clock shows at the next regular packet of a host of such a lobby,
/// and how long it waits for it, after the clock was set.
fn next_regular(hosts: usize, keep_alive: u64, unix_millis: u64, random: f64) -> (u64, Duration) {
    let start = clock::now();
    let mut schedule = HiSchedule::new(usual(keep_alive), start);
    schedule.resize(of(hosts, 0), start);
    // Two packets tell the interval, the third one keeps to it.
    let (mut now, mut wall) = (start, 1_795_424_503_123);
    for _ in 0..4 {
        schedule.set_clock(now, wall);
        schedule.sent(nats(), random, now);
        (now, wall) = (now + schedule.interval(), unix_millis);
    }
    schedule.set_clock(now, wall);
    schedule.sent(nats(), random, now);
    let wait = schedule.deadline() - now;
    (wall + u64::try_from(wait.as_millis()).unwrap(), wait)
}

#[test]
fn packets_of_a_large_lobby_are_sent_at_half_seconds() {
    for (hosts, random, expected) in
        [(2000, 0.0, 10_000), (2000, 1.0, 9500), (10_000, 0.5, 47_500), (10_000, 0.52, 47_500)]
    {
        let wait = next_regular(hosts, 5, 1_000_000, random).1;
        assert_eq!(wait, MILLISECOND * expected, "{hosts} {random}");
    }
    // Where a tenth of the interval is less than two of them they would never part.
    for (hosts, keep_alive, random, expected) in
        [(1200, 5, 0.5, 5700), (1998, 5, 1.0, 8991), (1800, 1, 0.1, 8910)]
    {
        let wait = next_regular(hosts, keep_alive, 1_000_000, random).1;
        assert_eq!(wait.as_millis(), expected, "{hosts} {random}");
    }
}

/// A daemon whose lobby has just grown to 10,000 hosts.
fn in_a_grown_lobby() -> (HiSchedule, Instant) {
    let start = clock::now();
    let mut schedule = HiSchedule::new(pace(200), start);
    schedule.sent(nats(), 1.0, start);
    schedule.resize(of(10_000, 0), start + KEEP_ALIVE);
    (schedule, start + KEEP_ALIVE)
}

#[test]
fn changes_that_are_lost_together_lengthen_no_interval() {
    let (mut schedule, now) = in_a_grown_lobby();
    for millis in [0, 50, 100, 4000] {
        schedule.sent(nats(), 1.0, now + MILLISECOND * millis);
        assert_eq!(schedule.ttl(), PacketTtl::from_seconds(300));
        assert_eq!(schedule.interval(), KEEP_ALIVE, "{millis}");
    }
    schedule.sent(nats(), 1.0, now + MILLISECOND * 9000);
    assert_eq!(schedule.interval(), KEEP_ALIVE * 10);
}

#[test]
fn what_no_link_takes_lengthens_nothing() {
    let (mut schedule, now) = in_a_grown_lobby();
    for turn in 0..3 {
        schedule.sent(DriverSet::default(), 1.0, now + KEEP_ALIVE * turn);
        assert_eq!(schedule.interval(), KEEP_ALIVE, "it is down");
    }
    for turn in 3..6 {
        schedule.sent(nats(), 1.0, now + KEEP_ALIVE * turn);
        schedule.lost(driver(0));
        assert_eq!(schedule.interval(), KEEP_ALIVE, "it is slow");
    }
    // It tells the longer TTL when it is up again.
    schedule.opened(driver(0), now + KEEP_ALIVE * 6);
    schedule.sent_through(driver(0), now + KEEP_ALIVE * 6);
    schedule.sent(nats(), 1.0, now + KEEP_ALIVE * 7);
    assert_eq!(schedule.interval(), KEEP_ALIVE * 10);
}

#[test]
fn a_link_that_is_late_is_told_before_intervals_are_long() {
    let (mut schedule, mut now) = in_a_grown_lobby();
    for _ in 0..3 {
        schedule.sent(nats(), 1.0, now);
        now += KEEP_ALIVE;
    }
    let both = [driver(0), driver(1)].into_iter().collect();
    schedule.opened(driver(1), now);
    schedule.sent_through(driver(1), now);
    assert!(schedule.deadline() <= now + KEEP_ALIVE);
    for expected in [10, 10] {
        now += KEEP_ALIVE;
        schedule.sent(both, 1.0, now);
        assert_eq!(schedule.interval(), KEEP_ALIVE * expected);
    }
    let before = schedule.deadline();
    schedule.opened(driver(0), now);
    assert_eq!(schedule.deadline(), before, "those behind it know");
}

/// The packets a second that so many hosts send in a minute in which newcomers come and come.
fn rate_of_greetings(hosts: usize) -> f64 {
    let (start, mut random, mut packets) = (clock::now(), 7_u64, 0);
    let part = |at: usize| (at % 97) as f64 / 97.0;
    let mut schedules: Vec<_> = (0..hosts)
        .map(|host| HiSchedule::new(pace(200), start - KEEP_ALIVE.mul_f64(part(host))))
        .collect();
    for step in 0..600 {
        let now = start + MILLISECOND * 100 * step;
        for schedule in &mut schedules {
            schedule.resize(of(hosts, 0), now);
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let random = (random >> 11) as f64 / (1_u64 << 53) as f64;
            schedule.newcomer(hosts, random, now);
            packets += usize::from(schedule.is_due(nats(), random, now));
        }
    }
    packets as f64 / 60.0
}

#[test]
fn many_newcomers_are_greeted_at_the_rate_of_the_lobby() {
    for hosts in [10, 100, 300, 1000] {
        let (rate, regular) = (rate_of_greetings(hosts), hosts as f64 / 5.0);
        // All of them may greet once more than is paid for.
        let once = hosts as f64 / 60.0;
        assert!(rate <= 200.0 * 1.2 + once, "{hosts}: {rate}");
        assert!(rate > (regular * 2.0).min(200.0), "{hosts}: {rate}");
    }
}

#[test]
fn one_who_is_doubted_is_heard_at_once_and_then_once_a_second() {
    let start = clock::now();
    let (mut schedule, mut packets) = (HiSchedule::new(pace(200), start), Vec::new());
    schedule.resize(of(10_000, 0), start);
    for millis in 0..4000 {
        let now = start + MILLISECOND * millis;
        if (500..2200).contains(&millis) {
            schedule.doubted(now);
        }
        packets.extend(schedule.is_due(nats(), 0.5, now).then_some(millis));
    }
    assert_eq!(packets, [500, 1500, 2500]);
}

#[test]
fn a_fourth_greeting_in_a_keep_alive_is_put_off() {
    let crowd: Vec<_> = (1000..2000).map(|at| (at, 0.0)).collect();
    assert_eq!(packets(&crowd, 10, 7500).0, [1000, 1025, 1050, 6000]);
}

proptest! {
    /// However the wall clock is set, an interval is jittered by a tenth, and ends when it should.
    #[test]
    fn a_beat_keeps_to_the_jittered_interval(
        hosts in 1001..30_000_usize, keep_alive in 1..20_u64, random in 0.0..=1.0_f64,
        unix_millis in prop_oneof![0..10_000_u64, 1_795_424_000_000..1_795_424_010_000_u64],
    ) {
        let pace = usual(keep_alive);
        let interval = pace.interval(of(hosts, 0));
        let (wall, wait) = next_regular(hosts, keep_alive, unix_millis, random);
        prop_assert!(wait <= interval, "{wait:?} {interval:?}");
        prop_assert!(wait >= interval.mul_f64(1.0 - JITTER), "{wait:?} {interval:?}");
        if interval > pace.keep_alive && interval > Duration::from_secs(10) {
            prop_assert_eq!(wall % 500, 0);
        }
    }

    /// So does the first interval that is much longer, of which a random part is left.
    #[test]
    fn an_interval_that_has_just_grown_ends_on_a_beat(
        hosts in 2000..30_000_usize, random in 0.0..=1.0_f64,
        unix_millis in prop_oneof![0..10_000_u64, 1_795_424_000_000..1_795_424_010_000_u64],
    ) {
        let (start, grown) = (clock::now(), of(hosts, 0));
        let mut schedule = HiSchedule::new(pace(200), start);
        schedule.resize(grown, start);
        schedule.set_clock(start, 1_795_424_503_123);
        schedule.sent(nats(), random, start);
        let now = start + KEEP_ALIVE;
        schedule.set_clock(now, unix_millis);
        schedule.sent(nats(), random, now);
        let (wait, interval) = (schedule.deadline() - now, pace(200).interval(grown));
        prop_assert!(!wait.is_zero() && wait <= interval, "{wait:?} {interval:?}");
        prop_assert_eq!((unix_millis + u64::try_from(wait.as_millis()).unwrap()) % 500, 0);
    }

    #[test]
    fn greetings_are_few_and_nobody_is_left_out(
        newcomers in prop::collection::vec((0..20_000_u64, 0.0..=1.0_f64), 0..40),
        hosts in 0..3000_usize,
    ) {
        let keep_alive = KEEP_ALIVE.as_millis() as u64;
        let (packets, greetings) = packets(&newcomers, hosts, 30_000);
        for few in greetings.windows(MOST_GREETINGS + 1) {
            prop_assert!(few[MOST_GREETINGS] - few[0] >= keep_alive, "{greetings:?}");
        }
        let age = (hosts as u64 * 5 / 2).min(keep_alive / 2);
        for pair in packets.windows(2).filter(|pair| greetings.contains(&pair[1])) {
            prop_assert!(pair[1] - pair[0] >= age, "{pair:?}");
        }
        for (at, _) in newcomers {
            let next = packets.iter().find(|packet| **packet >= at).unwrap();
            prop_assert!(*next <= at + keep_alive, "{at} {packets:?}");
        }
        for pair in packets.windows(2) {
            prop_assert!(pair[1] - pair[0] <= keep_alive, "{pair:?}");
        }
    }
}
