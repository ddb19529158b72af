//! The downtime of a link, and what of it is worth a line in the log: its beginning, a new reason,
//! and now and then that it goes on.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How often a link that stays down is logged again.
const REMINDER: Duration = Duration::from_secs(60);

/// Most reasons that are logged at once in one downtime; further ones wait for the reminder.
const MOST_REASONS: usize = 16;

/// What separates the reasons of several servers that were tried.
const SEPARATOR: &str = "; ";

/// The downtime of a link, if it is down.
#[derive(Debug, Default)]
pub struct Downtime(Option<Begun>);

#[derive(Debug)]
struct Begun {
    at: Instant,
    told: Instant,
    reasons: BTreeSet<String>,
}

impl Downtime {
    /// The link is down, or still down, for this reason. Returns whether that is worth a line: the
    /// first time that a reason comes up, and once a minute. Reasons of several servers are
    /// told apart by `"; "`; their order does not matter, nor does a number in them,
    /// as times and ports change from one attempt to the next.
    pub fn record(&mut self, reason: &str, now: Instant) -> bool {
        let begun =
            self.0.get_or_insert_with(|| Begun { at: now, told: now, reasons: BTreeSet::new() });
        let news = begun.is_new(reason) || now.saturating_duration_since(begun.told) >= REMINDER;
        if news {
            begun.told = now;
        }
        news
    }

    /// The link is up. Returns for how long it was down.
    pub fn end(&mut self, now: Instant) -> Option<Duration> {
        self.0.take().map(|begun| now.saturating_duration_since(begun.at))
    }
}

impl Begun {
    /// Whether any of the reasons has not come up before; from now on it has.
    fn is_new(&mut self, reason: &str) -> bool {
        let mut new = false;
        for reason in reason.split(SEPARATOR).map(without_numbers) {
            new |= self.reasons.len() < MOST_REASONS && self.reasons.insert(reason);
        }
        new
    }
}

/// The text with one mark for each number in it.
fn without_numbers(text: &str) -> String {
    let mut shape = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '0'..='9' if shape.ends_with('#') => {}
            '0'..='9' => shape.push('#'),
            _ => shape.push(c),
        }
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_reason_is_told_once_and_then_once_a_minute() {
        let (start, mut downtime) = (clock::now(), Downtime::default());
        assert!(downtime.record("refused", start));
        assert!(!downtime.record("refused", start + SECOND * 59));
        assert!(downtime.record("timed out", start + SECOND * 59));
        assert!(!downtime.record("refused", start + SECOND * 60));
        assert!(downtime.record("refused", start + SECOND * 119));
    }

    #[test]
    fn order_numbers_and_choice_of_servers_make_no_new_reason() {
        let (start, mut downtime) = (clock::now(), Downtime::default());
        assert!(downtime.record("a:1: refused; b:2: refused; c:3: timed out", start));
        for again in [
            "c:3: timed out; a:1: refused; b:2: refused",
            "b:44021: refused",
            "a:9: refused; c:1: timed out",
        ] {
            assert!(!downtime.record(again, start + SECOND * 59), "{again}");
        }
        assert!(downtime.record(
            "expired: now is 1700000001, not after 1600000000 (5 seconds ago)",
            start + SECOND
        ));
        assert!(!downtime.record(
            "expired: now is 1700000009, not after 1600000000 (13 seconds ago)",
            start + SECOND
        ));
    }

    #[test]
    fn the_number_of_reasons_told_is_bounded() {
        let (start, mut downtime) = (clock::now(), Downtime::default());
        let reasons = ('a'..='z').map(|name| format!("{name}: refused"));
        assert_eq!(reasons.filter(|reason| downtime.record(reason, start)).count(), MOST_REASONS);
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
