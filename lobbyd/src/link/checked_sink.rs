//! The loopback check between the two sides of a connection: what is sent must be received.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::Notify;

use super::driver::{LARGEST_BATCH, PacketSink};
use crate::sys::clock;
use lobby_core::link::loopback::LoopbackCheck;
use lobby_core::link::message::{InboundEvent, OutboundPacket};

/// A loopback check that both sides of a connection share.
#[derive(Debug)]
pub(super) struct SharedCheck {
    check: Mutex<LoopbackCheck>,
    sent: Notify,
}

impl SharedCheck {
    pub(super) fn new(check: LoopbackCheck) -> Arc<Self> {
        Arc::new(Self { check: Mutex::new(check), sent: Notify::new() })
    }

    /// Looks for the own packet in a batch.
    pub(super) fn observe(&self, batch: &[InboundEvent]) {
        let mut check = self.check();
        if batch.len() == LARGEST_BATCH {
            check.postpone(clock::now());
        }
        for event in batch {
            if let InboundEvent::Packet { payload, .. } = event {
                check.listen(payload);
            }
        }
    }

    /// Waits until an own packet is overdue.
    pub(super) async fn stalled(&self) {
        loop {
            let deadline = self.check().deadline();
            match deadline {
                Some(deadline) if deadline <= clock::now() => return,
                Some(deadline) => clock::sleep_until(deadline).await,
                None => self.sent.notified().await,
            }
        }
    }

    fn check(&self) -> MutexGuard<'_, LoopbackCheck> {
        self.check.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sending side of a connection, which tells the check of each packet.
#[derive(Debug)]
pub(super) struct CheckedSink {
    pub(super) sink: Arc<dyn PacketSink>,
    pub(super) check: Arc<SharedCheck>,
}

impl CheckedSink {
    async fn send(&self, packet: OutboundPacket) -> anyhow::Result<()> {
        // Told before, as the packet may be back before the broker has confirmed it.
        let only = self.check.check().sending(clock::now());
        self.check.sent.notify_one();
        let outcome = self.sink.publish(packet).await;
        if outcome.is_err() && only {
            self.check.check().not_sent();
        }
        outcome
    }
}

impl PacketSink for CheckedSink {
    fn publish(&self, packet: OutboundPacket) -> BoxFuture<'_, anyhow::Result<()>> {
        Box::pin(self.send(packet))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.sink.close()
    }
}
