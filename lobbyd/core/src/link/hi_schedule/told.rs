//! What peers must have been told of the own interval before it may grow.

use std::time::{Duration, Instant};

/// What the peers behind a link know of the own interval, even those that missed a packet, or some
/// that were sent close to one another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told {
    /// The longest interval that all of them are prepared for.
    known: Duration,
    /// Since when packets have told an interval of `least` or more; none where the last one was
    /// lost.
    since: Option<Instant>,
    least: Duration,
}

impl Told {
    /// Peers that nothing was told yet.
    pub(super) fn nothing(keep_alive: Duration) -> Self {
        Self { known: keep_alive, since: None, least: keep_alive }
    }

    /// The longest interval that all peers are prepared for.
    pub(super) fn known(&self) -> Duration {
        self.known
    }

    /// A packet that is good for this interval goes out. One that follows another so long after it
    /// is not lost together with it.
    pub(super) fn tell(&mut self, interval: Duration, apart: Duration, now: Instant) {
        match self.since {
            Some(since) if now.saturating_duration_since(since) < apart => {
                self.least = self.least.min(interval);
            }
            former => {
                if former.is_some() {
                    self.known = self.least;
                }
                (self.since, self.least) = (Some(now), interval);
            }
        }
        self.known = self.known.min(interval);
    }

    /// The last packet did not go out.
    pub(super) fn lost(&mut self) {
        self.since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const SECOND: Duration = Duration::from_secs(1);

    /// What peers are prepared for in the end that were told these intervals at these seconds.
    fn known(told: &[(u32, u32)]) -> u64 {
        let (start, mut peers) = (clock::now(), Told::nothing(SECOND * 5));
        for (at, interval) in told {
            peers.tell(SECOND * *interval, SECOND * 5, start + SECOND * *at);
        }
        peers.known().as_secs()
    }

    #[test]
    fn an_interval_is_known_that_two_packets_have_told() {
        assert_eq!(known(&[(0, 50)]), 5);
        assert_eq!(known(&[(0, 50), (1, 50), (4, 50)]), 5);
        assert_eq!(known(&[(0, 50), (1, 50), (5, 50)]), 50);
        assert_eq!(known(&[(0, 50), (5, 60)]), 50);
        assert_eq!(known(&[(0, 50), (1, 20), (5, 60)]), 20);
    }

    #[test]
    fn a_shorter_interval_is_known_as_soon_as_it_is_told() {
        assert_eq!(known(&[(0, 50), (5, 50), (6, 10)]), 10);
        assert_eq!(known(&[(0, 50), (5, 50), (6, 10), (10, 50), (14, 50)]), 10);
    }

    #[test]
    fn a_packet_that_was_lost_has_told_nothing() {
        let (start, mut peers) = (clock::now(), Told::nothing(SECOND * 5));
        for second in [0, 5, 10] {
            peers.tell(SECOND * 50, SECOND * 5, start + SECOND * second);
            peers.lost();
        }
        assert_eq!(peers.known(), SECOND * 5);
    }
}
