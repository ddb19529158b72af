//! A limit on log lines for events that come in floods.

use std::time::{Duration, Instant};

/// Rate limit: a burst of events passes in every period, the others are counted.
#[derive(Debug)]
pub struct Throttle {
    burst: u32,
    period: Duration,
    begun: Option<Instant>,
    passed: u32,
    held_back: u64,
}

impl Throttle {
    /// Lets `burst` events pass in every `period`.
    pub fn new(burst: u32, period: Duration) -> Self {
        Self { burst, period, begun: None, passed: 0, held_back: 0 }
    }

    /// `Some` if the event passes, with the number of events held back since the last one that did.
    pub fn pass(&mut self, now: Instant) -> Option<u64> {
        if self.begun.is_none_or(|begun| now - begun >= self.period) {
            self.begun = Some(now);
            self.passed = 0;
        }
        if self.passed < self.burst {
            self.passed += 1;
            Some(std::mem::take(&mut self.held_back))
        } else {
            self.held_back += 1;
            None
        }
    }

    /// Takes the number of events held back since the last one that passed.
    pub fn take_held_back(&mut self) -> u64 {
        std::mem::take(&mut self.held_back)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_burst_passes_and_the_next_one_is_told_what_was_held_back() {
        let start = clock::now();
        let mut throttle = Throttle::new(2, Duration::from_secs(10));
        let passed: Vec<_> = (0..5).map(|_| throttle.pass(start)).collect();
        assert_eq!(passed, [Some(0), Some(0), None, None, None]);
        assert_eq!(throttle.pass(start + Duration::from_secs(10)), Some(3));
    }
}
