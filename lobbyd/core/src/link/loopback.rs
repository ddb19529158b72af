//! Whether a link hears anything at all. Everybody hears its own packets back: while they do not come, a link is deaf, whatever its
//! client library believes.

use std::time::{Duration, Instant};

use memchr::memmem::Finder;

use crate::wire::envelope;

/// How much longer than two KEEP_ALIVE the own packet may take to come back.
const PATIENCE: Duration = Duration::from_secs(1);

/// Listens for the own packets on one link.
#[derive(Debug)]
pub struct LoopbackCheck {
    mark: Finder<'static>,
    keep_alive: Duration,
    heard: Instant,
}

impl LoopbackCheck {
    /// A link that came up `now`. `instance` is what the own packets carry, `keep_alive` their interval.
    pub fn new(instance: &str, keep_alive: Duration, now: Instant) -> Self {
        let mark = Finder::new(envelope::instance_field(instance).as_bytes()).into_owned();
        Self { mark, keep_alive, heard: now }
    }

    /// A packet came in. It is looked at only when the own one is due, so that a busy link costs nothing.
    pub fn listen(&mut self, payload: &[u8], now: Instant) {
        let due = now.saturating_duration_since(self.heard) >= self.keep_alive / 2;
        if due && self.mark.find(payload).is_some() {
            self.heard = now;
        }
    }

    /// More packets wait than were read at once, and the own one may be among them: it is not overdue before those are read.
    pub fn postpone(&mut self, now: Instant) {
        self.heard = now;
    }

    /// When the link counts as deaf if the own packet does not come.
    pub fn deadline(&self) -> Instant {
        self.heard + self.keep_alive * 2 + PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use lobby_client::{Discovery, HostName};

    use super::*;
    use crate::clock;
    use crate::wire::envelope::MessageKind;

    const SECOND: Duration = Duration::from_secs(1);

    fn hi(instance: &str) -> Vec<u8> {
        envelope::encode(MessageKind::Hi, &Discovery::new(HostName::parse("me").unwrap(), vec![]), instance)
    }

    #[test]
    fn a_link_is_deaf_two_keep_alives_and_a_second_after_the_own_packet_was_last_heard() {
        let start = clock::now();
        let mut echo = LoopbackCheck::new("i1", SECOND * 5, start);
        assert_eq!(echo.deadline(), start + SECOND * 11);
        echo.listen(&hi("i1"), start + SECOND * 5);
        assert_eq!(echo.deadline(), start + SECOND * 16);
    }

    #[test]
    fn packets_of_others_even_of_the_same_name_prove_nothing() {
        let start = clock::now();
        let mut echo = LoopbackCheck::new("i1", SECOND * 5, start);
        echo.listen(&hi("i2"), start + SECOND * 9);
        assert_eq!(echo.deadline(), start + SECOND * 11);
    }

    #[test]
    fn a_link_is_not_deaf_before_all_that_waits_is_read() {
        let start = clock::now();
        let mut echo = LoopbackCheck::new("i1", SECOND * 5, start);
        echo.postpone(start + SECOND * 10);
        assert_eq!(echo.deadline(), start + SECOND * 21);
    }
}
