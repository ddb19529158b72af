//! Detects a frozen Redis server: its subscribers get nothing, not even an error.

use std::time::Duration;

use anyhow::anyhow;
use redis::aio::{MultiplexedConnection, PubSubSink};
use redis::{AsyncCommands, ErrorKind, RedisResult, Value};

use crate::link::inbox::InboxSender;

/// Longest interval at which both connections are pinged.
pub(super) const LONGEST_PING_INTERVAL: Duration = Duration::from_secs(5);
/// Most time for both answers.
const PING_LIMIT: Duration = Duration::from_secs(2);

/// Pings both connections until one does not answer. A server that is silent is given up before `silence_limit` ends.
pub(super) async fn watch(
    mut listener: PubSubSink,
    mut publisher: MultiplexedConnection,
    inbox: InboxSender,
    silence_limit: Duration,
) {
    let (interval, limit) = ((silence_limit / 3).min(LONGEST_PING_INTERVAL), (silence_limit / 3).min(PING_LIMIT));
    loop {
        tokio::time::sleep(interval).await;
        let both = async {
            alive(listener.ping().await)?;
            alive(publisher.ping().await)
        };
        match tokio::time::timeout(limit, both).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return inbox.fail(anyhow!("lost the connection to Redis: {error}")),
            Err(_) => return inbox.fail(anyhow!("Redis did not answer a PING within {limit:?}")),
        }
    }
}

/// A refusal is a sign of life too: an ACL may leave out PING.
fn alive(answer: RedisResult<Value>) -> RedisResult<()> {
    match answer {
        Err(error) if !matches!(error.kind(), ErrorKind::Server(_)) => Err(error),
        _ => Ok(()),
    }
}
