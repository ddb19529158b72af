use std::time::{Duration, Instant};

use anyhow::anyhow;
use tracing::{info, warn};

use super::Leases;
use super::file::{LeaseFile, NotWritten};
use crate::labels::pending::{ChangeOutcome, PendingChange};
use crate::labels::problems::StoreError;
use lobby_core::leases::{LeaseChange, LeaseTable, Moment, StoredLeases};

/// Most changes of leases that wait for the disk; further ones are refused.
const MAX_WAITING: usize = 512;

/// Longest writing after which leases still end when the disk says. After a longer one they begin
/// when they count, so that none is over before it was confirmed.
const PROMPT: Duration = Duration::from_millis(100);

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
    /// The last batch came to nothing, and renewals with it: they go first now.
    is_outdated: bool,
}

/// Changes that are written together, with all leases that the file holds then.
#[derive(Debug)]
pub struct LeaseBatch {
    changes: Vec<PendingChange<LeaseChange>>,
    draft: LeaseTable,
    /// When the leases of the batch begin.
    begin: Moment,
}

impl LeaseBatch {
    /// Stores the batch, unless a change of it is given up before the file is touched. This blocks.
    ///
    /// What is given up later, while the file is put in place, a crash in that moment can still
    /// bring back. The one who asked is told that it will be taken back, and the next writing,
    /// which follows at once, does that.
    ///
    /// # Errors
    /// Why it is not stored.
    pub fn store(&self, file: &LeaseFile) -> Result<(), NotWritten> {
        let contents = StoredLeases::of(&self.draft, self.begin).encode();
        let contents = contents.map_err(|error| NotWritten::Failed(error.into()))?;
        file.write(&contents, || self.pass_gates())
    }

    /// Begins all changes. Returns false if one was given up.
    fn pass_gates(&self) -> bool {
        // One that has begun with an earlier batch goes on.
        self.changes.iter().for_each(|change| _ = change.gate().begin());
        !self.changes.iter().any(|change| change.gate().is_given_up())
    }
}

impl LeaseQueue {
    /// A queue whose file is being read.
    pub fn new(leases: Leases) -> Self {
        Self {
            leases,
            waiting: Vec::new(),
            is_unread: true,
            is_busy: true,
            is_failing: false,
            is_outdated: false,
        }
    }

    /// The file was read. The changes that wait must fit in with what it held: `check` says so of
    /// each. Returns whether there are other labels then.
    pub fn is_read(
        &mut self,
        stored: Option<&StoredLeases>,
        moment: Moment,
        check: impl Fn(&LeaseChange) -> Result<(), StoreError>,
    ) -> bool {
        (self.is_unread, self.is_busy) = (false, false);
        let is_changed = stored.is_some_and(|stored| self.leases.ledger().restore(stored, moment));
        self.leases.ledger().promise_only([]);
        for pending in std::mem::take(&mut self.waiting) {
            match check(pending.change()) {
                Ok(()) => self.push(pending),
                Err(refusal) => pending.answer(Err(refusal)),
            }
        }
        is_changed
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
        self.push(pending);
        Ok(outcome)
    }

    fn push(&mut self, pending: PendingChange<LeaseChange>) {
        self.leases.ledger().promise(pending.change());
        self.waiting.push(pending);
    }

    /// What is to be written now, if anything is. Until it is done nothing else is.
    pub fn next(&mut self, begin: Moment) -> Option<LeaseBatch> {
        let now = begin.now;
        self.waiting.retain(|change| !change.gate().is_given_up());
        let is_due = self.write_deadline(now).is_some_and(|deadline| deadline <= now);
        if self.is_busy || self.waiting.is_empty() && !is_due {
            return None;
        }
        self.is_busy = true;
        let is_for_renewals = std::mem::take(&mut self.is_outdated) && is_due;
        let changes = if is_for_renewals { Vec::new() } else { std::mem::take(&mut self.waiting) };
        let draft = self.leases.ledger().draft(changes.iter().map(PendingChange::change), now);
        Some(LeaseBatch { changes, draft, begin })
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
        let is_changed = match written {
            Ok(()) => self.make_count(batch, now),
            Err(NotWritten::Outdated) => {
                self.is_outdated = true;
                self.waiting.splice(..0, batch.changes);
                false
            }
            Err(NotWritten::Failed(error)) => self.refuse(batch.changes, None, &error, now),
            Err(NotWritten::InDoubt(error)) => {
                self.refuse(batch.changes, Some(&batch.draft), &error, now)
            }
        };
        self.waiting.retain(|change| !change.gate().is_given_up());
        self.leases.ledger().promise_only(self.waiting.iter().map(PendingChange::change));
        is_changed
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
        let (stands, given_up): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(|change| change.gate().complete());
        let is_prompt = now.saturating_duration_since(begin.now) <= PROMPT;
        let counts_from = if is_prompt { begin.now } else { now };
        let mut ledger = self.leases.ledger();
        let mut is_changed = false;
        for change in &stands {
            is_changed |= ledger.apply(change.change(), counts_from);
        }
        ledger.is_written(draft, begin, now);
        if !given_up.is_empty() {
            ledger.hurry();
        }
        drop(ledger);
        stands.into_iter().for_each(|change| change.answer(Ok(())));
        is_changed
    }

    /// Answers changes that the disk did not take. No label is another then.
    fn refuse(
        &self,
        changes: Vec<PendingChange<LeaseChange>>,
        in_doubt: Option<&LeaseTable>,
        error: &anyhow::Error,
        now: Instant,
    ) -> bool {
        self.leases.ledger().is_not_written(in_doubt, now);
        for change in changes {
            change.answer(Err(StoreError::Failed(anyhow!("{error:#}"))));
        }
        false
    }

    fn tell(&mut self, written: &Result<(), NotWritten>) {
        match written {
            Ok(()) if std::mem::take(&mut self.is_failing) => {
                info!(target: "lobby::labels", "labels that end are stored again");
            }
            Err(NotWritten::Failed(error) | NotWritten::InDoubt(error))
                if !std::mem::replace(&mut self.is_failing, true) =>
            {
                warn!(target: "lobby::labels", error = format!("{error:#}"), "labels that end cannot be stored");
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
