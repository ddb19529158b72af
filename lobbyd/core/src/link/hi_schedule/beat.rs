//! The beat of a large lobby: the moments at which its hosts send.

use std::time::{Duration, Instant};

/// How far beats are apart: half of a second, or another part of it.
///
/// Most of what a packet costs where it comes alone is to wake up for it: the broker once for each
/// subscriber, and each subscriber. Hosts that send together wake everybody a few times in a beat,
/// however many they are. What they send at once is small enough to be through before the next
/// beat.
const BEAT: Duration = Duration::from_millis(500);

/// How many beats there must be to choose from.
const FEWEST: u32 = 2;

/// The beats by the wall clock, which all hosts have. Where one goes wrong, its host only comes
/// between the others, as all did without beats.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beat(Instant);

impl Beat {
    /// The beat at a moment at which the wall clock shows so many milliseconds since the Unix
    /// epoch.
    pub(super) fn at(now: Instant, unix_millis: u64) -> Self {
        let second = Duration::from_millis(unix_millis % 1000);
        Self(now.checked_sub(past(second)).unwrap_or(now))
    }

    /// The beat that is nearest to this moment, after the earliest and up to the latest one. None
    /// if there are too few of them between these: hosts that share a beat would then share the
    /// next one, too, and never part.
    pub(super) fn nearest(
        self,
        moment: Instant,
        earliest: Instant,
        latest: Instant,
    ) -> Option<Instant> {
        if latest.saturating_duration_since(earliest) < BEAT * FEWEST {
            return None;
        }
        let later = moment + BEAT / 2;
        Some(match later - past(later.saturating_duration_since(self.0)) {
            beat if beat <= earliest => beat + BEAT,
            beat if beat > latest => beat - BEAT,
            beat => beat,
        })
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
        for (unix_millis, moment, [earliest, latest], expected) in [
            (1_000_000, 5249, [4000, 6000], Some(5000)),
            (1_000_000, 5250, [4000, 6000], Some(5500)),
            (1_000_100, 5100, [4000, 6000], Some(4900)),
            (1_000_999, 5100, [4000, 6000], Some(5001)),
            // Nearer ones are too early or too late.
            (1_000_000, 5000, [5000, 6000], Some(5500)),
            (1_000_000, 5200, [5100, 6100], Some(5500)),
            (1_000_000, 6000, [5000, 6000], Some(6000)),
            (1_000_000, 5999, [4900, 5999], Some(5500)),
            (1_000_000, 5500, [5001, 6000], None),
        ] {
            let at = |millis| now + MILLISECOND * millis;
            let beat = Beat::at(now, unix_millis).nearest(at(moment), at(earliest), at(latest));
            assert_eq!(beat, expected.map(at), "{unix_millis} {moment} {earliest} {latest}");
        }
    }
}
