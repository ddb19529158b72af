use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use lobby_client::Label;

use super::{LASTING_TTL, Lease, LeaseChange, LeaseTable, Moment, StoredLeases};

/// Least time between the ends of two writings that nobody waits for.
const WRITE_INTERVAL: Duration = Duration::from_secs(1);

/// A renewal so shortly before the end on the disk asks for a writing: at once, or a second after
/// the last one. An earlier renewal is in time when the label source looks for it.
const LATE: Duration = Duration::from_secs(2);

/// Time after which a writing that failed is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);

/// Least jump of the wall clock for which stored ends are written anew.
const JUMP: Duration = Duration::from_secs(1);

/// Most labels of which it is not known whether the disk has them. Beyond them each change waits
/// for the disk.
const MAX_DOUBTFUL: usize = 4096;

/// The ledger: the leases that count, those that the disk has, and when it must have others.
///
/// A lease that is new to the disk is there before it counts, and one that is ended is gone from
/// there before; otherwise a crash would undo what was confirmed. Renewals and ends by time are
/// written later, many at once.
#[derive(Debug, Default)]
pub struct Ledger {
    table: LeaseTable,
    /// The leases that the disk has for certain, each with the earliest end that it may have there.
    on_disk: LeaseTable,
    /// The labels that the disk may have, or not: it failed when they were written or removed.
    doubtful: BTreeSet<Label>,
    /// The labels of grants that wait for the disk. They have their place already.
    promised: BTreeSet<Label>,
    /// Whether the disk should have something else than it has.
    is_stale: bool,
    /// Before this moment nothing is written that nobody waits for.
    next_write: Option<Instant>,
    /// The moment from which the ends on the disk are reckoned.
    reckoned_from: Option<Moment>,
}

impl Ledger {
    /// The leases that count.
    pub fn table(&self) -> &LeaseTable {
        &self.table
    }

    /// Takes in what the disk had at the start, before anything else counts. Returns whether there
    /// are labels then.
    pub fn restore(&mut self, stored: &StoredLeases, moment: Moment) -> bool {
        self.on_disk = stored.table(moment);
        // Leases that ended meanwhile, and ends that another clock has set, are to be replaced.
        self.is_stale = StoredLeases::of(&self.on_disk, moment) != *stored;
        self.table = self.on_disk.clone();
        self.reckoned_from = Some(moment);
        !self.table.is_empty()
    }

    /// Whether the disk must have a change before it counts.
    pub fn must_be_stored_first(&self, change: &LeaseChange, now: Instant) -> bool {
        match change {
            LeaseChange::Grant { labels, ttl } => {
                !labels.iter().all(|label| self.counts_at_once(label, *ttl, now))
            }
            LeaseChange::End(labels) => labels.iter().any(|label| self.may_be_stored(label)),
        }
    }

    /// Whether a lease that is granted now counts before the disk has it.
    fn counts_at_once(&self, label: &Label, ttl: Duration, now: Instant) -> bool {
        if ttl >= LASTING_TTL {
            self.is_renewal(label, ttl, now)
        } else {
            !self.may_be_stored(label)
        }
    }

    /// Gives leases their time anew, where no label comes by that, no lease ends sooner, and the
    /// disk may take its time. Returns whether it did.
    pub fn renew(&mut self, labels: &[Label], ttl: Duration, now: Instant) -> bool {
        let only_lasts_longer = |label: &Label| {
            let is_on_time = |stored: &Lease| stored.end >= now + LATE;
            self.table.get(label).is_some_and(|lease| lease.end <= now + ttl)
                && self.on_disk.get(label).is_none_or(is_on_time)
                && self.counts_at_once(label, ttl, now)
        };
        let may_be_renewed = labels.iter().all(only_lasts_longer);
        if may_be_renewed {
            self.apply(&LeaseChange::Grant { labels: labels.to_vec(), ttl }, now);
        }
        may_be_renewed
    }

    /// Whether a label gets the time that it has on the disk for certain.
    fn is_renewal(&self, label: &Label, ttl: Duration, now: Instant) -> bool {
        let stored = self.on_disk.get(label).filter(|stored| stored.end > now);
        stored.is_some_and(|stored| stored.ttl == ttl)
    }

    /// Whether the disk may have a lease, or may be just being given it.
    fn may_be_stored(&self, label: &Label) -> bool {
        self.table.get(label).is_some_and(Lease::is_lasting)
            || self.on_disk.get(label).is_some()
            || self.promised.contains(label)
            || self.doubtful.contains(label)
            || self.doubtful.len() > MAX_DOUBTFUL
    }

    /// Keeps a place for the labels of a change that waits for the disk.
    pub fn promise(&mut self, change: &LeaseChange) {
        if let LeaseChange::Grant { labels, .. } = change {
            self.promised.extend(labels.iter().cloned());
        }
    }

    /// Only these changes wait for the disk any more.
    pub fn promise_only<'a>(&mut self, changes: impl IntoIterator<Item = &'a LeaseChange>) {
        self.promised.clear();
        changes.into_iter().for_each(|change| self.promise(change));
    }

    /// The labels that have a lease, or may get one when the disk has it. Some come twice.
    pub fn labels_to_come(&self) -> Vec<Label> {
        let counting = self.table.iter().map(|(label, _)| label);
        counting.chain(&self.promised).cloned().collect()
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

    /// It is this moment now. If the wall clock was set meanwhile, the ends on the disk are no
    /// longer right.
    pub fn clock_is(&mut self, moment: Moment) {
        let jump = self.reckoned_from.map_or(Duration::ZERO, |from| from.jump_until(moment));
        self.is_stale |= jump >= JUMP && !self.on_disk.is_empty();
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

    /// The disk has a draft, and the changes in it count already. Its ends are reckoned from
    /// `reckoned_from`.
    pub fn is_written(&mut self, draft: LeaseTable, reckoned_from: Moment, now: Instant) {
        self.is_stale = draft != self.table.lasting();
        self.on_disk = draft;
        self.doubtful.clear();
        self.reckoned_from = Some(reckoned_from);
        self.next_write = Some(now + WRITE_INTERVAL);
    }

    /// Some of what the disk has was given up: it is written anew without delay.
    pub fn hurry(&mut self) {
        self.next_write = None;
    }

    /// The disk did not take a draft. `draft` is that if the disk may have it all the same.
    pub fn is_not_written(&mut self, draft: Option<&LeaseTable>, now: Instant) {
        if let Some(draft) = draft {
            let labels = [&self.on_disk, draft].into_iter().flat_map(LeaseTable::iter);
            let room = (MAX_DOUBTFUL + 1).saturating_sub(self.doubtful.len());
            self.doubtful.extend(labels.map(|(label, _)| label.clone()).take(room));
            self.on_disk = self.on_disk.common(draft);
            self.is_stale = true;
        }
        self.next_write = Some(now + RETRY_INTERVAL);
    }

    /// When the disk is to be written although nobody waits for it.
    pub fn write_deadline(&self, now: Instant) -> Option<Instant> {
        self.is_stale.then(|| self.next_write.unwrap_or(now))
    }
}
