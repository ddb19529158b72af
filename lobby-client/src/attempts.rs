//! Attempts at several addresses within one time limit: how they are spread, so that a silent one
//! does not starve the others.

use std::time::Duration;

/// How long an attempt runs alone before the next one starts beside it, if there is time for that.
const HEAD_START: Duration = Duration::from_millis(250);

/// How long each of `count` attempts runs alone before the next one starts beside it. All have
/// started when half of `limit` is over, so that the last one has the other half.
pub fn head_start(count: usize, limit: Duration) -> Duration {
    let count = u32::try_from(count).unwrap_or(u32::MAX).max(1);
    HEAD_START.min(limit / 2 / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_attempts_start_one_after_another() {
        assert_eq!(head_start(1, Duration::from_secs(3)), HEAD_START);
        assert_eq!(head_start(3, Duration::from_secs(3)), HEAD_START);
    }

    #[test]
    fn many_attempts_all_start_within_half_of_the_limit() {
        let limit = Duration::from_secs(3);
        for count in [7, 50, 1000] {
            assert!(
                head_start(count, limit) * u32::try_from(count).unwrap() <= limit / 2,
                "{count}"
            );
        }
    }
}
