//! The loopback check: own packets must come back. While they do not, a link is stalled, whatever
//! its client library reports.

use std::time::{Duration, Instant};

use memchr::memmem::Finder;

use crate::wire::instance_id::InstanceId;
use crate::wire::layout;

/// How much longer than two KEEP_ALIVE an own packet may take to come back.
const LOOPBACK_GRACE: Duration = Duration::from_secs(1);

/// The loopback check of one link. A packet that was never sent proves nothing.
#[derive(Debug)]
pub struct LoopbackCheck {
    mark: Finder<'static>,
    keep_alive: Duration,
    /// When the first own packet was sent that has not come back.
    sent: Option<Instant>,
}

impl LoopbackCheck {
    /// A link over which nothing was sent yet. `instance` is what the own packets carry,
    /// `keep_alive` their interval.
    pub fn new(instance: InstanceId, keep_alive: Duration) -> Self {
        let mark =
            Finder::new(layout::instance_mark(&instance.to_string()).as_bytes()).into_owned();
        Self { mark, keep_alive, sent: None }
    }

    /// An own packet is about to be sent. Returns whether it is the only one that has not come
    /// back.
    pub fn sending(&mut self, now: Instant) -> bool {
        let only = self.sent.is_none();
        self.sent.get_or_insert(now);
        only
    }

    /// The only own packet that had not come back was not sent.
    pub fn not_sent(&mut self) {
        self.sent = None;
    }

    /// A packet was received. It is searched only while an own one is due, so that a busy link
    /// costs nothing.
    pub fn listen(&mut self, payload: &[u8]) {
        if self.sent.is_some() && self.mark.find(payload).is_some() {
            self.sent = None;
        }
    }

    /// More packets wait than were read at once, and the own one may be among them: the deadline
    /// moves on.
    pub fn postpone(&mut self, now: Instant) {
        if let Some(sent) = &mut self.sent {
            *sent = now;
        }
    }

    /// When the link counts as stalled if the own packet does not come back; nothing while none is
    /// due.
    pub fn deadline(&self) -> Option<Instant> {
        self.sent.map(|sent| sent + self.keep_alive * 2 + LOOPBACK_GRACE)
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

    fn check() -> LoopbackCheck {
        LoopbackCheck::new(instance(1 << 4), SECOND * 5)
    }

    #[test]
    fn a_link_stalls_two_keep_alives_and_a_second_after_a_packet() {
        let (start, mut check) = (clock::now(), check());
        assert!(check.sending(start));
        assert!(!check.sending(start + SECOND * 5));
        assert_eq!(check.deadline(), Some(start + SECOND * 11));
        check.listen(&hi(1 << 4));
        assert_eq!(check.deadline(), None);
    }

    #[test]
    fn a_packet_that_was_never_sent_proves_nothing() {
        let (start, mut check) = (clock::now(), check());
        assert_eq!(check.deadline(), None);
        check.sending(start);
        check.not_sent();
        assert_eq!(check.deadline(), None);
    }

    #[test]
    fn packets_of_others_even_of_the_same_name_prove_nothing() {
        let (start, mut check) = (clock::now(), check());
        check.sending(start);
        check.listen(&hi(2 << 4));
        assert_eq!(check.deadline(), Some(start + SECOND * 11));
    }

    #[test]
    fn a_link_is_not_stalled_before_all_that_waits_is_read() {
        let (start, mut check) = (clock::now(), check());
        check.sending(start);
        check.postpone(start + SECOND * 10);
        assert_eq!(check.deadline(), Some(start + SECOND * 21));
    }
}
