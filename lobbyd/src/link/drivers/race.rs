//! Attempts at several addresses, of which the first that works counts.

use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use lobby_client::attempts;
use tokio::time::timeout;

use crate::sys::clock;

/// Time for all addresses of a driver together. The caller's limit is longer, so that the failures
/// of all of them can be told.
pub(super) const LIMIT: Duration = Duration::from_millis(2500);

/// Starts an attempt at each candidate, as [`attempts::race`] does, within the deadline.
///
/// # Errors
/// The failures of all of them; one that took until the deadline gave no answer.
pub(super) async fn race<C, T, F>(
    candidates: Vec<C>,
    deadline: Instant,
    attempt: impl Fn(C) -> F,
) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<T>>,
{
    let first = attempts::race(candidates, time_left(deadline), attempt).await;
    first.map_err(|failures| {
        let failures: Vec<_> = failures.iter().map(|error| format!("{error:#}")).collect();
        anyhow!("{}", failures.join("; "))
    })
}

/// Limits one attempt to what is left of the time.
///
/// # Errors
/// The attempt's, or that there was no answer.
pub(super) async fn until<T>(
    deadline: Instant,
    attempt: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let left = time_left(deadline);
    let outcome = timeout(left, attempt).await;
    outcome.unwrap_or_else(|_| bail!("no answer within {:.1} s", left.as_secs_f64()))
}

fn time_left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(clock::now())
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::time::sleep;

    use super::*;

    /// An address that answers after so many milliseconds, well or not.
    type Address = (u64, Result<&'static str, &'static str>);

    async fn raced(addresses: &[Address]) -> (Result<&'static str, String>, Duration) {
        let start = clock::now();
        let deadline = start + LIMIT;
        let attempt = |(after, outcome): Address| {
            until(deadline, async move {
                sleep(Duration::from_millis(after)).await;
                outcome.map_err(anyhow::Error::msg)
            })
            .boxed()
        };
        let outcome = race(addresses.to_vec(), deadline, attempt).await;
        (outcome.map_err(|error| error.to_string()), clock::now() - start)
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_address_does_not_starve_the_next_one() {
        let (outcome, took) = raced(&[(60_000, Ok("silent")), (10, Ok("second"))]).await;
        assert_eq!(outcome, Ok("second"));
        assert!(took < Duration::from_millis(300), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_of_many_silent_addresses_has_its_turn() {
        let mut addresses = [(60_000, Ok("silent")); 40];
        addresses[39] = (500, Ok("last"));
        assert_eq!(raced(&addresses).await.0, Ok("last"));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_failure_the_next_address_is_tried_at_once() {
        let (outcome, took) =
            raced(&[(0, Err("refused")), (0, Err("refused")), (0, Ok("third"))]).await;
        assert_eq!(outcome, Ok("third"));
        assert!(took < Duration::from_millis(10), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_address_wins_if_it_answers_in_time() {
        assert_eq!(raced(&[(100, Ok("first")), (0, Ok("second"))]).await.0, Ok("first"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_failures_of_all_are_told_within_the_limit() {
        let (outcome, took) =
            raced(&[(0, Err("a: refused")), (60_000, Ok("b")), (0, Err("c: refused"))]).await;
        assert_eq!(outcome, Err("a: refused; c: refused; no answer within 2.5 s".to_owned()));
        assert!(took <= LIMIT + Duration::from_millis(10), "{took:?}");
    }
}
