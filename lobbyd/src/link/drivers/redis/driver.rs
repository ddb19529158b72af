//! The driver: opens both connections to the server.

use std::time::Duration;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use redis::aio::PubSub;
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo,
    RedisResult, TlsCertificates,
};

use super::RedisSettings;
use super::connection::{RedisSink, explained};
use super::ping::{LONGEST_PING_INTERVAL, watch};
use crate::config::Secret;
use crate::link::driver::{Connection, Driver};
use crate::link::drivers::tls;
use crate::link::inbox::inbox;

/// Time for an answer while opening.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// Time for the answer to a PUBLISH.
const PUBLISH_LIMIT: Duration = Duration::from_millis(500);

/// The driver of Redis. It uses RESP2, which servers before version 6 know too.
#[derive(Debug)]
pub struct Redis {
    settings: RedisSettings,
}

impl Redis {
    /// A driver that is not connected yet.
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
        let (sender, mut inbox) = inbox();
        inbox.pump(sender.clone(), messages.map(|message| Bytes::copy_from_slice(message.get_payload_bytes())));
        inbox.run(watch(sink, publisher.clone(), sender.clone(), self.settings.silence_limit));
        let outgoing = RedisSink { publisher, channel: self.settings.channel.clone(), inbox: sender };
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
    fn open<'a>(&'a self, _: &'a str) -> BoxFuture<'a, anyhow::Result<Connection>> {
        Box::pin(self.open_both())
    }

    fn secrets(&self) -> Vec<Secret> {
        self.settings.password.iter().cloned().collect()
    }
}
