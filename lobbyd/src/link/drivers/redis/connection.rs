//! The sending side, and the words for what goes wrong.

use anyhow::anyhow;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands, ErrorKind, RedisError, RedisResult, ServerErrorKind};

use crate::link::driver::PacketSink;
use crate::link::inbox::InboxSender;
use lobby_core::link::message::OutboundPacket;

/// The sending side of a pair of connections.
#[derive(Debug)]
pub(super) struct RedisSink {
    pub(super) publisher: MultiplexedConnection,
    pub(super) channel: String,
    pub(super) inbox: InboxSender,
}

impl RedisSink {
    async fn send(&self, payload: Bytes) -> anyhow::Result<()> {
        let answer: RedisResult<usize> = self.publisher.clone().publish(&self.channel, &payload[..]).await;
        let Err(error) = answer else { return Ok(()) };
        if error.is_unrecoverable_error() {
            self.inbox.fail(anyhow!("lost the connection to Redis that publishes: {error}"));
        }
        Err(explained(&error, "publish on", &self.channel))
    }
}

impl PacketSink for RedisSink {
    fn publish(&self, packet: OutboundPacket) -> BoxFuture<'_, anyhow::Result<()>> {
        Box::pin(self.send(packet.payload))
    }

    /// Nothing is under way: each publish waited for the server's answer.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async { self.inbox.finish() })
    }
}

/// The error in words for a log. `action` is what was to be done with the channel.
pub(super) fn explained(error: &RedisError, action: &str, channel: &str) -> anyhow::Error {
    match error.kind() {
        _ if error.code() == Some("NOAUTH") => anyhow!("wants a password: set REDIS_PASSWORD or REDIS_PASSWORD_FILE"),
        ErrorKind::AuthenticationFailed => anyhow!("refused REDIS_USERNAME or REDIS_PASSWORD"),
        ErrorKind::Server(ServerErrorKind::NoPerm) => {
            anyhow!("this user may not {action} channel {channel}: {}", error.detail().unwrap_or_default())
        }
        _ => anyhow!("{error}"),
    }
}
