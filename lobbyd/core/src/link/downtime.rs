//! What is said of a link that is down: when it went, when the reason is another, and now and then that it still is.

use std::time::{Duration, Instant};

/// How often one is reminded of a link that stays down.
const REMINDER: Duration = Duration::from_secs(60);

/// The time during which a link is down.
#[derive(Debug, Default)]
pub struct Downtime(Option<Begun>);

#[derive(Debug)]
struct Begun {
    at: Instant,
    told: Instant,
    reason: String,
}

impl Downtime {
    /// The link is down, or still down, for this reason. Returns whether that is worth a line.
    pub fn record(&mut self, reason: &str, now: Instant) -> bool {
        let begun = self.0.get_or_insert_with(|| Begun { at: now, told: now, reason: String::new() });
        let news = begun.reason != reason || now.saturating_duration_since(begun.told) >= REMINDER;
        if news {
            (begun.told, begun.reason) = (now, reason.to_owned());
        }
        news
    }

    /// The link is up. Returns for how long it was not.
    pub fn ends(&mut self, now: Instant) -> Option<Duration> {
        self.0.take().map(|begun| now.saturating_duration_since(begun.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_same_reason_is_told_once_a_minute_and_another_at_once() {
        let (start, mut outage) = (clock::now(), Downtime::default());
        assert!(outage.record("refused", start));
        assert!(!outage.record("refused", start + SECOND * 59));
        assert!(outage.record("timed out", start + SECOND * 59));
        assert!(!outage.record("timed out", start + SECOND * 60));
        assert!(outage.record("timed out", start + SECOND * 119));
    }

    #[test]
    fn it_lasts_from_the_first_reason_to_the_end() {
        let (start, mut outage) = (clock::now(), Downtime::default());
        assert_eq!(outage.ends(start), None);
        outage.record("refused", start);
        outage.record("timed out", start + SECOND);
        assert_eq!(outage.ends(start + SECOND * 5), Some(SECOND * 5));
        assert_eq!(outage.ends(start + SECOND * 6), None);
    }
}
