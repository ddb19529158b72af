//! The driver: opens both connections to the server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;

use super::RedisSettings;
use super::dialer::{Dialer, explained};
use super::publisher::{Publisher, RedisSink};
use super::watch::watch;
use crate::config::Secret;
use crate::link::driver::{Connection, Driver};
use crate::link::drivers::race::{LIMIT, race, until};
use crate::link::drivers::refusal::RefusalFlag;
use crate::link::inbox::inbox;
use crate::sys::clock;
use crate::sys::file_work::FileWork;
use lobby_core::link::stats::ChannelPlace;

/// What is said of a link to a replica.
const REPLICA: &str = "the Redis server is a replica: packets published here do not reach the master, connect to that";

/// The driver of Redis. It uses RESP2, which servers before version 6 know too.
#[derive(Debug)]
pub struct Redis {
    settings: RedisSettings,
    refusal: RefusalFlag,
    work: FileWork,
}

impl Redis {
    /// A driver that is not connected yet.
    pub fn new(settings: RedisSettings) -> Self {
        Self { settings, refusal: RefusalFlag::default(), work: FileWork::on("REDIS_CA_FILE") }
    }

    /// Tries every address of the server.
    async fn open_any(&self, own: Option<Bytes>) -> anyhow::Result<Connection> {
        let deadline = clock::now() + LIMIT;
        let RedisSettings { host, port, .. } = &self.settings;
        let opened = until(deadline, self.open_first(own.as_ref(), deadline)).await;
        opened.with_context(|| format!("Redis server {host}:{port}"))
    }

    async fn open_first(
        &self,
        own: Option<&Bytes>,
        deadline: Instant,
    ) -> anyhow::Result<Connection> {
        let dialer = Dialer::new(&self.settings, &self.work).await?;
        let host = (self.settings.host.as_str(), self.settings.port);
        let addresses: Vec<_> = tokio::net::lookup_host(host).await?.collect();
        race(addresses, deadline, async |address| self.open_both(&dialer, own, address).await).await
    }

    async fn open_both(
        &self,
        dialer: &Dialer,
        own: Option<&Bytes>,
        address: SocketAddr,
    ) -> anyhow::Result<Connection> {
        let channel = self.settings.channel.clone();
        let publisher = Arc::new(Publisher::open(dialer.clone(), address).await?);
        let (sink, messages) = dialer.subscribed(address).await?.split();
        self.prove(own, &publisher, &channel).await?;
        let is_replica = publisher.is_replica().await;
        let (sender, mut inbox) = inbox();
        inbox.pump(
            sender.clone(),
            messages.map(|message| Bytes::copy_from_slice(message.get_payload_bytes())),
        );
        inbox.run(watch(
            sink,
            Arc::clone(&publisher),
            is_replica,
            sender.clone(),
            self.settings.silence_limit,
        ));
        let outgoing =
            RedisSink { publisher, channel, inbox: sender, refusal: self.refusal.clone() };
        let note = is_replica.filter(|is_replica| *is_replica).map(|_| REPLICA.to_owned());
        let (incoming, outgoing) = (inbox.boxed(), Arc::new(outgoing));
        let (server, peer) = (Some(self.server()), Some(address));
        Ok(Connection { incoming, outgoing, note, server, peer, sync: None })
    }

    fn server(&self) -> String {
        let RedisSettings { host, port, .. } = &self.settings;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// Publishes the newest own packet after one was refused. While it is, too, the link is down.
    async fn prove(
        &self,
        own: Option<&Bytes>,
        publisher: &Publisher,
        channel: &str,
    ) -> anyhow::Result<()> {
        let Some(packet) = own.filter(|_| self.refusal.stands()) else { return Ok(()) };
        publisher
            .publish(channel, packet)
            .await?
            .map_err(|error| explained(&error, "publish on", channel))?;
        self.refusal.set(false);
        Ok(())
    }
}

impl Driver for Redis {
    fn open<'a>(
        &'a self,
        _: &'a str,
        own: Option<Bytes>,
    ) -> BoxFuture<'a, anyhow::Result<Connection>> {
        Box::pin(self.open_any(own))
    }

    fn place(&self) -> ChannelPlace {
        ChannelPlace { server: Some(self.server()), channel: self.settings.channel.clone() }
    }

    fn secrets(&self) -> Vec<Secret> {
        self.settings.password.iter().cloned().collect()
    }
}
