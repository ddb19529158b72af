//! Patience: who waits for long is told what for.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::say;

/// How long it is waited in silence.
const SILENCE: Duration = Duration::from_secs(2);

/// What is waited for.
pub(super) const WAITS: &str = "waiting for the daemon, which may not know every server yet";

/// Waits, and says so where that takes long.
pub(super) async fn with_notice<F: Future>(waiting: F, notice: &str) -> F::Output {
    let mut waiting = pin!(waiting);
    if let Ok(done) = timeout(SILENCE, &mut waiting).await {
        return done;
    }
    say(notice);
    waiting.await
}

/// The patience of one who waits again and again.
#[derive(Debug, Default)]
pub(super) struct Patience {
    end: Option<Instant>,
    has_ended: bool,
}

impl Patience {
    /// It is waited now, or not.
    pub(super) fn is_tried(&mut self, is_waiting: bool, now: Instant) {
        if !is_waiting {
            *self = Self::default();
        } else if !self.has_ended {
            self.end.get_or_insert(now + SILENCE);
        }
    }

    /// When something is to be said.
    pub(super) fn end(&self) -> Option<Instant> {
        self.end
    }

    /// It was said.
    pub(super) fn is_over(&mut self) {
        *self = Self { end: None, has_ended: true };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_wait_is_told_once_and_each_anew() {
        let (mut patience, start) = (Patience::default(), super::super::now());
        patience.is_tried(true, start);
        patience.is_tried(true, start + SILENCE / 2);
        assert_eq!(patience.end(), Some(start + SILENCE));
        patience.is_over();
        patience.is_tried(true, start + SILENCE * 2);
        assert_eq!(patience.end(), None);
        patience.is_tried(false, start + SILENCE * 3);
        assert_eq!(patience.end(), None);
        patience.is_tried(true, start + SILENCE * 4);
        assert_eq!(patience.end(), Some(start + SILENCE * 5));
    }
}
