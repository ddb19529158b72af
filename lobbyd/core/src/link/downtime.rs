//! The downtime of a link, and what of it is worth a line in the log: its beginning, a new reason, and now and then that it goes on.

use std::time::{Duration, Instant};

/// How often a link that stays down is logged again.
const REMINDER: Duration = Duration::from_secs(60);

/// The downtime of a link, if it is down.
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

    /// The link is up. Returns for how long it was down.
    pub fn end(&mut self, now: Instant) -> Option<Duration> {
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
        let (start, mut downtime) = (clock::now(), Downtime::default());
        assert!(downtime.record("refused", start));
        assert!(!downtime.record("refused", start + SECOND * 59));
        assert!(downtime.record("timed out", start + SECOND * 59));
        assert!(!downtime.record("timed out", start + SECOND * 60));
        assert!(downtime.record("timed out", start + SECOND * 119));
    }

    #[test]
    fn it_lasts_from_the_first_reason_to_the_end() {
        let (start, mut downtime) = (clock::now(), Downtime::default());
        assert_eq!(downtime.end(start), None);
        downtime.record("refused", start);
        downtime.record("timed out", start + SECOND);
        assert_eq!(downtime.end(start + SECOND * 5), Some(SECOND * 5));
        assert_eq!(downtime.end(start + SECOND * 6), None);
    }
}
