//! The sending side.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, anyhow, ensure};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, FromRedisValue, RedisResult, ServerErrorKind, Value};
use tokio::sync::Mutex;

use super::dialer::{Dialer, explained};
use crate::link::driver::PacketSink;
use crate::link::drivers::refusal::RefusalFlag;
use crate::link::inbox::InboxSender;
use lobby_core::link::message::OutboundPacket;

/// A connection for commands, renewed when the server has closed it: with `timeout` it closes those
/// that are idle.
#[derive(Debug)]
pub(super) struct Publisher {
    dialer: Dialer,
    address: SocketAddr,
    connection: Mutex<MultiplexedConnection>,
}

impl Publisher {
    /// Connects.
    pub(super) async fn open(dialer: Dialer, address: SocketAddr) -> anyhow::Result<Self> {
        let connection = Mutex::new(dialer.commands(address).await?);
        Ok(Self { dialer, address, connection })
    }

    /// Publishes a packet.
    ///
    /// # Errors
    /// Why the server did not take it.
    pub(super) async fn publish(
        &self,
        channel: &str,
        packet: &Bytes,
    ) -> anyhow::Result<RedisResult<()>> {
        self.answer(redis::cmd("PUBLISH").arg(channel).arg(&packet[..])).await
    }

    /// Whether the server is a replica, which hears only what is said to itself and its master, and
    /// says nothing to them. Nothing where it does not tell: an ACL may leave out ROLE.
    pub(super) async fn is_replica(&self) -> Option<bool> {
        let role: Vec<Value> = self.answer(&redis::cmd("ROLE")).await.ok()?.ok()?;
        let name: String = redis::from_redis_value(role.into_iter().next()?).ok()?;
        Some(name == "slave")
    }

    /// The answer to a command, which is sent again over a new connection if the old one is closed.
    ///
    /// # Errors
    /// When there is no connection and none can be made.
    async fn answer<T: FromRedisValue>(&self, command: &Cmd) -> anyhow::Result<RedisResult<T>> {
        let mut connection = self.connection.lock().await;
        match command.query_async(&mut *connection).await {
            Err(error) if error.is_unrecoverable_error() && !error.is_timeout() => {
                let lost = || format!("lost the connection to Redis that publishes: {error}");
                *connection = self.dialer.commands(self.address).await.with_context(lost)?;
                Ok(command.query_async(&mut *connection).await)
            }
            answer => Ok(answer),
        }
    }
}

/// The sending side of a pair of connections.
#[derive(Debug)]
pub(super) struct RedisSink {
    pub(super) publisher: Arc<Publisher>,
    pub(super) channel: String,
    pub(super) inbox: InboxSender,
    pub(super) refusal: RefusalFlag,
}

impl RedisSink {
    async fn send(&self, packet: OutboundPacket) -> anyhow::Result<()> {
        // A connection is renewed for a link that is up, not for one that is about to be opened
        // anew.
        ensure!(!self.inbox.has_ended(), "the link to Redis is down");
        let answer = self.publisher.publish(&self.channel, &packet.payload).await;
        let error = match answer {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => {
                let words = explained(&error, "publish on", &self.channel);
                let may_not = error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm);
                if may_not && !packet.last {
                    self.refusal.set(true);
                }
                if may_not || error.is_unrecoverable_error() {
                    self.inbox.fail(anyhow!("{words:#}"));
                }
                words
            }
            Err(error) => {
                self.inbox.fail(anyhow!("{error:#}"));
                error
            }
        };
        Err(error)
    }
}

impl PacketSink for RedisSink {
    fn publish(&self, packet: OutboundPacket) -> BoxFuture<'_, anyhow::Result<()>> {
        Box::pin(self.send(packet))
    }

    /// Nothing is under way: each publish waited for the server's answer.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async { self.inbox.finish() })
    }
}
