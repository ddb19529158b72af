//! A connection to one server: opened, subscribed, and written to.

use std::sync::Arc;

use anyhow::{Context, anyhow, ensure};
use async_nats::{Client, ConnectError, ConnectErrorKind, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;

use super::events::Events;
use super::url::ServerUrl;
use super::{NatsSettings, options};
use crate::link::driver::{Connection, PacketSink};
use crate::link::inbox::inbox;
use lobby_core::link::message::OutboundPacket;

/// Connects to one server and subscribes to the channel. Returns the client too, which knows the other servers of the cluster.
///
/// # Errors
/// Why this server cannot be used.
pub(super) async fn open(
    settings: &NatsSettings,
    server: &ServerUrl,
    client_name: &str,
) -> anyhow::Result<(Connection, Client)> {
    let (sender, mut inbox) = inbox();
    let events = Arc::new(Events::new(sender.clone()));
    let client = connect(settings, server, client_name, &events).await?;
    let subject = settings.subject.clone();
    let messages = client.subscribe(subject.clone()).await.with_context(|| format!("subscribing to {subject}"))?;
    let echo = client.subscribe(events.probe.clone()).await?;
    let sink = NatsSink { client: client.clone(), subject, events, echo: Some(echo).into() };
    sink.round_trip().await;
    inbox.check()?;
    inbox.pump(sender, messages.map(|message| message.payload));
    Ok((Connection { incoming: inbox.boxed(), outgoing: Arc::new(sink) }, client))
}

async fn connect(
    settings: &NatsSettings,
    server: &ServerUrl,
    client_name: &str,
    events: &Arc<Events>,
) -> anyhow::Result<Client> {
    let events = Arc::clone(events);
    let (options, pool) = options::once(server.address().parse()?, settings.silence_limit)?;
    let options = options::authenticated(options, settings, server).await?;
    let options = options.event_callback(move |event| {
        events.happened(event);
        std::future::ready(())
    });
    options.name(client_name).connect(pool).await.map_err(|error| explained(&error))
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
