//! The latest changes of the registry, for readers who follow it: a bounded ring that is cheap to
//! copy.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::registry::change::Change;

/// Most changes kept.
const MAX_CHANGES: usize = 4096;

/// Most bytes of packets and labels that are kept alive for changes. Strangers can make long ones.
const MAX_TEXT_LEN: usize = 16 << 20;

/// Changes in a page. A change copies one page that a copy of the ring shares, one more when the
/// ring is full.
const CHANGE_PAGE_LEN: usize = 64;

/// A persistent ring of the latest changes, in order and without a gap.
#[derive(Debug, Clone, Default)]
pub(crate) struct Changes {
    pages: VecDeque<Arc<VecDeque<Arc<Change>>>>,
    len: usize,
    text_len: usize,
}

impl Changes {
    /// Adds the change that follows the last one, and forgets the oldest ones beyond the bounds.
    pub(crate) fn push(&mut self, change: Arc<Change>) {
        self.len += 1;
        self.text_len += change.text_len();
        match self.pages.back_mut().filter(|page| page.len() < CHANGE_PAGE_LEN) {
            Some(page) => Arc::make_mut(page).push_back(change),
            None => self.pages.push_back(Arc::new(VecDeque::from([change]))),
        }
        while self.len > MAX_CHANGES || self.text_len > MAX_TEXT_LEN {
            self.forget_oldest();
        }
    }

    /// The changes after a revision, in order; none if there was such a change that is forgotten,
    /// or if that revision is still to come. `last` is the revision of the registry.
    pub(crate) fn since(
        &self,
        revision: u64,
        last: u64,
    ) -> Option<impl Iterator<Item = &Arc<Change>>> {
        let wanted = usize::try_from(last.checked_sub(revision)?)
            .ok()
            .filter(|wanted| *wanted <= self.len)?;
        let (mut skip, mut first) = (self.len - wanted, 0);
        while let Some(page) = self.pages.get(first).filter(|page| page.len() <= skip) {
            skip -= page.len();
            first += 1;
        }
        Some(self.pages.range(first..).flat_map(|page| page.iter()).skip(skip))
    }

    fn forget_oldest(&mut self) {
        let Some(page) = self.pages.front_mut() else { return };
        if let Some(change) = Arc::make_mut(page).pop_front() {
            self.len -= 1;
            self.text_len -= change.text_len();
        }
        if page.is_empty() {
            self.pages.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use lobby_client::{Discovery, HostName, Label};

    use super::*;
    use crate::index::host_id::HostId;
    use crate::registry::change::ChangeKind;
    use crate::registry::host::Host;
    use crate::wire::packet_json::PacketJson;

    fn host(labels: usize) -> Arc<Host> {
        let labels =
            (0..labels).map(|number| Label::parse(&format!("{number:01024}")).unwrap()).collect();
        let packet = Discovery::new(HostName::parse("a").unwrap(), labels);
        Arc::new(Host::own(HostId(0), packet.hostname.clone(), PacketJson::new(&packet), 0))
    }

    fn ring(host: &Arc<Host>, revisions: std::ops::RangeInclusive<u64>) -> Changes {
        let mut changes = Changes::default();
        for revision in revisions {
            let host = Arc::clone(host);
            changes.push(Arc::new(Change { revision, kind: ChangeKind::Joined, host }));
        }
        changes
    }

    fn since(changes: &Changes, revision: u64, last: u64) -> Option<Vec<u64>> {
        Some(changes.since(revision, last)?.map(|change| change.revision).collect())
    }

    #[test]
    fn a_reader_gets_what_came_after_its_revision_or_nothing() {
        let last = MAX_CHANGES as u64 + 100;
        let changes = ring(&host(0), 1..=last);
        assert_eq!(since(&changes, last, last), Some(vec![]));
        for revision in [100, 101, 163, 164, 165, 4000, last - 1] {
            assert_eq!(
                since(&changes, revision, last),
                Some((revision + 1..=last).collect()),
                "{revision}"
            );
        }
        assert_eq!((since(&changes, 99, last), since(&changes, last + 1, last)), (None, None));
        assert_eq!(since(&Changes::default(), 0, 0), Some(vec![]));
    }

    #[test]
    fn a_copy_stays_as_it_was() {
        let host = host(0);
        let mut changes = ring(&host, 1..=4100);
        let copy = changes.clone();
        for revision in 4101..=4200 {
            changes.push(Arc::new(Change {
                revision,
                kind: ChangeKind::Left,
                host: Arc::clone(&host),
            }));
        }
        assert_eq!(since(&copy, 4, 4100), Some((5..=4100).collect()));
        assert_eq!(since(&changes, 104, 4200), Some((105..=4200).collect()));
    }

    #[test]
    fn long_packets_are_kept_only_while_they_have_room() {
        let host = host(200);
        let changes = ring(&host, 1..=1000);
        let kept = MAX_TEXT_LEN / host.text().len();
        assert_eq!(changes.pages.iter().map(|page| page.len()).sum::<usize>(), kept);
        assert_eq!(since(&changes, 1000 - kept as u64, 1000).unwrap().len(), kept);
        assert_eq!(since(&changes, 999 - kept as u64, 1000), None);
    }

    #[test]
    fn short_labels_count_with_the_memory_that_they_take() {
        let labels: Box<[Box<str>]> = (0..1024).map(|n| n.to_string().into()).collect();
        let (host, mut changes) = (host(0), Changes::default());
        for revision in 1..=1000 {
            let kind = ChangeKind::Relabelled { added: labels.clone(), removed: Box::new([]) };
            changes.push(Arc::new(Change { revision, kind, host: Arc::clone(&host) }));
        }
        // Each takes a pointer, a length and at least 16 bytes of the allocator.
        let least = labels.len() * (size_of::<Box<str>>() + 16);
        assert!(changes.len * least <= MAX_TEXT_LEN, "{} changes", changes.len);
        assert!(changes.len > 100, "{} changes", changes.len);
    }
}
