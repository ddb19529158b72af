//! Redis: one connection that listens and one that publishes. Either of them lost, the link is down.

mod ping;

use std::time::Duration;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use redis::aio::{MultiplexedConnection, PubSub};
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{
    AsyncCommands, AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo,
    RedisConnectionInfo, RedisError, RedisResult, ServerErrorKind, TlsCertificates,
};

use self::ping::{LONGEST_PING_INTERVAL, watch};
use super::tls;
use crate::config::RedisSettings;
use crate::link::driver::{Connection, Driver, PacketSink};
use crate::link::inbox::{InboxSender, inbox};
use lobby_core::link::message::OutboundPacket;

/// Time for an answer while opening.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// Time for the answer to a PUBLISH.
const PUBLISH_LIMIT: Duration = Duration::from_millis(500);

/// The driver of Redis. It speaks RESP2, so that servers before version 6 will do.
pub struct Redis {
    settings: RedisSettings,
}

impl Redis {
    /// A driver for one server and channel.
    pub fn new(settings: RedisSettings) -> Self {
        Self { settings }
    }

    async fn open_both(&self) -> anyhow::Result<Connection> {
        let client = self.client().await?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ANSWER_LIMIT))
            .set_response_timeout(Some(PUBLISH_LIMIT));
        let publisher = self.limited(client.get_multiplexed_async_connection_with_config(&config)).await?;
        let (sink, messages) = self.limited(self.listen(&client)).await?.split();
        let (feeder, mut inbox) = inbox();
        inbox.pump(feeder.clone(), messages.map(|message| Bytes::copy_from_slice(message.get_payload_bytes())));
        inbox.run(watch(sink, publisher.clone(), feeder.clone(), self.settings.silence_limit));
        let outgoing = RedisSink { publisher, channel: self.settings.channel.clone(), feeder };
        Ok(Connection { incoming: inbox.boxed(), outgoing: std::sync::Arc::new(outgoing) })
    }

    async fn listen(&self, client: &Client) -> RedisResult<PubSub> {
        let mut listener = client.get_async_pubsub().await?;
        listener.subscribe(&self.settings.channel).await?;
        Ok(listener)
    }

    async fn limited<T>(&self, step: impl Future<Output = RedisResult<T>>) -> anyhow::Result<T> {
        let RedisSettings { host, port, channel, .. } = &self.settings;
        let result = match tokio::time::timeout(ANSWER_LIMIT, step).await {
            Ok(result) => result.map_err(|error| explained(&error, "subscribe to", channel)),
            Err(_) => Err(anyhow!("no answer within {} s", ANSWER_LIMIT.as_secs())),
        };
        result.with_context(|| format!("Redis server {host}:{port}"))
    }

    async fn client(&self) -> anyhow::Result<Client> {
        let RedisSettings { host, port, ca_file, .. } = &self.settings;
        let (host, port) = (host.clone(), *port);
        if !self.settings.tls && ca_file.is_none() {
            return Ok(Client::open(self.logged_in(ConnectionAddr::Tcp(host, port))?)?);
        }
        let root_cert = match ca_file {
            Some(path) => Some(tls::certificates("REDIS_CA_FILE", path).await?),
            None => None,
        };
        let address = ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None };
        Ok(Client::build_with_tls(self.logged_in(address)?, TlsCertificates { client_tls: None, root_cert })?)
    }

    fn logged_in(&self, address: ConnectionAddr) -> RedisResult<ConnectionInfo> {
        let mut login = RedisConnectionInfo::default().set_db(self.settings.db.into());
        if let Some(name) = &self.settings.username {
            login = login.set_username(name);
        }
        if let Some(password) = &self.settings.password {
            login = login.set_password(password.expose());
        }
        let tcp = TcpSettings::default()
            .set_nodelay(true)
            .set_keepalive(TcpKeepalive::new().with_time(LONGEST_PING_INTERVAL));
        Ok(address.into_connection_info()?.set_redis_settings(login).set_tcp_settings(tcp))
    }
}

impl Driver for Redis {
    fn open(&self) -> BoxFuture<'_, anyhow::Result<Connection>> {
        Box::pin(self.open_both())
    }
}

/// The sending side of a pair of connections.
#[derive(Debug)]
struct RedisSink {
    publisher: MultiplexedConnection,
    channel: String,
    feeder: InboxSender,
}

impl RedisSink {
    async fn send(&self, payload: Bytes) -> anyhow::Result<()> {
        let answer: RedisResult<usize> = self.publisher.clone().publish(&self.channel, &payload[..]).await;
        let Err(error) = answer else { return Ok(()) };
        if error.is_unrecoverable_error() {
            self.feeder.fail(anyhow!("lost the connection to Redis that publishes: {error}"));
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
        Box::pin(async { self.feeder.finish() })
    }
}

fn explained(error: &RedisError, action: &str, channel: &str) -> anyhow::Error {
    match error.kind() {
        _ if error.code() == Some("NOAUTH") => anyhow!("wants a password: set REDIS_PASSWORD or REDIS_PASSWORD_FILE"),
        ErrorKind::AuthenticationFailed => anyhow!("refused REDIS_USERNAME or REDIS_PASSWORD"),
        ErrorKind::Server(ServerErrorKind::NoPerm) => {
            anyhow!("this user may not {action} channel {channel}: {}", error.detail().unwrap_or_default())
        }
        _ => anyhow!("{error}"),
    }
}
