//! NATS: one connection for both ways, which is never re-made behind our back.

mod events;
mod options;
pub mod url;

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, anyhow, bail, ensure};
use async_nats::{Client, ConnectError, ConnectErrorKind, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;

use self::events::Events;
use self::url::ServerUrl;
use crate::config::NatsSettings;
use crate::link::driver::{Connection, Driver, PacketSink};
use crate::link::inbox::inbox;
use lobby_core::link::message::OutboundPacket;

/// The driver of NATS.
pub struct Nats {
    settings: NatsSettings,
    client_name: String,
    /// The other servers of the cluster, as the last one that we were connected to told us.
    learned: Mutex<Vec<ServerUrl>>,
}

impl Nats {
    /// A driver that shows itself to the server under this name.
    pub fn new(settings: NatsSettings, client_name: String) -> Self {
        Self { settings, client_name, learned: Mutex::default() }
    }

    /// Tries one server after the other: first those of NATS_URL, each with its own credentials, in random order so that a fleet spreads.
    async fn open_any(&self) -> anyhow::Result<Connection> {
        let mut failures = Vec::new();
        for server in self.candidates()? {
            match self.open_one(&server).await {
                Ok(channel) => return Ok(channel),
                Err(error) => failures.push(format!("NATS server {server}: {error:#}")),
            }
        }
        bail!("{}", failures.join("; "))
    }

    fn candidates(&self) -> anyhow::Result<Vec<ServerUrl>> {
        let mut servers = url::parse(&self.settings.url.expose()).context("NATS_URL")?;
        fastrand::shuffle(&mut servers);
        let learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner).clone();
        servers.extend(learned);
        Ok(servers)
    }

    async fn open_one(&self, server: &ServerUrl) -> anyhow::Result<Connection> {
        let (feeder, mut inbox) = inbox();
        let events = Arc::new(Events::new(feeder.clone()));
        let client = self.connect(server, &events).await?;
        let subject = self.settings.subject.clone();
        let messages = client.subscribe(subject.clone()).await.with_context(|| format!("subscribing to {subject}"))?;
        let echo = client.subscribe(events.probe.clone()).await?;
        let link = NatsSink { client, subject, events, echo: Some(echo).into() };
        link.round_trip().await;
        inbox.check()?;
        inbox.pump(feeder, messages.map(|message| message.payload));
        self.learn(server, &link.client);
        Ok(Connection { incoming: inbox.boxed(), outgoing: Arc::new(link) })
    }

    async fn connect(&self, server: &ServerUrl, events: &Arc<Events>) -> anyhow::Result<Client> {
        let events = Arc::clone(events);
        let (options, pool) = options::once(server.address().parse()?, self.settings.silence_limit)?;
        let options = options::authenticated(options, &self.settings, server).await?;
        let options = options.event_callback(move |event| {
            events.happened(event);
            std::future::ready(())
        });
        options.name(&self.client_name).connect(pool).await.map_err(|error| explained(&error))
    }

    fn learn(&self, server: &ServerUrl, client: &Client) {
        let urls = client.server_info().connect_urls;
        let others = urls.iter().filter_map(|url| url::parse(url).ok()).flatten();
        let others = others.map(|other| ServerUrl { tls: server.tls, login: server.login.clone(), ..other });
        *self.learned.lock().unwrap_or_else(PoisonError::into_inner) = others.collect();
    }
}

impl Driver for Nats {
    fn open(&self) -> BoxFuture<'_, anyhow::Result<Connection>> {
        Box::pin(self.open_any())
    }
}

/// The sending side of a connection.
#[derive(Debug)]
struct NatsSink {
    client: Client,
    subject: String,
    events: Arc<Events>,
    /// Subscription to the probe; none once the server refused it.
    echo: tokio::sync::Mutex<Option<Subscriber>>,
}

impl NatsSink {
    /// Returns when the server has dealt with all that was sent before. NATS answers in order, so an empty message to a subject that
    /// only this connection hears tells; and if this user may not use that subject, the refusal does.
    async fn round_trip(&self) {
        let mut echo = self.echo.lock().await;
        let Some(subscriber) = echo.as_mut() else { return };
        if self.client.publish(self.events.probe.clone(), Bytes::new()).await.is_ok() {
            tokio::select! {
                _ = subscriber.next() => {}
                () = self.events.settled.notified() => *echo = None,
            }
        }
    }

    async fn send(&self, payload: Bytes) -> anyhow::Result<()> {
        let (size, most) = (payload.len(), self.client.max_payload());
        ensure!(size <= most, "the packet has {size} bytes, the NATS server takes at most {most} (its max_payload)");
        self.client.publish(self.subject.clone(), payload).await.context("the connection to NATS is closed")?;
        self.client.flush().await.context("the connection to NATS broke")
    }
}

impl PacketSink for NatsSink {
    fn publish(&self, packet: OutboundPacket) -> BoxFuture<'_, anyhow::Result<()>> {
        Box::pin(self.send(packet.payload))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.round_trip().await;
            if self.client.drain().await.is_ok() {
                self.events.closed.notified().await;
            }
        })
    }
}

fn explained(error: &ConnectError) -> anyhow::Error {
    match error.kind() {
        ConnectErrorKind::AuthorizationViolation => anyhow!("refused the credentials (authorization violation)"),
        ConnectErrorKind::Authentication => {
            anyhow!("cannot sign with the nkey seed or the .creds file: it is not valid")
        }
        _ => anyhow!("{error}"),
    }
}
