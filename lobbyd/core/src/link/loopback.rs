//! The loopback check: own packets must come back. While they do not, a link is stalled, whatever its client library reports.

use std::time::{Duration, Instant};

use memchr::memmem::Finder;

use crate::wire::instance_id::InstanceId;
use crate::wire::layout;

/// How much longer than two KEEP_ALIVE the own packet may take to come back.
const GRACE: Duration = Duration::from_secs(1);

/// The loopback check of one link.
#[derive(Debug)]
pub struct LoopbackCheck {
    mark: Finder<'static>,
    keep_alive: Duration,
    received: Instant,
}

impl LoopbackCheck {
    /// A link that came up `now`. `instance` is what the own packets carry, `keep_alive` their interval.
    pub fn new(instance: InstanceId, keep_alive: Duration, now: Instant) -> Self {
        let mark = Finder::new(layout::instance_mark(&instance.to_string()).as_bytes()).into_owned();
        Self { mark, keep_alive, received: now }
    }

    /// A packet was received. It is searched only when the own one is due, so that a busy link costs nothing.
    pub fn listen(&mut self, payload: &[u8], now: Instant) {
        let due = now.saturating_duration_since(self.received) >= self.keep_alive / 2;
        if due && self.mark.find(payload).is_some() {
            self.received = now;
        }
    }

    /// More packets wait than were read at once, and the own one may be among them: the deadline moves on.
    pub fn postpone(&mut self, now: Instant) {
        self.received = now;
    }

    /// When the link counts as stalled if the own packet does not come.
    pub fn deadline(&self) -> Instant {
        self.received + self.keep_alive * 2 + GRACE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::testsuite::fixtures::{self, instance, packet};

    const SECOND: Duration = Duration::from_secs(1);

    fn hi(number: u64) -> Vec<u8> {
        fixtures::hi(&packet("me", &[]), instance(number))
    }

    #[test]
    fn a_link_stalls_two_keep_alives_and_a_second_after_a_packet() {
        let start = clock::now();
        let mut check = LoopbackCheck::new(instance(1 << 4), SECOND * 5, start);
        assert_eq!(check.deadline(), start + SECOND * 11);
        check.listen(&hi(1 << 4), start + SECOND * 5);
        assert_eq!(check.deadline(), start + SECOND * 16);
    }

    #[test]
    fn packets_of_others_even_of_the_same_name_prove_nothing() {
        let start = clock::now();
        let mut check = LoopbackCheck::new(instance(1 << 4), SECOND * 5, start);
        check.listen(&hi(2 << 4), start + SECOND * 9);
        assert_eq!(check.deadline(), start + SECOND * 11);
    }

    #[test]
    fn a_link_is_not_stalled_before_all_that_waits_is_read() {
        let start = clock::now();
        let mut check = LoopbackCheck::new(instance(1 << 4), SECOND * 5, start);
        check.postpone(start + SECOND * 10);
        assert_eq!(check.deadline(), start + SECOND * 21);
    }
}
