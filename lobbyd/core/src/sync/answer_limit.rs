//! The answer limit: how often a daemon answers the question for everybody.

use std::time::{Duration, Instant};

/// Least time between the beginnings of two answers. Whoever asks meanwhile is told to ask again,
/// and most likely another daemon gets that question.
const PAUSE: Duration = Duration::from_millis(500);

/// The answer limit: one answer at a time, and none at once after another one.
#[derive(Debug, Default)]
pub struct AnswerLimit {
    is_answering: bool,
    last: Option<Instant>,
}

impl AnswerLimit {
    /// Whether a question that comes now is answered; if so, its answer has begun.
    pub fn admit(&mut self, now: Instant) -> bool {
        let is_soon = self.last.is_some_and(|last| now.saturating_duration_since(last) < PAUSE);
        let is_admitted = !self.is_answering && !is_soon;
        if is_admitted {
            (self.is_answering, self.last) = (true, Some(now));
        }
        is_admitted
    }

    /// The answer has ended.
    pub fn done(&mut self) {
        self.is_answering = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn one_is_answered_at_a_time_and_none_soon_after() {
        let (start, mut limit) = (clock::now(), AnswerLimit::default());
        assert!(limit.admit(start));
        assert!(!limit.admit(start + PAUSE), "it is still answering");
        limit.done();
        assert!(limit.admit(start + PAUSE));
        limit.done();
        assert!(!limit.admit(start + PAUSE + PAUSE / 2), "it has answered just before");
    }
}
