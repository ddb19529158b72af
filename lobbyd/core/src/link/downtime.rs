//! The downtime of a link, and what of it is worth a line in the log: its beginning, a new reason,
//! and now and then that it goes on.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::backoff::PROVEN;

/// How often a link that stays down is logged again.
const REMINDER: Duration = Duration::from_secs(60);

/// Most reasons that are logged at once in one downtime; further ones wait for the reminder.
const MOST_REASONS: usize = 16;

/// What separates the reasons of several servers that were tried.
const SEPARATOR: &str = "; ";

/// The downtimes of a link.
#[derive(Debug, Default)]
pub struct Downtime {
    /// Since when it is down, if it is.
    down: Option<Instant>,
    /// Since when it is up, if it was down before.
    up: Option<Instant>,
    /// When it was last told that it is down.
    told: Option<Instant>,
    /// Whether that was told of the present downtime.
    is_told: bool,
    /// The reasons so far, since it last held.
    reasons: BTreeSet<String>,
}

/// A downtime that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// How long the link was down.
    pub lasted: Duration,
    /// Whether it was told that it was down, so that its end is worth a line, too.
    pub was_told: bool,
}

impl Downtime {
    /// The link is down, or still down, for this reason. Returns whether that is worth a line: the
    /// first time that a reason comes up, and once a minute. Reasons of several servers are told
    /// apart by `"; "`; their order does not matter, nor does a number in them, as times and ports
    /// change from one attempt to the next.
    pub fn record(&mut self, reason: &str, now: Instant) -> bool {
        if self.down.is_none() {
            (self.down, self.is_told) = (Some(now), false);
            // One that flaps would tell the same with each turn.
            let up = self.up.take();
            if up.is_none_or(|up| now.saturating_duration_since(up) >= PROVEN) {
                (self.told, self.reasons) = (None, BTreeSet::new());
            }
        }
        let is_due = |told| now.saturating_duration_since(told) >= REMINDER;
        let is_news = self.is_new(reason) || self.told.is_some_and(is_due);
        if is_news {
            (self.told, self.is_told) = (Some(now), true);
        }
        is_news
    }

    /// The link is up. Returns the downtime that is over, if there was one.
    pub fn end(&mut self, now: Instant) -> Option<Ended> {
        let down = self.down.take()?;
        self.up = Some(now);
        Some(Ended { lasted: now.saturating_duration_since(down), was_told: self.is_told })
    }

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
        let ended = Ended { lasted: SECOND * 5, was_told: true };
        assert_eq!(downtime.end(start + SECOND * 5), Some(ended));
        assert_eq!(downtime.end(start + SECOND * 6), None);
    }

    #[test]
    fn a_link_that_flaps_is_told_once_a_minute() {
        let (mut now, mut downtime) = (clock::now(), Downtime::default());
        let (mut downs, mut ups) = (0, 0);
        for _ in 0..150 {
            downs += usize::from(downtime.record("closed", now));
            now += SECOND / 10;
            ups += usize::from(downtime.end(now).unwrap().was_told);
            now += SECOND;
        }
        // In 165 seconds.
        assert_eq!((downs, ups), (3, 3));
        assert!(downtime.record("refused", now), "another reason");
        downtime.end(now);
        assert!(downtime.record("closed", now + PROVEN), "it had held");
    }
}
