//! Waiting for what will be true, never for a fixed time.

use std::panic::Location;
use std::time::Duration;

use tokio::time::Instant;

/// How long anything may take that takes milliseconds on an idle machine.
pub const LIMIT: Duration = Duration::from_secs(20);

const PAUSE: Duration = Duration::from_millis(20);

/// Asks again and again until the probe answers `Ok`, and returns that. An `Err` says what was seen
/// instead.
///
/// # Panics
/// After `limit`, with the place of the call and what was seen last.
#[track_caller]
pub fn eventually<T>(
    limit: Duration,
    mut probe: impl AsyncFnMut() -> Result<T, String>,
) -> impl Future<Output = T> {
    let caller = Location::caller();
    async move {
        let deadline = now() + limit;
        let mut last = "no answer at all".to_owned();
        while let Ok(seen) = tokio::time::timeout_at(deadline, probe()).await {
            match seen {
                Ok(value) => return value,
                Err(state) => last = state,
            }
            if now() >= deadline {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        panic!("{caller}: not within {limit:?}; last seen: {last}")
    }
}

/// What a probe of [`eventually`] answers: done when the condition holds, else what was seen.
///
/// # Errors
/// What was seen, if the condition does not hold.
pub fn ensure(condition: bool, seen: impl std::fmt::Debug) -> Result<(), String> {
    condition.then_some(()).ok_or_else(|| format!("{seen:?}"))
}

/// The monotonic time, to measure how long something took.
#[expect(clippy::disallowed_methods, reason = "the one place of the tests that may")]
pub fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_rt::test]
    async fn it_asks_until_the_answer_comes() {
        let mut asked = 0;
        let answer = eventually(LIMIT, async || {
            asked += 1;
            if asked < 3 { Err(format!("asked {asked} times")) } else { Ok(asked) }
        });
        assert_eq!(answer.await, 3);
    }

    #[actix_rt::test]
    #[should_panic(expected = "last seen: \"still here\"")]
    async fn it_says_what_was_seen_last_when_time_is_up() {
        eventually(Duration::from_millis(50), async || ensure(false, "still here")).await;
    }

    #[actix_rt::test]
    #[should_panic(expected = "no answer at all")]
    async fn a_probe_that_hangs_does_not_hang_the_test() {
        eventually(Duration::from_millis(50), async || {
            std::future::pending::<Result<(), String>>().await
        })
        .await;
    }
}
