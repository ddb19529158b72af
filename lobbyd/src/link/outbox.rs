//! The queue before a channel: parcels go out one after another, and a slow broker delays nobody but itself.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::{debug, warn};

use super::driver::PacketSink;
use crate::sys::clock;
use lobby_core::link::message::OutboundPacket;
use lobby_core::log::throttle::Throttle;

/// Most parcels that wait. More would be stale when they got their turn: the next keep-alive says it all.
const LONGEST_QUEUE: usize = 16;

/// Longest time that a channel may take over one parcel.
const PUBLISH_LIMIT: Duration = Duration::from_secs(2);

/// Sends parcels over one open channel, in order. Dropped, it forgets those that wait.
#[derive(Debug)]
pub(super) struct Outbox {
    driver: &'static str,
    queue: mpsc::Sender<OutboundPacket>,
    carriage: Carriage,
}

/// The task that carries the parcels; it ends with its owner.
#[derive(Debug)]
struct Carriage(JoinHandle<()>);

impl Drop for Carriage {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Outbox {
    /// Begins to send over a channel. `driver` is its name, for logs; `sent` is called for each parcel that the channel took.
    pub(super) fn open(driver: &'static str, outgoing: Arc<dyn PacketSink>, sent: impl Fn() + Send + 'static) -> Self {
        let (queue, parcels) = mpsc::channel(LONGEST_QUEUE);
        Self { driver, queue, carriage: Carriage(tokio::spawn(carry(driver, outgoing, parcels, sent))) }
    }

    /// Puts a parcel in the queue; when that is full the parcel is dropped.
    pub(super) fn post(&self, packet: OutboundPacket) {
        if let Err(TrySendError::Full(_)) = self.queue.try_send(packet) {
            debug!(driver = self.driver, "broker is slow, own packet dropped");
        }
    }

    /// Sends what waits, closes the channel and returns when both are done. The caller limits the time.
    pub(super) async fn empty(self) {
        let Self { queue, mut carriage, .. } = self;
        drop(queue);
        // The task ends by itself once the queue is empty; that it was cancelled or panicked leaves nothing to be done.
        (&mut carriage.0).await.ok();
    }
}

async fn carry(
    driver: &'static str,
    outgoing: Arc<dyn PacketSink>,
    mut parcels: mpsc::Receiver<OutboundPacket>,
    sent: impl Fn() + Send,
) {
    let mut log = Throttle::new(3, Duration::from_secs(60));
    while let Some(packet) = parcels.recv().await {
        debug!(driver, host = %packet.host, bytes = packet.payload.len(), "sending own packet");
        let outcome = timeout(PUBLISH_LIMIT, outgoing.publish(packet)).await;
        let outcome = outcome.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {PUBLISH_LIMIT:?}")));
        let Err(error) = outcome else {
            sent();
            continue;
        };
        if let Some(held_back) = log.pass(clock::now()) {
            warn!(driver, error = format!("{error:#}"), held_back, "publishing failed");
        }
    }
    outgoing.close().await;
}
