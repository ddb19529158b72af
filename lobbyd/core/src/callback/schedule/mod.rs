//! The schedule of the callback.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lobby_client::HostName;

use super::differences::Differences;
use super::host_list::HostList;
use crate::registry::host::Host;
use crate::registry::snapshot::Snapshot;
use crate::select::selection::Selection;

/// Shortest pause before a failed run is tried again.
const SHORTEST_RETRY: Duration = Duration::from_secs(1);

/// Longest such pause, unless the cooldown is longer.
const LONGEST_RETRY: Duration = Duration::from_secs(10 * 60);

/// How long runs wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pauses {
    /// Before the first run.
    pub first: Duration,
    /// Until nothing has changed for that long, at most ten times as long.
    pub settle: Duration,
    /// Between the end of one run and the start of the next.
    pub cooldown: Duration,
}

/// Why a run starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunReason {
    /// It is the first one.
    First,
    /// The list has changed.
    Change,
    /// The last one failed, and nothing has changed since.
    Retry,
}

/// The schedule of the callback: a first run always, then one when the list is another than that of
/// the last run, after it has settled; never two at once, a pause after each, and one more after a
/// failure.
#[derive(Debug)]
pub struct RunSchedule {
    pauses: Pauses,
    phase: Phase,
    retired: bool,
    not_before: Instant,
    /// When a run starts although nothing has changed.
    anyway: Option<Instant>,
    is_first: bool,
    /// Failures one after another, without a change between them.
    failures: u32,
    /// The list of the last run, if that succeeded or is not over.
    last: Option<HostList>,
    differences: Differences,
    /// The revision up to which changes were seen; none before the first snapshot.
    seen: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    /// The list is being made.
    Preparing,
    Running,
}

impl fmt::Display for RunReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::First => "first",
            Self::Change => "change",
            Self::Retry => "retry",
        })
    }
}

impl RunSchedule {
    /// The schedule of a daemon that starts now.
    pub fn new(pauses: Pauses, now: Instant) -> Self {
        let not_before = now + pauses.first;
        Self {
            pauses,
            phase: Phase::Idle,
            retired: false,
            not_before,
            anyway: Some(not_before),
            is_first: true,
            failures: 0,
            last: None,
            differences: Differences::default(),
            seen: None,
        }
    }

    /// Takes what has changed in a selection up to this snapshot. Returns whether anything has.
    pub fn follow(&mut self, snapshot: &Snapshot, selection: &Selection, now: Instant) -> bool {
        // Whatever the first snapshot holds, the first run comes.
        let Some(seen) = self.seen.replace(snapshot.revision()) else { return false };
        let Some(changes) = snapshot.changes_since(seen) else {
            self.differences.note_unlisted(now);
            return true;
        };
        let mut changed = false;
        for change in changes.filter(|change| change.concerns(selection)) {
            let name = change.host.name();
            let entry = snapshot.host_named(name, now);
            self.changed(name, entry.filter(|host| host.is_selected_by(selection)), now);
            changed = true;
        }
        changed
    }

    /// A host has changed. `entry` is the host as it is in the list now, if it is.
    fn changed(&mut self, host: &HostName, entry: Option<&Arc<Host>>, now: Instant) {
        match self.last.as_ref().filter(|_| self.phase != Phase::Preparing) {
            Some(last) => self.differences.note(host, last.differs(host, entry), now),
            None => self.differences.note_unlisted(now),
        }
    }

    /// When the next run may start; none if there is nothing new, or if one is not over.
    pub fn deadline(&self) -> Option<Instant> {
        if self.retired || self.phase != Phase::Idle {
            return None;
        }
        let wanted = self.differences.settled_at(self.pauses.settle).or(self.anyway)?;
        Some(wanted.max(self.not_before))
    }

    /// Whether a run starts now, and why. If so, its list is to be made, and
    /// [`prepared`](Self::prepared) must follow.
    pub fn start(&mut self, now: Instant) -> Option<RunReason> {
        self.deadline().filter(|deadline| *deadline <= now)?;
        let changed = self.differences.settled_at(self.pauses.settle).is_some();
        let reason = match (self.is_first, changed) {
            (true, _) => RunReason::First,
            (false, true) => RunReason::Change,
            (false, false) => RunReason::Retry,
        };
        if reason != RunReason::Retry {
            self.failures = 0;
        }
        (self.is_first, self.phase) = (false, Phase::Preparing);
        self.differences = Differences::default();
        Some(reason)
    }

    /// The list of the run. Returns whether it is run: not if the last run has succeeded with the
    /// same names and labels. If it is, [`end`](Self::end) must follow.
    pub fn prepared(&mut self, list: HostList) -> bool {
        let is_new = self.last.as_ref().is_none_or(|last| !last.is_same(&list));
        self.last = Some(list);
        self.phase = if is_new { Phase::Running } else { Phase::Idle };
        is_new
    }

    /// The run has ended, or could not be made.
    pub fn end(&mut self, succeeded: bool, now: Instant) {
        self.phase = Phase::Idle;
        self.not_before = now + self.pauses.cooldown;
        self.anyway = (!succeeded).then(|| now + self.retry_pause());
        if succeeded {
            self.failures = 0;
        } else {
            self.failures = self.failures.saturating_add(1);
            self.last = None;
        }
    }

    /// No run starts any more.
    pub fn retire(&mut self) {
        self.retired = true;
    }

    /// Whether no run starts any more.
    pub fn is_retired(&self) -> bool {
        self.retired
    }

    fn retry_pause(&self) -> Duration {
        let shortest = self.pauses.cooldown.max(SHORTEST_RETRY);
        let longest = shortest.max(LONGEST_RETRY);
        shortest.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX)).min(longest)
    }
}

#[cfg(test)]
mod tests;
