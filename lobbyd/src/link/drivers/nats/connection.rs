//! A connection to one server: opened, subscribed, and written to.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, anyhow, ensure};
use async_nats::{Client, ConnectError, ConnectErrorKind, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use lobby_client::tls;

use super::closings::{self, ClosingAccess};
use super::events::Events;
use super::options::{self, Opening, Target};
use super::sync::{NatsSync, SyncAccess};
use crate::link::driver::{Connection, PacketSink, SyncChannel};
use crate::link::drivers::diagnosis::first_words;
use crate::link::inbox::inbox;
use lobby_core::link::message::OutboundPacket;

/// Connects to one address and subscribes to the channel. Returns the client too, which knows the
/// other servers of the cluster.
///
/// # Errors
/// Why this server cannot be used.
pub(super) async fn open(target: Target<'_>) -> anyhow::Result<(Connection, Client)> {
    let Opening { settings, own, refusal, .. } = target.opening;
    let (sender, mut inbox) = inbox();
    let access = SyncAccess::beside(&settings.subject);
    let closings = ClosingAccess::to(settings.events.as_deref());
    let events = Events::new(sender.clone(), (*refusal).clone(), access.clone(), closings.clone());
    let events = Arc::new(events);
    let client = connect(target, &events).await?;
    let subject = settings.subject.clone();
    let messages = client
        .subscribe(subject.clone())
        .await
        .with_context(|| format!("subscribing to {subject}"))?;
    if let Some(subject) = closings.subject() {
        let told = client.subscribe(subject.to_owned()).await;
        let told = told.with_context(|| format!("subscribing to {subject}"))?;
        let login = options::own_login(target.opening).await?;
        inbox.run(closings::hand_over(told, login, sender.clone()));
    }
    if let Some(packet) = own.as_ref().filter(|_| refusal.stands()) {
        client.publish(subject.clone(), packet.clone()).await?;
    }
    let echo = client.subscribe(events.probe.clone()).await?;
    let sink = NatsSink { client: client.clone(), subject, events, echo: Some(echo).into() };
    sink.round_trip().await;
    inbox.check()?;
    refusal.set(false);
    inbox.pump(sender, messages.map(|message| message.payload));
    let (incoming, outgoing) = (inbox.boxed(), Arc::new(sink));
    let (server, peer) = (Some(target.url.address()), Some(target.address));
    let sync: Arc<dyn SyncChannel> = Arc::new(NatsSync { client: client.clone(), access });
    let sync = Some(sync);
    Ok((Connection { incoming, outgoing, note: closings.note(), server, peer, sync }, client))
}

async fn connect(target: Target<'_>, events: &Arc<Events>) -> anyhow::Result<Client> {
    let events = Arc::clone(events);
    let (options, pool) = options::once(target)?;
    let options = options::authenticated(options, target).await?;
    let options = options.event_callback(move |event| {
        events.happened(event);
        std::future::ready(())
    });
    match options.name(target.opening.client_name).connect(pool).await {
        Ok(client) => Ok(client),
        Err(error) => Err(explained(&error, target.address).await),
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
    /// Returns when the server has dealt with all that was sent before. NATS answers in order, so
    /// an empty message to a subject that only this connection hears tells; and if this user
    /// may not use that subject, the refusal does.
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

    async fn send(&self, OutboundPacket { payload, .. }: OutboundPacket) -> anyhow::Result<()> {
        let (size, most) = (payload.len(), self.client.max_payload());
        ensure!(
            size <= most,
            "the packet has {size} bytes, the NATS server takes at most {most} (its max_payload)"
        );
        self.client
            .publish(self.subject.clone(), payload)
            .await
            .context("the connection to NATS is closed")?;
        self.client.flush().await.context("the connection to NATS broke")
    }
}

impl PacketSink for NatsSink {
    fn publish(&self, packet: OutboundPacket) -> BoxFuture<'_, anyhow::Result<()>> {
        Box::pin(self.send(packet))
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

async fn explained(error: &ConnectError, address: SocketAddr) -> anyhow::Error {
    match error.kind() {
        ConnectErrorKind::AuthorizationViolation => {
            anyhow!("refused the credentials (authorization violation)")
        }
        ConnectErrorKind::Authentication => {
            anyhow!("cannot sign with the nkey seed or the .creds file: it is not valid")
        }
        _ => match tls::explained(error) {
            Some(words) => anyhow!("{words}"),
            None if is_other_server(address).await => anyhow!("is not a NATS server"),
            None => anyhow!("{error}"),
        },
    }
}

/// Whether something answers that does not begin as every NATS server does.
async fn is_other_server(address: SocketAddr) -> bool {
    let words = first_words(address).await;
    !words.is_empty() && !words.starts_with(b"INFO")
}
