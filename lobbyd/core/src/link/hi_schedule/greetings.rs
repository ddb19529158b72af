//! Greetings of newcomers: soon, few, and within the rate of the lobby.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::liveness::pace::Pace;

/// Longest delay of a greeting: this much, and more for each host. A lobby answers a newcomer with
/// so many packets a second at most, however large it is.
const BASE_DELAY: Duration = Duration::from_millis(20);
const DELAY_PER_HOST: Duration = Duration::from_millis(1);

/// Age that the last own packet has at least when a host greets, for each host: of many newcomers
/// one after another, several are greeted by one packet.
const AGE_PER_HOST: Duration = Duration::from_micros(2500);

/// Most greetings in a KEEP_ALIVE.
pub(super) const MOST_GREETINGS: usize = 3;

/// The greetings of a host.
///
/// One newcomer is answered by everybody soon. Where they come and come, all packets of the lobby
/// together are kept near MAX_PACKET_RATE: each own packet is paid for with the time in which all
/// hosts may send one, and a greeting waits until the ones before it are nearly paid.
#[derive(Debug)]
pub(super) struct Greetings {
    pace: Pace,
    /// When one is due; none when nobody waits for it.
    due: Option<Instant>,
    /// The last ones, the oldest first.
    last: VecDeque<Instant>,
    /// When the last own packet was sent.
    sent: Option<Instant>,
    /// Until when own packets are paid for.
    paid_until: Option<Instant>,
}

impl Greetings {
    /// Nobody was greeted yet.
    pub(super) fn new(pace: Pace) -> Self {
        Self { pace, due: None, last: VecDeque::new(), sent: None, paid_until: None }
    }

    /// When a greeting is due; none when nobody waits for it.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// When the last own packet was sent.
    pub(super) fn sent_at(&self) -> Option<Instant> {
        self.sent
    }

    /// A newcomer was heard in a lobby of so many hosts. `random` is from 0 to 1.
    pub(super) fn newcomer(&mut self, hosts: usize, random: f64, now: Instant) {
        if self.due.is_some() || self.pace.is_large(hosts) {
            return;
        }
        let paid =
            self.paid_until.and_then(|until| until.checked_sub(self.pace.fair_pause(hosts) / 2));
        let keep_alive = self.pace.keep_alive;
        let count = u32::try_from(hosts).unwrap_or(u32::MAX);
        let spread = (BASE_DELAY + DELAY_PER_HOST.saturating_mul(count)).min(keep_alive);
        let age = AGE_PER_HOST.saturating_mul(count).min(keep_alive / 2);
        let delayed = now + spread.mul_f64(random.clamp(0.0, 1.0));
        let aged = self.sent.map(|sent| sent + age);
        let few = self.last.front().filter(|_| self.last.len() == MOST_GREETINGS);
        let few = few.map(|oldest| *oldest + keep_alive);
        self.due = [Some(delayed), aged, few, paid].into_iter().flatten().max();
    }

    /// The own packet is sent now in a lobby of so many hosts: it greets all who were heard.
    pub(super) fn sent(&mut self, hosts: usize, now: Instant) {
        if self.due.take().is_some_and(|due| due <= now) {
            self.last.push_back(now);
            if self.last.len() > MOST_GREETINGS {
                self.last.pop_front();
            }
        }
        let paid = self.paid_until.map_or(now, |until| until.max(now));
        let paid = paid + self.pace.fair_pause(hosts);
        (self.sent, self.paid_until) = (Some(now), Some(paid.min(now + self.pace.keep_alive * 2)));
    }
}
