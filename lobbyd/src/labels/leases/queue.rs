use std::time::Instant;

use anyhow::anyhow;
use tracing::{info, warn};

use super::Leases;
use super::file::NotWritten;
use crate::labels::pending::{ChangeOutcome, PendingChange};
use crate::labels::problems::StoreError;
use lobby_core::leases::{LeaseChange, LeaseTable, StoredLeases};

/// Most changes of leases that wait for the disk; further ones are refused.
const MAX_WAITING: usize = 512;

/// The changes of leases that wait for the disk: those that wait while it is busy are written
/// together.
#[derive(Debug)]
pub struct LeaseQueue {
    leases: Leases,
    waiting: Vec<PendingChange<LeaseChange>>,
    /// What the disk had at the start is not known yet.
    is_unread: bool,
    is_busy: bool,
    is_failing: bool,
}

/// Changes that are written together, with all leases that the file holds then.
#[derive(Debug)]
pub struct LeaseBatch {
    changes: Vec<PendingChange<LeaseChange>>,
    draft: LeaseTable,
    /// When the leases of the batch begin.
    begin: Instant,
}

impl LeaseBatch {
    /// The contents of the file. `unix_millis` is what the wall clock said when the batch was made.
    ///
    /// # Errors
    /// None in practice.
    pub fn contents(&self, unix_millis: u64) -> anyhow::Result<Vec<u8>> {
        Ok(StoredLeases::of(&self.draft, self.begin, unix_millis).encode()?)
    }
}

impl LeaseQueue {
    /// A queue whose file is being read.
    pub fn new(leases: Leases) -> Self {
        Self { leases, waiting: Vec::new(), is_unread: true, is_busy: true, is_failing: false }
    }

    /// The file was read. Returns whether there are other labels then.
    pub fn is_read(
        &mut self,
        stored: Option<&StoredLeases>,
        now: Instant,
        unix_millis: u64,
    ) -> bool {
        (self.is_unread, self.is_busy) = (false, false);
        stored.is_some_and(|stored| self.leases.ledger().restore(stored, now, unix_millis))
    }

    /// Whether a change must be on the disk before it counts.
    pub fn must_wait(&self, change: &LeaseChange, now: Instant) -> bool {
        self.is_unread || self.leases.ledger().must_be_stored_first(change, now)
    }

    /// Puts a change behind those that wait already.
    ///
    /// # Errors
    /// When there are too many of them.
    pub fn add(&mut self, change: LeaseChange) -> Result<ChangeOutcome, StoreError> {
        self.waiting.retain(|change| !change.gate().is_given_up());
        if self.waiting.len() >= MAX_WAITING {
            return Err(StoreError::TooMany);
        }
        let (pending, outcome) = PendingChange::new(change);
        self.waiting.push(pending);
        Ok(outcome)
    }

    /// What is to be written now, if anything is. Until it is done nothing else is.
    pub fn next(&mut self, now: Instant) -> Option<LeaseBatch> {
        self.waiting.retain(|change| !change.gate().is_given_up());
        let is_due = self.write_deadline(now).is_some_and(|deadline| deadline <= now);
        if self.is_busy || self.waiting.is_empty() && !is_due {
            return None;
        }
        self.is_busy = true;
        let changes = std::mem::take(&mut self.waiting);
        let draft = self.leases.ledger().draft(changes.iter().map(PendingChange::change), now);
        Some(LeaseBatch { changes, draft, begin: now })
    }

    /// The disk has the batch, or has not. Returns whether there are other labels then.
    pub fn finish(
        &mut self,
        batch: LeaseBatch,
        written: Result<(), NotWritten>,
        now: Instant,
    ) -> bool {
        self.is_busy = false;
        self.tell(&written);
        match written {
            Ok(()) => self.make_count(batch, now),
            Err(NotWritten { error, may_be_there }) => {
                let draft = may_be_there.then_some(batch.draft);
                self.leases.ledger().is_not_written(draft, now);
                for change in batch.changes {
                    change.answer(Err(StoreError::Failed(anyhow!("{error:#}"))));
                }
                false
            }
        }
    }

    /// When something is to be written although nobody waits for it.
    pub fn write_deadline(&self, now: Instant) -> Option<Instant> {
        if self.is_busy { None } else { self.leases.ledger().write_deadline(now) }
    }

    fn make_count(
        &mut self,
        LeaseBatch { changes, draft, begin }: LeaseBatch,
        now: Instant,
    ) -> bool {
        let mut ledger = self.leases.ledger();
        let mut is_changed = false;
        // A change that was given up meanwhile does not count; the next writing takes it away.
        let stands: Vec<_> = changes.into_iter().filter(|change| change.gate().begin()).collect();
        for change in &stands {
            is_changed |= ledger.apply(change.change(), begin);
        }
        ledger.is_written(draft, now);
        drop(ledger);
        stands.into_iter().for_each(|change| change.answer(Ok(())));
        is_changed
    }

    fn tell(&mut self, written: &Result<(), NotWritten>) {
        match written {
            Ok(()) if std::mem::take(&mut self.is_failing) => {
                info!(target: "lobby::labels", "labels that end are stored again");
            }
            Err(NotWritten { error, .. }) if !std::mem::replace(&mut self.is_failing, true) => {
                warn!(target: "lobby::labels", error = format!("{error:#}"), "labels that end cannot be stored");
            }
            _ => {}
        }
    }
}
