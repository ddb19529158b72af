//! The outbox of a connection: packets go out one after another, and a slow broker delays no other.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, warn};

use super::driver::PacketSink;
use crate::sys::clock;
use lobby_core::link::message::OutboundPacket;
use lobby_core::log::throttle::Throttle;

/// Most packets that wait. More would be stale when they got their turn: the next keep-alive says
/// it all.
const LONGEST_QUEUE: usize = 16;

/// Longest time that a connection may take over one packet.
const PUBLISH_LIMIT: Duration = Duration::from_secs(2);

/// Sends packets over one open connection, in order. When it is dropped, those that wait are lost.
#[derive(Debug)]
pub(super) struct Outbox {
    driver: &'static str,
    queue: mpsc::Sender<OutboundPacket>,
    /// Sends the packets; ends with its owner.
    task: AbortOnDropHandle<()>,
}

impl Outbox {
    /// Begins to send over a connection. `driver` is its name, for logs; `report` is told of each
    /// packet whether the channel took it, and if not, why.
    pub(super) fn open(
        driver: &'static str,
        outgoing: Arc<dyn PacketSink>,
        report: impl Fn(Result<(), String>) + Send + 'static,
    ) -> Self {
        let (queue, packets) = mpsc::channel(LONGEST_QUEUE);
        let task =
            AbortOnDropHandle::new(tokio::spawn(send_all(driver, outgoing, packets, report)));
        Self { driver, queue, task }
    }

    /// Puts a packet in the queue, and tells whether it is there; when that is full the packet is
    /// dropped.
    pub(super) fn post(&self, packet: OutboundPacket) -> bool {
        let posted = self.queue.try_send(packet);
        if let Err(TrySendError::Full(_)) = posted {
            debug!(target: "lobby::link", driver = self.driver, "broker is slow, own packet dropped");
        }
        posted.is_ok()
    }

    /// Sends what waits, closes the connection and returns when both are done. The caller limits
    /// the time.
    pub(super) async fn empty(self) {
        let Self { queue, task, .. } = self;
        drop(queue);
        // The task ends by itself once the queue is empty; that it was cancelled or panicked leaves
        // nothing to be done.
        task.await.ok();
    }
}

async fn send_all(
    driver: &'static str,
    outgoing: Arc<dyn PacketSink>,
    mut packets: mpsc::Receiver<OutboundPacket>,
    report: impl Fn(Result<(), String>) + Send,
) {
    let mut log = Throttle::new(3, Duration::from_secs(60));
    while let Some(packet) = packets.recv().await {
        debug!(target: "lobby::link", driver, host = %packet.host, bytes = packet.payload.len(), "sending own packet");
        let outcome = timeout(PUBLISH_LIMIT, outgoing.publish(packet)).await;
        let outcome =
            outcome.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {PUBLISH_LIMIT:?}")));
        let outcome = outcome.map_err(|error| format!("{error:#}"));
        if let Err(error) = &outcome
            && let Some(held_back) = log.pass(clock::now())
        {
            warn!(target: "lobby::link", driver, error, held_back, "publishing failed");
        }
        report(outcome);
    }
    outgoing.close().await;
}
