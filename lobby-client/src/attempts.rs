//! Attempts at several addresses within one time limit: how they are spread, so that a silent one
//! does not starve the others.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

/// How long an attempt runs alone before the next one starts beside it, if there is time for that.
const HEAD_START: Duration = Duration::from_millis(250);

/// How long each of `count` attempts runs alone before the next one starts beside it. All have
/// started when half of `limit` is over, so that the last one has the other half.
fn head_start(count: usize, limit: Duration) -> Duration {
    let count = u32::try_from(count).unwrap_or(u32::MAX).max(1);
    HEAD_START.min(limit / 2 / count)
}

/// Starts an attempt at each candidate, one after another with a head start for the earlier ones,
/// or at once when one fails. Returns the first success. The caller limits the whole.
///
/// # Errors
/// The failures of all of them.
pub async fn race<C, T, E, F>(
    candidates: Vec<C>,
    limit: Duration,
    attempt: impl Fn(C) -> F,
) -> Result<T, Vec<E>>
where
    F: Future<Output = Result<T, E>>,
{
    let head_start = head_start(candidates.len(), limit);
    let mut waiting = candidates.into_iter();
    let (mut running, mut failures) = (FuturesUnordered::new(), Vec::new());
    loop {
        running.extend(waiting.next().map(&attempt));
        tokio::select! {
            outcome = running.next() => match outcome {
                Some(Ok(first)) => return Ok(first),
                Some(Err(error)) => failures.push(error),
                None => return Err(failures),
            },
            () = tokio::time::sleep(head_start), if waiting.len() > 0 => {}
        }
    }
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
