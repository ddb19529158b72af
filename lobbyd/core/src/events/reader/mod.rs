//! Reader: what somebody who follows the fleet has been told, and is told next.

use std::sync::Arc;

use lobby_client::Selector;

use crate::events::event_id::EventId;
use crate::events::status::FeedStatus;
use crate::registry::change::{Change, ChangeKind};
use crate::registry::snapshot::Snapshot;

/// Most messages at once. A reader that is far behind gets them in several portions.
const MAX_MESSAGES: usize = 256;

/// Most bytes of packets and labels that the changes of a portion keep alive, but for the last one:
/// a reader that takes nothing holds its portion until it is cut.
const MAX_TEXT_LEN: usize = 64 << 10;

/// A reader of the feed. It keeps nothing but its place: whether it knows a host follows from the
/// labels that the host had at that revision.
#[derive(Debug)]
pub struct Reader {
    selector: Option<Selector>,
    /// The revision up to which it has been told everything.
    told: Option<u64>,
    status: Option<FeedStatus>,
}

/// What a reader is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeedMessage {
    /// The hosts at this revision: what it knew before no longer counts.
    Snapshot(u64),
    /// A change, and what it is to this reader.
    Change(Arc<Change>, Effect),
    /// How much it may rely on what it knows.
    Status(FeedStatus),
}

/// What a change is to a reader with a selector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// A host that it was not told of.
    Join,
    /// Other labels of a host that it knows.
    Update,
    /// A host has gone.
    Leave(LeaveReason),
}

/// Why a host has gone for a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaveReason {
    /// It said goodbye.
    Goodbye,
    /// It was not heard for TTL.
    Expired,
    /// Its connection to the broker was closed, and it was not heard again.
    Lost,
    /// The selector no longer matches it.
    Unmatched,
}

impl Reader {
    /// A reader of the hosts that a selector matches, or of all. `since` is the last event that it
    /// knows of; if that is of another run of the daemon it begins anew.
    pub fn new(selector: Option<Selector>, since: Option<&EventId>, snapshot: &Snapshot) -> Self {
        let told = since.and_then(|since| since.revision_of(snapshot.instance()));
        Self { selector, told, status: None }
    }

    /// The selector of its hosts; none if it follows all.
    pub fn selector(&self) -> Option<&Selector> {
        self.selector.as_ref()
    }

    /// What it is to be told, in order; nothing if it knows all that the snapshot tells. Messages
    /// that are returned count as told.
    pub fn catch_up(&mut self, snapshot: &Snapshot, status: FeedStatus) -> Vec<FeedMessage> {
        let (mut messages, mut text_len) = (Vec::new(), 0);
        match self.told.and_then(|told| snapshot.changes_since(told)) {
            Some(changes) => {
                for change in changes {
                    if messages.len() == MAX_MESSAGES || text_len >= MAX_TEXT_LEN {
                        return messages;
                    }
                    let effect = match &self.selector {
                        None => Some(Effect::of(&change.kind)),
                        Some(selector) => effect(change, selector),
                    };
                    if let Some(effect) = effect {
                        text_len += change.text_len();
                        messages.push(FeedMessage::Change(Arc::clone(change), effect));
                    }
                    self.told = Some(change.revision);
                }
            }
            None => messages.push(self.start_over(snapshot.revision())),
        }
        if self.status != Some(status) {
            self.status = Some(status);
            messages.push(FeedMessage::Status(status));
        }
        messages
    }

    /// The reader is shown the list of this revision instead of the newest one.
    pub fn start_over(&mut self, revision: u64) -> FeedMessage {
        self.told = Some(revision);
        FeedMessage::Snapshot(revision)
    }

    /// The status was not told after all: it comes behind the changes that lead up to it.
    pub fn hold_status_back(&mut self) {
        self.status = None;
    }
}

impl Effect {
    /// What a change is to a reader of all hosts.
    fn of(kind: &ChangeKind) -> Self {
        match kind {
            ChangeKind::Joined => Self::Join,
            ChangeKind::Relabelled { .. } => Self::Update,
            ChangeKind::Left => Self::Leave(LeaveReason::Goodbye),
            ChangeKind::Expired => Self::Leave(LeaveReason::Expired),
            ChangeKind::Lost => Self::Leave(LeaveReason::Lost),
        }
    }
}

/// What a change is to a reader with a selector; nothing if it was told of none before and is told
/// of none now.
fn effect(change: &Change, selector: &Selector) -> Option<Effect> {
    let name = change.host.name().as_str();
    let chosen = |labels: &[&str]| selector.condition().holds(name, labels.iter().copied());
    let labels: Vec<_> = change.host.labels().collect();
    let labels: Vec<&str> = labels.iter().map(|label| &**label).collect();
    let ChangeKind::Relabelled { added, removed } = &change.kind else {
        return chosen(&labels).then(|| Effect::of(&change.kind));
    };
    let is_old = |label: &&&str| added.binary_search_by(|new| (**new).cmp(label)).is_err();
    let kept = labels.iter().filter(is_old).copied();
    let before: Vec<_> = kept.chain(removed.iter().map(|label| &**label)).collect();
    match (chosen(&before), chosen(&labels)) {
        (true, true) => Some(Effect::Update),
        (false, true) => Some(Effect::Join),
        (true, false) => Some(Effect::Leave(LeaveReason::Unmatched)),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests;
