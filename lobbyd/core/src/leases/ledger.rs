use std::time::{Duration, Instant};

use lobby_client::Label;

use super::{LASTING_TTL, Lease, LeaseChange, LeaseTable, StoredLeases};

/// Least time between the ends of two writings that nobody waits for.
const WRITE_INTERVAL: Duration = Duration::from_secs(1);

/// Time after which a writing that failed is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);

/// Least jump of the wall clock for which stored ends are written anew.
const JUMP: Duration = Duration::from_secs(1);

/// The ledger: the leases that count, those that the disk has, and when it must have others.
///
/// A lease that is new to the disk is there before it counts, and one that is ended is gone from
/// there before; otherwise a crash would undo what was confirmed. Renewals and ends by time are
/// written later, many at once.
#[derive(Debug, Default)]
pub struct Ledger {
    table: LeaseTable,
    on_disk: LeaseTable,
    /// Whether the disk should have something else than it has.
    is_stale: bool,
    /// Before this moment nothing is written that nobody waits for.
    next_write: Option<Instant>,
    /// What the wall clock said at a moment, in milliseconds since the Unix epoch.
    clock: Option<(Instant, u64)>,
}

impl Ledger {
    /// The leases that count.
    pub fn table(&self) -> &LeaseTable {
        &self.table
    }

    /// Takes in what the disk had at the start. Leases that were granted meanwhile stay. Returns
    /// whether there are other labels then.
    pub fn restore(&mut self, stored: &StoredLeases, now: Instant, unix_millis: u64) -> bool {
        self.on_disk = stored.table(now, unix_millis);
        // Leases that ended meanwhile, and ends that another clock has set, are to be replaced.
        self.is_stale = StoredLeases::of(&self.on_disk, now, unix_millis) != *stored;
        let before = self.table.len();
        self.table.add_missing(&self.on_disk);
        self.table.len() != before
    }

    /// Whether the disk must have a change before it counts.
    pub fn must_be_stored_first(&self, change: &LeaseChange, now: Instant) -> bool {
        match change {
            LeaseChange::Grant { labels, ttl } if *ttl >= LASTING_TTL => {
                // The same time again is a renewal.
                let is_renewal = |label| {
                    let stored = self.on_disk.get(label).filter(|stored| stored.end > now);
                    stored.is_some_and(|stored| stored.ttl == *ttl)
                };
                !labels.iter().all(is_renewal)
            }
            LeaseChange::Grant { labels, .. } | LeaseChange::End(labels) => {
                labels.iter().any(|label| self.may_be_stored(label))
            }
        }
    }

    /// Whether the disk has a lease, or is just being given it.
    fn may_be_stored(&self, label: &Label) -> bool {
        let is_lasting = self.table.get(label).is_some_and(Lease::is_lasting);
        is_lasting || self.on_disk.get(label).is_some()
    }

    /// Makes a change. Returns whether there are other labels then.
    pub fn apply(&mut self, change: &LeaseChange, now: Instant) -> bool {
        let is_changed = self.table.apply(change, now);
        let (LeaseChange::Grant { labels, .. } | LeaseChange::End(labels)) = change;
        let is_stored = |label: &Label| {
            let lease = self.table.get(label).filter(|lease| lease.is_lasting());
            lease == self.on_disk.get(label)
        };
        self.is_stale |= !labels.iter().all(is_stored);
        is_changed
    }

    /// Removes the leases that have ended. Returns whether there were any.
    pub fn sweep(&mut self, now: Instant) -> bool {
        self.is_stale |= self.on_disk.deadline().is_some_and(|end| end <= now);
        self.table.sweep(now)
    }

    /// The wall clock says this now, in milliseconds since the Unix epoch. If it was set, the ends
    /// on the disk are no longer right.
    pub fn clock_is(&mut self, unix_millis: u64, now: Instant) {
        let expected = self.clock.map(|(then, millis)| {
            let passed = now.saturating_duration_since(then).as_millis();
            millis.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
        });
        let jump = expected.map_or(0, |expected| expected.abs_diff(unix_millis));
        self.is_stale |= Duration::from_millis(jump) >= JUMP && !self.on_disk.is_empty();
        self.clock = Some((now, unix_millis));
    }

    /// What the disk should have, with changes that it must have first.
    pub fn draft<'a>(
        &self,
        changes: impl IntoIterator<Item = &'a LeaseChange>,
        now: Instant,
    ) -> LeaseTable {
        let mut draft = self.table.clone();
        changes.into_iter().for_each(|change| _ = draft.apply(change, now));
        draft.sweep(now);
        draft.lasting()
    }

    /// The disk has a draft, and the changes in it count already.
    pub fn is_written(&mut self, draft: LeaseTable, now: Instant) {
        self.is_stale = draft != self.table.lasting();
        self.on_disk = draft;
        self.next_write = Some(now + WRITE_INTERVAL);
    }

    /// The disk did not take a draft. `draft` is that if the disk may have it all the same.
    pub fn is_not_written(&mut self, draft: Option<LeaseTable>, now: Instant) {
        if let Some(draft) = draft {
            self.on_disk = draft;
            self.is_stale = true;
        }
        self.next_write = Some(now + RETRY_INTERVAL);
    }

    /// When the disk is to be written although nobody waits for it.
    pub fn write_deadline(&self, now: Instant) -> Option<Instant> {
        self.is_stale.then(|| self.next_write.unwrap_or(now))
    }
}
