//! The schedule of own packets: one in each KEEP_ALIVE, less often in a large lobby, and a greeting
//! soon after a newcomer was heard, so that it does not wait a KEEP_ALIVE to know everybody.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::liveness::pace::{LobbySize, Pace};
use crate::wire::packet_ttl::PacketTtl;

/// Longest delay of a greeting: this much, and more for each host. A lobby answers a newcomer with
/// so many packets a second at most, however large it is.
const BASE_DELAY: Duration = Duration::from_millis(20);
const DELAY_PER_HOST: Duration = Duration::from_millis(1);

/// Age that the last own packet has at least when a host greets, for each host: of many newcomers
/// one after another, several are greeted by one packet.
const AGE_PER_HOST: Duration = Duration::from_micros(2500);

/// Age that the last own packet has at least when another one shows that this server is alive.
const PROOF_PAUSE: Duration = Duration::from_secs(1);

/// Most greetings in a KEEP_ALIVE.
const MOST_GREETINGS: usize = 3;

/// Part of a stretched interval that is taken away at random, so that no two hosts keep in step.
const JITTER: f64 = 0.1;

/// When the own packet is sent. Any own packet greets all who were heard before it, and the next
/// regular one counts from it, so nothing is sent more often while nobody comes.
///
/// In a large lobby intervals stretch, and with them the TTL that packets tell. A packet may get
/// lost, so the longer TTL is told one packet before the longer interval, and the shorter interval
/// begins one packet before the shorter TTL is told. When a lobby shrinks, the interval follows
/// steadily within one of the former intervals: if it did so at once, hosts that have sent under
/// the new one would meet those that still wait under the former one.
#[derive(Debug)]
pub struct HiSchedule {
    pace: Pace,
    size: LobbySize,
    /// Since when the interval shrinks, and from which one.
    shrinking: Option<(Instant, Duration)>,
    /// The interval that the last packet told by its TTL.
    told: Duration,
    /// The interval after the last packet.
    interval: Duration,
    regular: Instant,
    sent: Option<Instant>,
    /// When a greeting is due; none when nobody waits for it.
    greeting: Option<Instant>,
    /// When others must hear that this server is alive; none when nobody doubts it.
    proof: Option<Instant>,
    /// The last greetings, the oldest first.
    greetings: VecDeque<Instant>,
}

impl HiSchedule {
    /// The schedule of a daemon that starts now.
    pub fn new(pace: Pace, now: Instant) -> Self {
        let (told, interval, regular) = (pace.keep_alive, pace.keep_alive, now + pace.keep_alive);
        let (size, greetings) = (LobbySize::default(), VecDeque::new());
        Self {
            pace,
            size,
            shrinking: None,
            told,
            interval,
            regular,
            sent: None,
            greeting: None,
            proof: None,
            greetings,
        }
    }

    /// The lobby has this size now. When a host comes that tells no TTL, all are back at KEEP_ALIVE
    /// within one KEEP_ALIVE, each in its turn. Otherwise the next packet goes by it.
    pub fn resize(&mut self, size: LobbySize, now: Instant) {
        let former = self.wanted(now);
        let must_hurry = self.size.without_ttl == 0 && size.without_ttl > 0;
        let is_smaller = self.pace.interval(size) < self.pace.interval(self.size);
        self.size = size;
        if size.without_ttl > 0 {
            self.shrinking = None;
        } else if is_smaller {
            self.shrinking = Some((now, former));
        }
        if must_hurry {
            self.hurry(now);
        }
    }

    /// Brings the next packet forward into the next KEEP_ALIVE. Those of all hosts keep their
    /// order.
    fn hurry(&mut self, now: Instant) {
        let keep_alive = self.pace.keep_alive;
        if self.interval > keep_alive {
            let left = self.regular.saturating_duration_since(now).div_duration_f64(self.interval);
            self.regular = self.regular.min(now + keep_alive.mul_f64(left.min(1.0)));
        }
    }

    /// The interval that the size of the lobby asks for.
    fn wanted(&self, now: Instant) -> Duration {
        let wanted = self.pace.interval(self.size);
        let Some((since, former)) = self.shrinking.filter(|(_, former)| *former > wanted) else {
            return wanted;
        };
        let passed = now.saturating_duration_since(since).div_duration_f64(former).min(1.0);
        former - (former - wanted).mul_f64(passed)
    }

    /// The interval after the last packet.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// The TTL that the last packet told; none if TTL is longer than a packet can tell.
    pub fn ttl(&self) -> Option<PacketTtl> {
        self.pace.ttl_of(self.told)
    }

    /// A hi of an unknown host was heard, or of an instance not seen before. `hosts` is the number
    /// of all hosts, `random` from 0 to 1 spreads the greetings of all of them.
    pub fn newcomer(&mut self, hosts: usize, random: f64, now: Instant) {
        if self.greeting.is_some() || self.pace.is_large(hosts) {
            return;
        }
        let (hosts, keep_alive) = (u32::try_from(hosts).unwrap_or(u32::MAX), self.pace.keep_alive);
        let spread = (BASE_DELAY + DELAY_PER_HOST.saturating_mul(hosts)).min(keep_alive);
        let age = AGE_PER_HOST.saturating_mul(hosts).min(keep_alive / 2);
        let delayed = now + spread.mul_f64(random.clamp(0.0, 1.0));
        let aged = self.sent.map_or(delayed, |sent| sent + age);
        let allowed = match self.greetings.front() {
            Some(oldest) if self.greetings.len() == MOST_GREETINGS => *oldest + keep_alive,
            _ => delayed,
        };
        self.greeting = Some(delayed.max(aged).max(allowed));
    }

    /// Others were told of something that makes this server look dead: it is heard again soon, at
    /// most once in [`PROOF_PAUSE`] however often they are told.
    pub fn doubted(&mut self, now: Instant) {
        let allowed = self.sent.map_or(now, |sent| now.max(sent + PROOF_PAUSE));
        self.proof.get_or_insert(allowed);
    }

    /// The own packet is sent for another reason, through all links. `random` is from 0 to 1.
    pub fn sent(&mut self, random: f64, now: Instant) {
        let (wanted, former) = (self.wanted(now), self.interval);
        self.interval = wanted.min(self.told);
        self.told = wanted.max(former);
        self.regular = now + self.interval.mul_f64(self.part(former, random.clamp(0.0, 1.0)));
        (self.sent, self.greeting, self.proof) = (Some(now), None, None);
    }

    /// The part of the interval after which the next packet is sent. One that has grown at once has
    /// grown for all, who have sent within the short former one: they spread over the long one.
    fn part(&self, former: Duration, random: f64) -> f64 {
        match self.interval {
            interval if interval >= former * 2 => (1.0 - JITTER) * random,
            interval if interval > self.pace.keep_alive => 1.0 - JITTER * random,
            _ => 1.0,
        }
    }

    /// When the own packet is to be sent next.
    pub fn deadline(&self) -> Instant {
        [self.greeting, self.proof].into_iter().flatten().fold(self.regular, Instant::min)
    }

    /// Whether the own packet is sent now. `random` is from 0 to 1.
    pub fn is_due(&mut self, random: f64, now: Instant) -> bool {
        if now < self.deadline() {
            return false;
        }
        if self.greeting.is_some_and(|greeting| greeting <= now) {
            self.greetings.push_back(now);
            if self.greetings.len() > MOST_GREETINGS {
                self.greetings.pop_front();
            }
        }
        self.sent(random, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock;

    const MILLISECOND: Duration = Duration::from_millis(1);
    const KEEP_ALIVE: Duration = Duration::from_secs(5);
    const TTL: Duration = Duration::from_secs(30);

    fn pace(max_rate: u32) -> Pace {
        Pace { keep_alive: KEEP_ALIVE, ttl: TTL, max_rate }
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
            if schedule.is_due(0.0, now) {
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
    fn a_newcomer_is_greeted_soon_and_the_next_packet_counts_from_there() {
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
            if schedule.is_due(1.0, now) {
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
        schedule.sent(0.5, start);
        assert_eq!(schedule.deadline(), start + KEEP_ALIVE, "none is told yet");
        schedule.sent(1.0, start);
        assert_eq!(schedule.deadline(), start + Duration::from_secs(9), "it is spread");
        schedule.sent(1.0, start);
        assert_eq!(schedule.deadline(), start + Duration::from_secs(9));
        schedule.newcomer(1000, 0.0, start);
        assert!(schedule.deadline() < start + KEEP_ALIVE, "it is not large any more");
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
            packets.extend(schedule.is_due(0.5, now).then_some(millis));
        }
        assert_eq!(packets, [500, 1500, 2500]);
    }

    #[test]
    fn a_fourth_greeting_in_a_keep_alive_is_put_off() {
        let crowd: Vec<_> = (1000..2000).map(|at| (at, 0.0)).collect();
        assert_eq!(packets(&crowd, 10, 7500).0, [1000, 1025, 1050, 6000]);
    }

    proptest! {
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
}
