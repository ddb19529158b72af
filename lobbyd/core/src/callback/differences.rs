//! What has changed since the list that the last run of the callback was given.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use lobby_client::HostName;

/// How many times longer than it should a run waits while changes go on.
const MOST_WAITS: u32 = 10;

/// The hosts that differ from the list of the last run, each with the time since when. A host that
/// is again as it was differs no more, so its restart is no difference.
#[derive(Debug, Default)]
pub(super) struct Differences {
    since: BTreeMap<HostName, Instant>,
    /// The same, the oldest first.
    by_age: BTreeSet<(Instant, HostName)>,
    /// Since when hosts may differ that are not listed here.
    unlisted: Option<Instant>,
    last_change: Option<Instant>,
}

impl Differences {
    /// A host has changed, and differs from the list or is again as it was.
    pub(super) fn note(&mut self, host: &HostName, differs: bool, now: Instant) {
        self.last_change = Some(now);
        match (self.since.get(host), differs) {
            (None, true) => {
                self.since.insert(host.clone(), now);
                self.by_age.insert((now, host.clone()));
            }
            (Some(since), false) => {
                self.by_age.remove(&(*since, host.clone()));
                self.since.remove(host);
            }
            _ => {}
        }
    }

    /// Some host has changed, and there is no list to compare it with.
    pub(super) fn note_unlisted(&mut self, now: Instant) {
        self.last_change = Some(now);
        self.unlisted.get_or_insert(now);
    }

    /// When the differences may be told: nothing has changed for `settle` then, or they have waited
    /// ten times as long. None without any.
    pub(super) fn settled_at(&self, settle: Duration) -> Option<Instant> {
        let oldest = self.by_age.first().map(|(since, _)| *since);
        let oldest = oldest.into_iter().chain(self.unlisted).min()?;
        let latest = oldest + settle * MOST_WAITS;
        Some(self.last_change.map_or(latest, |last| latest.min(last + settle)))
    }
}
