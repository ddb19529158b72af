use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use lobby_client::Label;

use super::LASTING_TTL;

/// How long a label lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// When it ends.
    pub end: Instant,
    /// The time that it was given.
    pub ttl: Duration,
}

impl Lease {
    /// A lease that begins now.
    pub fn new(ttl: Duration, now: Instant) -> Self {
        Self { end: now + ttl, ttl }
    }

    /// Whether it survives a restart.
    pub fn is_lasting(&self) -> bool {
        self.ttl >= LASTING_TTL
    }

    /// How long it still lasts.
    pub fn remaining(&self, now: Instant) -> Duration {
        self.end.saturating_duration_since(now)
    }
}

/// A change of leases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseChange {
    /// Each label lasts for this time from now on, whether it had a lease or not.
    Grant {
        /// The labels.
        labels: Vec<Label>,
        /// The time.
        ttl: Duration,
    },
    /// The leases of these labels end, where they have one.
    End(Vec<Label>),
}

/// The lease table: which labels last until when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeaseTable(BTreeMap<Label, Lease>);

impl LeaseTable {
    /// Makes a change. Returns whether there are other labels then.
    pub fn apply(&mut self, change: &LeaseChange, now: Instant) -> bool {
        let before = self.0.len();
        match change {
            LeaseChange::Grant { labels, ttl } => {
                let granted = labels.iter().map(|label| (label.clone(), Lease::new(*ttl, now)));
                self.0.extend(granted);
            }
            LeaseChange::End(labels) => labels.iter().for_each(|label| _ = self.0.remove(label)),
        }
        self.0.len() != before
    }

    /// Removes the leases that have ended. Returns whether there were any.
    pub fn sweep(&mut self, now: Instant) -> bool {
        let before = self.0.len();
        self.0.retain(|_, lease| lease.end > now);
        self.0.len() != before
    }

    /// When the next lease ends.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.values().map(|lease| lease.end).min()
    }

    /// The leases that survive a restart.
    pub fn lasting(&self) -> Self {
        let lasting = self.0.iter().filter(|(_, lease)| lease.is_lasting());
        Self(lasting.map(|(label, lease)| (label.clone(), *lease)).collect())
    }

    /// The lease of a label.
    pub fn get(&self, label: &Label) -> Option<&Lease> {
        self.0.get(label)
    }

    /// Each label with its lease, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Label, &Lease)> {
        self.0.iter()
    }

    /// How many leases there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The leases that both tables have, of the same time. Each ends at the earlier of two ends.
    pub(super) fn common(&self, other: &Self) -> Self {
        let common = |(label, lease): (&Label, &Lease)| {
            let same = other.get(label).filter(|other| other.ttl == lease.ttl)?;
            Some((label.clone(), Lease { end: lease.end.min(same.end), ttl: lease.ttl }))
        };
        self.iter().filter_map(common).collect()
    }
}

impl FromIterator<(Label, Lease)> for LeaseTable {
    fn from_iter<I: IntoIterator<Item = (Label, Lease)>>(leases: I) -> Self {
        Self(leases.into_iter().collect())
    }
}
