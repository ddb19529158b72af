//! Watches a server that is connected: a frozen one sends its subscribers nothing, not even an
//! error, and a master may be demoted.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use redis::aio::PubSubSink;
use redis::{ErrorKind, RedisResult, Value};

use super::publisher::Publisher;
use crate::link::inbox::InboxSender;

/// Longest interval at which the listening connection is pinged.
const LONGEST_PING_INTERVAL: Duration = Duration::from_secs(5);
/// Most time for the answer.
const PING_LIMIT: Duration = Duration::from_secs(2);

/// Pings the listening connection until it does not answer, or the server's role is another. A
/// server that is silent is given up before `silence_limit` ends.
pub(super) async fn watch(
    mut listener: PubSubSink,
    publisher: Arc<Publisher>,
    is_replica: Option<bool>,
    inbox: InboxSender,
    silence_limit: Duration,
) {
    let (interval, limit) =
        ((silence_limit / 3).min(LONGEST_PING_INTERVAL), (silence_limit / 3).min(PING_LIMIT));
    loop {
        tokio::time::sleep(interval).await;
        match tokio::time::timeout(limit, listener.ping()).await.map(alive) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return inbox.fail(anyhow!("lost the connection to Redis: {error}")),
            Err(_) => return inbox.fail(anyhow!("Redis did not answer a PING within {limit:?}")),
        }
        if is_replica.is_some()
            && publisher.is_replica().await.is_some_and(|now| Some(now) != is_replica)
        {
            return inbox
                .fail(anyhow!("the Redis server has become another of master and replica"));
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
