//! The schedule of own packets: one in each KEEP_ALIVE, and a greeting soon after a newcomer was
//! heard, so that it does not wait a KEEP_ALIVE to know everybody.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Longest delay of a greeting: this much, and more for each host. A lobby answers a newcomer with
/// so many packets a second at most, however large it is.
const BASE_DELAY: Duration = Duration::from_millis(20);
const DELAY_PER_HOST: Duration = Duration::from_millis(1);

/// Age that the last own packet has at least when a host greets, for each host: of many newcomers
/// one after another, several are greeted by one packet.
const AGE_PER_HOST: Duration = Duration::from_micros(2500);

/// Most greetings in a KEEP_ALIVE.
const MOST_GREETINGS: usize = 3;

/// When the own packet is sent. Any own packet greets all who were heard before it, and the next
/// regular one counts from it, so nothing is sent more often while nobody comes.
#[derive(Debug)]
pub struct HiSchedule {
    keep_alive: Duration,
    regular: Instant,
    sent: Option<Instant>,
    /// When a greeting is due; none when nobody waits for it.
    greeting: Option<Instant>,
    /// The last greetings, the oldest first.
    greetings: VecDeque<Instant>,
}

impl HiSchedule {
    /// The schedule of a daemon that starts now.
    pub fn new(keep_alive: Duration, now: Instant) -> Self {
        let regular = now + keep_alive;
        Self { keep_alive, regular, sent: None, greeting: None, greetings: VecDeque::new() }
    }

    /// A hi of an unknown host was heard, or of an instance not seen before. `hosts` is the number
    /// of all hosts, `random` from 0 to 1 spreads the greetings of all of them.
    pub fn newcomer(&mut self, hosts: usize, random: f64, now: Instant) {
        if self.greeting.is_some() {
            return;
        }
        let hosts = u32::try_from(hosts).unwrap_or(u32::MAX);
        let spread = (BASE_DELAY + DELAY_PER_HOST.saturating_mul(hosts)).min(self.keep_alive);
        let age = AGE_PER_HOST.saturating_mul(hosts).min(self.keep_alive / 2);
        let delayed = now + spread.mul_f64(random.clamp(0.0, 1.0));
        let aged = self.sent.map_or(delayed, |sent| sent + age);
        let allowed = match self.greetings.front() {
            Some(oldest) if self.greetings.len() == MOST_GREETINGS => *oldest + self.keep_alive,
            _ => delayed,
        };
        self.greeting = Some(delayed.max(aged).max(allowed));
    }

    /// The own packet was sent for another reason, through all links.
    pub fn sent(&mut self, now: Instant) {
        (self.sent, self.greeting, self.regular) = (Some(now), None, now + self.keep_alive);
    }

    /// When the own packet is to be sent next.
    pub fn deadline(&self) -> Instant {
        self.greeting.map_or(self.regular, |greeting| greeting.min(self.regular))
    }

    /// Whether the own packet is sent now.
    pub fn is_due(&mut self, now: Instant) -> bool {
        if now < self.deadline() {
            return false;
        }
        if self.greeting.is_some_and(|greeting| greeting <= now) {
            self.greetings.push_back(now);
            if self.greetings.len() > MOST_GREETINGS {
                self.greetings.pop_front();
            }
        }
        self.sent(now);
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

    /// A daemon that hears newcomers at these moments, and the moments of its packets within a
    /// time. All in milliseconds since its start.
    fn packets(newcomers: &[(u64, f64)], hosts: usize, until: u64) -> (Vec<u64>, Vec<u64>) {
        let start = clock::now();
        let mut schedule = HiSchedule::new(KEEP_ALIVE, start);
        let (mut packets, mut greetings) = (Vec::new(), Vec::new());
        for millis in 0..until {
            let now = start + MILLISECOND * millis as u32;
            for (_, random) in newcomers.iter().filter(|(at, _)| *at == millis) {
                schedule.newcomer(hosts, *random, now);
            }
            let is_greeting = now < schedule.regular;
            if schedule.is_due(now) {
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
