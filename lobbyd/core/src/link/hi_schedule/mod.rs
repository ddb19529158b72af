//! The schedule of own packets: one in each KEEP_ALIVE, less often in a large lobby, and a greeting
//! soon after a newcomer was heard, so that it does not wait a KEEP_ALIVE to know everybody.

mod beat;
mod greetings;
mod told;

use std::time::{Duration, Instant};

use crate::link::hi_schedule::beat::Beat;
use crate::link::hi_schedule::greetings::Greetings;
use crate::link::hi_schedule::told::Told;
use crate::liveness::connectivity::{DriverId, DriverSet};
use crate::liveness::pace::{LobbySize, Pace};
use crate::wire::packet_ttl::PacketTtl;

/// Age that the last own packet has at least when another one shows that this server is alive.
const PROOF_PAUSE: Duration = Duration::from_secs(1);

/// Part of a stretched interval that is taken away at random, so that hosts that joined at the same
/// time drift apart.
pub const JITTER: f64 = 0.1;

/// When the own packet is sent. Any own packet greets all who were heard before it, and the next
/// regular one counts from it, so nothing is sent more often while nobody comes.
///
/// In a large lobby intervals stretch, and with them the TTL that packets tell. A packet may get
/// lost, and with it those sent close to it: so the longer interval begins only when two packets
/// about KEEP_ALIVE apart have told the longer TTL on every link that is up, and the shorter
/// interval begins one packet before the shorter TTL is told. When a lobby shrinks, the interval
/// follows steadily within one of the former intervals: if it did so at once, hosts that have sent
/// under the new one would meet those that still wait under the former one. An interval that is
/// long enough to leave a choice ends on a beat of the wall clock, so that one wakes up for many
/// packets.
#[derive(Debug)]
pub struct HiSchedule {
    pace: Pace,
    /// None until the wall clock is known.
    beat: Option<Beat>,
    size: LobbySize,
    /// Since when the interval shrinks, and from which one.
    shrinking: Option<(Instant, Duration)>,
    /// The interval that the last packet told by its TTL.
    told: Duration,
    /// The interval after the last packet.
    interval: Duration,
    regular: Instant,
    /// What was told on each link.
    links: [Told; DriverId::MAX],
    greetings: Greetings,
    /// When others must hear that this server is alive; none when nobody doubts it.
    proof: Option<Instant>,
}

impl HiSchedule {
    /// The schedule of a daemon that starts now.
    pub fn new(pace: Pace, now: Instant) -> Self {
        let keep_alive = pace.keep_alive;
        Self {
            pace,
            beat: None,
            size: LobbySize::default(),
            shrinking: None,
            told: keep_alive,
            interval: keep_alive,
            regular: now + keep_alive,
            links: [Told::nothing(keep_alive); DriverId::MAX],
            greetings: Greetings::new(pace),
            proof: None,
        }
    }

    /// The wall clock shows so many milliseconds since the Unix epoch now.
    pub fn set_clock(&mut self, now: Instant, unix_millis: u64) {
        self.beat = Some(Beat::at(now, unix_millis));
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
        self.greetings.newcomer(hosts, random, now);
    }

    /// Others were told of something that makes this server look dead: it is heard again soon, at
    /// most once in a second however often they are told.
    pub fn doubted(&mut self, now: Instant) {
        let allowed = self.greetings.sent_at().map_or(now, |sent| now.max(sent + PROOF_PAUSE));
        self.proof.get_or_insert(allowed);
    }

    /// The own packet is sent for another reason, through these links: all that are up. `random` is
    /// from 0 to 1.
    pub fn sent(&mut self, links: DriverSet, random: f64, now: Instant) {
        let (wanted, former) = (self.wanted(now), self.interval);
        self.told = wanted.max(former);
        links.iter().for_each(|link| self.sent_through(link, now));
        let known = links.iter().map(|link| self.links[link.index()].known()).min();
        self.interval = wanted.min(known.unwrap_or(former));
        self.regular = self.next_regular(former, random.clamp(0.0, 1.0), now);
        self.greetings.sent(self.size.hosts, now);
        self.proof = None;
    }

    /// The own packet is sent through one link only: the next one is due when it was.
    pub fn sent_through(&mut self, link: DriverId, now: Instant) {
        let apart = self.pace.keep_alive.mul_f64(1.0 - JITTER);
        self.links[link.index()].tell(self.told, apart, now);
    }

    /// A link did not take the last packet.
    pub fn lost(&mut self, link: DriverId) {
        self.links[link.index()].lost();
    }

    /// A link came up. If the interval grew in the meantime, those behind it were not told.
    pub fn opened(&mut self, link: DriverId, now: Instant) {
        if self.links[link.index()].known() < self.interval {
            self.hurry(now);
        }
    }

    /// When the next packet is sent after one that is sent now. An interval that has grown at once
    /// has grown for all, who have sent within the short former one: they spread over the long one.
    fn next_regular(&self, former: Duration, random: f64, now: Instant) -> Instant {
        let (shortest, part) = match self.interval {
            interval if interval >= former * 2 => (0.0, part_left(random)),
            interval if interval > self.pace.keep_alive => (1.0 - JITTER, 1.0 - JITTER * random),
            interval => return now + interval,
        };
        let [earliest, due, latest] =
            [shortest, part, 1.0].map(|part| now + self.interval.mul_f64(part));
        self.beat.and_then(|beat| beat.nearest(due, earliest, latest)).unwrap_or(due)
    }

    /// When the own packet is to be sent next.
    pub fn deadline(&self) -> Instant {
        let sooner = [self.greetings.due(), self.proof].into_iter().flatten();
        sooner.fold(self.regular, Instant::min)
    }

    /// Whether the own packet is sent now, through these links. `random` is from 0 to 1.
    pub fn is_due(&mut self, links: DriverSet, random: f64, now: Instant) -> bool {
        let is_due = now >= self.deadline();
        if is_due {
            self.sent(links, random, now);
        }
        is_due
    }
}

/// The part of a jittered interval that is left at a random moment. Where all hosts wait for what
/// is left, they send at once at the rate that they keep: as if the interval had long been the
/// same.
fn part_left(random: f64) -> f64 {
    let (shortest, mean) = (1.0 - JITTER, 1.0 - JITTER / 2.0);
    match random * mean {
        left if left <= shortest => left,
        // Only the longer an interval is the likelier so much of it is left.
        beyond => 1.0 - (2.0 * JITTER * (beyond - shortest)).sqrt(),
    }
}

#[cfg(test)]
mod tests;
