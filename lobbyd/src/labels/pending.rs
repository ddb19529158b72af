//! Changes that wait for a disk: each is stored in time, or given up and never stored.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::warn;

use super::commit_gate::CommitGate;
use super::problems::StoreError;

/// Longest time that reading and writing labels may take before it is given up.
pub const DISK_LIMIT: Duration = Duration::from_secs(5);

/// Further time for a change that is being put in place already; with [`DISK_LIMIT`] less than the
/// 10 s that lobbyctl waits.
const COMMIT_LIMIT: Duration = Duration::from_secs(4);

/// A change that waits for the disk, or is being stored.
#[derive(Debug)]
pub struct PendingChange<C> {
    change: C,
    gate: CommitGate,
    reply: oneshot::Sender<Result<(), StoreError>>,
}

impl<C> PendingChange<C> {
    /// A change, and what comes of it.
    pub fn new(change: C) -> (Self, ChangeOutcome) {
        let (gate, (reply, outcome)) = (CommitGate::default(), oneshot::channel());
        let pending = Self { change, gate: gate.clone(), reply };
        (pending, ChangeOutcome { gate, reply: outcome })
    }

    /// The change.
    pub fn change(&self) -> &C {
        &self.change
    }

    /// The gate that it passes on its way to the disk.
    pub fn gate(&self) -> &CommitGate {
        &self.gate
    }

    /// Tells the one who asked for the change what came of it.
    pub fn answer(self, stored: Result<(), StoreError>) {
        if let Err(Err(StoreError::Failed(error))) = self.reply.send(stored) {
            warn!(target: "lobby::labels", error = format!("{error:#}"), "labels were not stored, long after they were given up");
        }
    }
}

/// What comes of a change.
#[derive(Debug)]
pub struct ChangeOutcome {
    gate: CommitGate,
    reply: oneshot::Receiver<Result<(), StoreError>>,
}

impl ChangeOutcome {
    #[cfg(test)]
    pub(super) fn gate(&self) -> &CommitGate {
        &self.gate
    }

    /// Waits until the change is stored, or gives it up when the disk takes too long.
    ///
    /// # Errors
    /// Why it is not stored, and will not be.
    pub async fn wait(mut self) -> Result<(), StoreError> {
        let stopping = |_| Err(StoreError::Failed(anyhow::anyhow!("lobbyd is stopping")));
        match timeout(DISK_LIMIT, &mut self.reply).await {
            Ok(stored) => return stored.unwrap_or_else(stopping),
            Err(_) if self.gate.give_up() => return Err(StoreError::TooSlow),
            Err(_) => {}
        }
        match timeout(COMMIT_LIMIT, &mut self.reply).await {
            Ok(stored) => stored.unwrap_or_else(stopping),
            Err(_) if self.gate.take_back() => Err(StoreError::TakenBack),
            // It stands or has failed just now, so the reply is on its way.
            Err(_) => self.reply.await.unwrap_or_else(stopping),
        }
    }
}
