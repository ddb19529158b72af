//! Finds out that a Redis server is frozen, of which its subscribers hear nothing, not even an error.

use std::time::Duration;

use anyhow::anyhow;
use redis::aio::{MultiplexedConnection, PubSubSink};
use redis::{AsyncCommands, ErrorKind, RedisResult, Value};

use crate::drivers::inbox::Feeder;

/// How often both connections are asked for a sign of life.
pub(super) const PING_INTERVAL: Duration = Duration::from_secs(5);
/// Time for both answers.
const PING_LIMIT: Duration = Duration::from_secs(2);

/// Asks both connections for a sign of life until one gives none.
pub(super) async fn watch(mut listener: PubSubSink, mut publisher: MultiplexedConnection, feeder: Feeder) {
    loop {
        tokio::time::sleep(PING_INTERVAL).await;
        let both = async {
            alive(listener.ping().await)?;
            alive(publisher.ping().await)
        };
        match tokio::time::timeout(PING_LIMIT, both).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return feeder.fail(anyhow!("lost the connection to Redis: {error}")),
            Err(_) => return feeder.fail(anyhow!("Redis did not answer a PING within {} s", PING_LIMIT.as_secs())),
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
