//! Frames: events that are ready to be sent. Each is written once for all readers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use actix_web::error::BlockingError;
use actix_web::web::Bytes;
use lobby_client::Selector;
use lobby_core::events::frame::{Form, SnapshotFrame};
use lobby_core::events::reader::Effect;
use lobby_core::events::status::FeedStatus;
use lobby_core::registry::change::Change;
use lobby_core::registry::snapshot::Snapshot;
use tokio::sync::OnceCell;

use crate::http::response::render_pool::RenderPool;

/// Most frames that are kept. A reader that is further behind has its own written.
const MAX_FRAMES: usize = 256;

/// Most bytes of frames that are kept.
const MAX_BYTES: usize = 4 << 20;

/// Most bytes of lists by selectors that are being sent, whole. Each further one is written in pieces
/// for its reader alone: whoever reads slowly would hold all of it.
const MAX_LIST_BYTES: usize = 16 << 20;

/// Frames that others may be sent, too.
#[derive(Debug, Default)]
pub struct FrameCache {
    frames: Mutex<RecentFrames>,
    lists: Mutex<Vec<(ListKey, Weak<SharedList>)>>,
    /// The names of the active drivers.
    drivers: Vec<&'static str>,
    pool: RenderPool,
}

/// The frames of late, the newest one last. One that is being written is empty.
#[derive(Debug, Default)]
struct RecentFrames(VecDeque<(FrameKey, Arc<OnceLock<Bytes>>)>);

/// What a frame tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FrameKey {
    Change(u64, Effect, Form),
    Status(FeedStatus, Form),
}

type ListKey = (Option<Selector>, Form);

/// The hosts of a revision. It is there as long as somebody is being sent it.
#[derive(Debug)]
pub(in crate::http) struct SharedList {
    snapshot: Arc<Snapshot>,
    frame: OnceCell<Bytes>,
}

/// A list for a reader.
pub(in crate::http) enum ListFrame {
    /// Whole, and the same for all who ask for it.
    Shared(Arc<SharedList>, Bytes),
    /// Of this revision, to be written while it is sent.
    Own(u64, SnapshotFrame),
}

impl SharedList {
    /// How many bytes it takes, at most while it is not written yet.
    fn len(&self) -> usize {
        self.frame.get().map_or(self.snapshot.text_len(), Bytes::len)
    }

    /// The revision that it shows.
    pub(in crate::http) fn revision(&self) -> u64 {
        self.snapshot.revision()
    }
}

impl FrameCache {
    /// Frames that tell of these drivers, with lists that are written in a pool.
    pub fn new(drivers: Vec<&'static str>, pool: RenderPool) -> Self {
        Self { drivers, pool, ..Self::default() }
    }

    /// What a change is to a reader. `instance` is that of this run of the daemon.
    pub(in crate::http) fn change(
        &self,
        form: Form,
        instance: &str,
        change: &Change,
        effect: Effect,
    ) -> Bytes {
        let key = FrameKey::Change(change.revision, effect, form);
        self.get_or_write(key, || form.change(instance, change, effect))
    }

    /// How much a reader may rely on what it knows.
    pub(in crate::http) fn status(&self, form: Form, status: FeedStatus) -> Bytes {
        self.get_or_write(FrameKey::Status(status, form), || form.status(status, &self.drivers))
    }

    /// The readers of a frame wait for the one of them that writes it, those of others do not.
    fn get_or_write(&self, key: FrameKey, write: impl FnOnce() -> String) -> Bytes {
        let frame = self.recent().frame(key);
        let mut is_new = false;
        let written = frame.get_or_init(|| {
            is_new = true;
            Bytes::from(write())
        });
        if is_new {
            self.recent().trim();
        }
        written.clone()
    }

    fn recent(&self) -> MutexGuard<'_, RecentFrames> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The hosts that a selector matches, and their revision. One that is being sent to somebody
    /// serves as well if what came after it is known.
    pub(in crate::http) async fn list(
        &self,
        form: Form,
        selector: Option<&Selector>,
        snapshot: &Arc<Snapshot>,
    ) -> Result<ListFrame, BlockingError> {
        let Some(shared) = self.shared_list((selector.cloned(), form), snapshot) else {
            let (snapshot, selector) = (Arc::clone(snapshot), selector.cloned());
            let revision = snapshot.revision();
            let find = move || form.snapshot_frame(&snapshot, selector.as_ref());
            return Ok(ListFrame::Own(revision, self.pool.run(find).await?));
        };
        let writing = async || {
            let (snapshot, selector) = (Arc::clone(&shared.snapshot), selector.cloned());
            let write = move || form.snapshot(&snapshot, selector.as_ref());
            self.pool.run(write).await.map(Bytes::from)
        };
        let frame = shared.frame.get_or_try_init(writing).await?.clone();
        Ok(ListFrame::Shared(shared, frame))
    }

    /// A list that may serve others; none if those of other selectors take all the room there is.
    fn shared_list(&self, key: ListKey, snapshot: &Arc<Snapshot>) -> Option<Arc<SharedList>> {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        lists.retain(|(_, list)| list.strong_count() > 0);
        let same = lists.iter().filter(|(other, _)| *other == key);
        let usable = |list: &Arc<SharedList>| snapshot.changes_since(list.revision()).is_some();
        if let Some(list) = same.filter_map(|(_, list)| list.upgrade()).find(usable) {
            return Some(list);
        }
        let others = lists.iter().filter(|((selector, _), _)| selector.is_some());
        let taken: usize =
            others.filter_map(|(_, list)| list.upgrade()).map(|list| list.len()).sum();
        if key.0.is_some() && taken + snapshot.text_len() > MAX_LIST_BYTES {
            return None;
        }
        let list = SharedList { snapshot: Arc::clone(snapshot), frame: OnceCell::new() };
        let list = Arc::new(list);
        lists.push((key, Arc::downgrade(&list)));
        Some(list)
    }
}

impl RecentFrames {
    /// The frame that tells this, written or not.
    fn frame(&mut self, key: FrameKey) -> Arc<OnceLock<Bytes>> {
        // The newest ones are those that many ask for.
        if let Some((_, frame)) = self.0.iter().rev().find(|(other, _)| *other == key) {
            return Arc::clone(frame);
        }
        let frame = Arc::default();
        self.0.push_back((key, Arc::clone(&frame)));
        frame
    }

    /// Forgets the oldest ones beyond the bounds.
    fn trim(&mut self) {
        let len = |frame: &OnceLock<Bytes>| frame.get().map_or(0, Bytes::len);
        let mut bytes: usize = self.0.iter().map(|(_, frame)| len(frame)).sum();
        while self.0.len() > MAX_FRAMES || bytes > MAX_BYTES {
            let Some((_, oldest)) = self.0.pop_front() else { return };
            bytes -= len(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_written_once_while_it_is_kept() {
        let cache = FrameCache::default();
        let key = |revision| FrameKey::Change(revision, Effect::Join, Form::JsonLines);
        let first = cache.get_or_write(key(1), || "one".to_owned());
        let again = cache.get_or_write(key(1), || "another".to_owned());
        assert_eq!((&first, first.as_ptr()), (&again, again.as_ptr()));
        for revision in 2..=MAX_FRAMES as u64 + 1 {
            cache.get_or_write(key(revision), String::new);
        }
        assert_eq!(cache.get_or_write(key(1), || "anew".to_owned()), "anew");
    }

    #[test]
    fn while_a_frame_is_written_others_can_be_had() {
        let cache = FrameCache::default();
        let key = |revision| FrameKey::Change(revision, Effect::Join, Form::JsonLines);
        let first = cache.get_or_write(key(1), || {
            let other = cache.get_or_write(key(2), || "two".to_owned());
            assert_eq!(other, "two");
            "one".to_owned()
        });
        assert_eq!((first, cache.recent().0.len()), (Bytes::from("one"), 2));
    }

    #[test]
    fn long_frames_do_not_fill_the_memory() {
        let (cache, long) = (FrameCache::default(), "x".repeat(256 << 10));
        for revision in 0..100 {
            let key = FrameKey::Change(revision, Effect::Join, Form::JsonLines);
            cache.get_or_write(key, || long.clone());
        }
        assert_eq!(cache.recent().0.len(), MAX_BYTES / long.len());
    }
}
