//! The beat of a large lobby: the moments at which its hosts send.

use std::time::{Duration, Instant};

/// How far beats are apart; a second is a whole number of them.
///
/// Most of what a packet costs where it comes alone is to wake up for it: the broker once for each
/// subscriber, and each subscriber. Hosts that send together wake everybody a few times in a beat,
/// however many they are. What they send at once is small enough to be through before the next beat.
pub(super) const BEAT: Duration = Duration::from_millis(500);

/// The beats by the wall clock, which all hosts have. Where one goes wrong, its host only comes
/// between the others, as all did without beats.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beat(Instant);

impl Beat {
    /// The beat at a moment at which the wall clock shows so many milliseconds since the Unix epoch.
    pub(super) fn at(now: Instant, unix_millis: u64) -> Self {
        let second = Duration::from_millis(unix_millis % 1000);
        Self(now.checked_sub(past(second)).unwrap_or(now))
    }

    /// The last beat before this moment, or the next one if that is earlier than allowed.
    pub(super) fn near(self, moment: Instant, earliest: Instant) -> Instant {
        let beat = moment - past(moment.saturating_duration_since(self.0));
        if beat < earliest { beat + BEAT } else { beat }
    }
}

/// What is past since the last beat, so long after one.
fn past(time: Duration) -> Duration {
    Duration::from_nanos((time.subsec_nanos() % BEAT.subsec_nanos()).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const MILLISECOND: Duration = Duration::from_millis(1);

    #[test]
    fn beats_are_two_a_second_of_the_wall_clock() {
        let now = clock::now();
        for (unix_millis, moment, earliest, expected) in [
            (1_000_000, 0, 0, 0),
            (1_000_000, 499, 0, 0),
            (1_000_000, 500, 0, 500),
            (1_000_100, 0, 0, 400),
            (1_000_100, 410, 0, 400),
            (1_000_100, 410, 401, 900),
            (1_000_999, 4000, 0, 3501),
        ] {
            let at = |millis| now + MILLISECOND * millis;
            let near = Beat::at(now, unix_millis).near(at(moment), at(earliest));
            assert_eq!(near, at(expected), "{unix_millis} {moment} {earliest}");
        }
    }
}
