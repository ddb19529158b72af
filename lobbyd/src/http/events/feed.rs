//! Feed: what one client is sent, for as long as it reads.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::HttpRequest;
use actix_web::web::Bytes;
use lobby_core::events::frame::{Form, SnapshotFrame};
use lobby_core::events::reader::{FeedMessage, Reader};
use lobby_core::events::status::FeedStatus;
use lobby_core::registry::snapshot::Snapshot;
use tokio::sync::watch;

use crate::http::connection::client_stream::ClientGone;
use crate::http::errors::ApiError;
use crate::http::events::parameters::Parameters;
use crate::http::response::frames::{FrameCache, ListFrame, SharedList};
use crate::http::state::AppState;
use crate::http::streams::{StreamPlace, gone_of};
use crate::sys::clock;

/// How long a feed is silent at most.
const COMMENT_EVERY: Duration = Duration::from_secs(15);

/// Length of the pieces of a frame. actix keeps a buffer for each connection, and what of it was
/// filled once takes memory for as long as the client reads.
const FEED_PIECE_LEN: usize = 1536;

/// Length of the pieces of a long frame, but for its end. actix gives back a buffer that has grown
/// beyond 128 KiB.
const LONG_FEED_PIECE_LEN: usize = 160 << 10;

/// From what length on a frame is long: in short pieces it would take too many writings.
const LONG_FRAME_LEN: usize = 1 << 20;

/// The feed of one client. What the client does not take is not written, and of what it is still to
/// be told a bounded part is held: when it takes it again it is told what has come in the meantime.
pub(super) struct Feed {
    frames: Arc<FrameCache>,
    reader: Reader,
    form: Form,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    stopping: watch::Receiver<bool>,
    gone: ClientGone,
    /// When it has been silent for long enough.
    comment_at: Instant,
    /// What is to be told next. Each message is written when its turn comes.
    messages: VecDeque<FeedMessage>,
    /// The list that is being sent, which others are sent as long as it is there.
    list: Option<Arc<SharedList>>,
    /// The frame that is being sent.
    pieces: FramePieces,
    ended: bool,
    _place: StreamPlace,
}

impl Feed {
    /// Takes a place for a client.
    pub(super) fn open(
        state: &AppState,
        request: &HttpRequest,
        Parameters { mut selector, form, since }: Parameters,
    ) -> Result<Self, ApiError> {
        let place = state.streams.take(selector.as_mut())?;
        let snapshots = state.snapshots.clone();
        let reader = Reader::new(selector, since.as_ref(), &snapshots.borrow());
        Ok(Self {
            frames: Arc::clone(&state.frames),
            reader,
            form,
            snapshots,
            stopping: state.stopping.clone(),
            gone: gone_of(request),
            comment_at: clock::now() + COMMENT_EVERY,
            messages: VecDeque::new(),
            list: None,
            pieces: FramePieces::default(),
            ended: false,
            _place: place,
        })
    }

    /// Waits for what is to be sent next. Nothing when the feed is over.
    pub(super) async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        let piece = self.next_piece().await?;
        Some((Ok(piece), self))
    }

    async fn next_piece(&mut self) -> Option<Bytes> {
        while self.pieces.is_over() {
            self.list = None;
            if let Some(message) = self.messages.pop_front() {
                self.pieces = self.frame(message).await?;
            } else if self.ended {
                return None;
            } else if *self.stopping.borrow_and_update() {
                self.ended = true;
                self.pieces = FramePieces::of(self.form.bye().into());
            } else if !self.catch_up() && !self.wait().await {
                return None;
            }
        }
        self.comment_at = clock::now() + COMMENT_EVERY;
        Some(self.pieces.take())
    }

    /// Finds what the reader has not been told yet. Returns whether there is anything.
    fn catch_up(&mut self) -> bool {
        let (snapshot, now) = (Arc::clone(&self.snapshots.borrow_and_update()), clock::now());
        self.messages = self.reader.catch_up(&snapshot, FeedStatus::of(&snapshot, now)).into();
        !self.messages.is_empty()
    }

    /// Writes a message; nothing if it cannot be written.
    async fn frame(&mut self, message: FeedMessage) -> Option<FramePieces> {
        let frame = match message {
            FeedMessage::Snapshot(_) => return self.list().await,
            FeedMessage::Change(change, effect) => {
                let snapshot = Arc::clone(&self.snapshots.borrow());
                self.frames.change(self.form, snapshot.instance(), &change, effect)
            }
            FeedMessage::Status(status) => self.frames.status(self.form, status),
        };
        Some(FramePieces::of(frame))
    }

    async fn list(&mut self) -> Option<FramePieces> {
        let snapshot = Arc::clone(&self.snapshots.borrow());
        let list = self.frames.list(self.form, self.reader.selector(), &snapshot).await;
        let (list, frame) = match list.ok()? {
            ListFrame::Shared(list, frame) => (list, frame),
            ListFrame::Own(revision, frame) => {
                self.reader.start_over(revision);
                return Some(FramePieces::written(frame));
            }
        };
        self.reader.start_over(list.revision());
        if list.revision() < snapshot.revision() {
            // Of a list that was made for another reader some time ago the status would say too
            // much.
            self.messages.clear();
            self.reader.hold_status_back();
        }
        self.list = Some(list);
        Some(FramePieces::of(frame))
    }

    /// Waits until there may be something to tell. Returns whether the client is still there.
    async fn wait(&mut self) -> bool {
        let warm_at = self.snapshots.borrow().warm_at();
        let warm_at = warm_at.filter(|at| *at > clock::now());
        let until = warm_at.map_or(self.comment_at, |at| at.min(self.comment_at));
        tokio::select! {
            changed = self.snapshots.changed() => changed.is_ok(),
            _ = self.stopping.changed() => true,
            () = self.gone.wait() => false,
            () = clock::sleep_until(until) => {
                if clock::now() >= self.comment_at {
                    self.pieces = FramePieces::of(self.form.comment().into());
                }
                true
            }
        }
    }
}

/// What is left of a frame, to be sent in pieces.
#[derive(Debug, Default)]
struct FramePieces {
    rest: Bytes,
    is_long: bool,
    /// What is not written yet.
    unwritten: Option<SnapshotFrame>,
}

impl FramePieces {
    fn of(frame: Bytes) -> Self {
        Self { is_long: frame.len() >= LONG_FRAME_LEN, rest: frame, unwritten: None }
    }

    /// Those of a frame that is written while it is sent.
    fn written(frame: SnapshotFrame) -> Self {
        Self { unwritten: Some(frame), ..Self::default() }
    }

    fn is_over(&self) -> bool {
        self.rest.is_empty() && self.unwritten.is_none()
    }

    /// The next piece; nothing at the end.
    fn take(&mut self) -> Bytes {
        if self.rest.is_empty()
            && let Some(mut frame) = self.unwritten.take()
        {
            self.rest = frame.next_piece(LONG_FEED_PIECE_LEN).into();
            if !frame.is_over() {
                self.unwritten = Some(frame);
                return std::mem::take(&mut self.rest);
            }
        }
        let len = self.rest.len();
        let is_long = self.is_long && len > LONG_FEED_PIECE_LEN;
        self.rest.split_to(if is_long { LONG_FEED_PIECE_LEN } else { len.min(FEED_PIECE_LEN) })
    }
}

#[cfg(test)]
mod tests {
    use lobby_client::{Discovery, HostName, Label};
    use lobby_core::liveness::initial_sync::InitialSync;
    use lobby_core::registry::host_registry::HostRegistry;

    use super::*;
    use crate::http::streams::StreamPlaces;

    /// A feed that its client takes at once, and what it is fed with.
    struct Fixture {
        feed: Feed,
        registry: HostRegistry,
        snapshots: watch::Sender<Arc<Snapshot>>,
        stop: watch::Sender<bool>,
    }

    impl Fixture {
        /// Of the list the client has been told already.
        async fn at_rest(form: Form) -> Self {
            let (now, ttl) = (clock::now(), Duration::from_secs(30));
            let sync = InitialSync::new(Duration::from_secs(5), 1, now);
            let registry = HostRegistry::new("i1".to_owned(), ttl, 100, sync, now);
            let snapshots = watch::Sender::new(Arc::new(registry.snapshot()));
            let stop = watch::Sender::new(false);
            let feed = Feed {
                frames: Arc::default(),
                reader: Reader::new(None, None, &snapshots.borrow()),
                form,
                snapshots: snapshots.subscribe(),
                stopping: stop.subscribe(),
                gone: ClientGone::default(),
                comment_at: now + COMMENT_EVERY,
                messages: VecDeque::new(),
                list: None,
                pieces: FramePieces::default(),
                ended: false,
                _place: StreamPlaces::new(1).take(None).unwrap(),
            };
            let mut fixture = Self { feed, registry, snapshots, stop };
            for event in ["snapshot", "status"] {
                let (piece, _) = fixture.next().await;
                assert!(piece.contains(event), "{piece}");
            }
            fixture
        }

        /// The next piece, and after how many seconds it comes.
        async fn next(&mut self) -> (String, u64) {
            let asked = clock::now();
            let piece = self.feed.next_piece().await.unwrap();
            let text = String::from_utf8(piece.to_vec()).unwrap();
            (text, clock::now().duration_since(asked).as_secs())
        }

        fn relabel(&mut self, label: &str) {
            let labels = vec![Label::parse(label).unwrap()];
            self.registry.set_own(Discovery::new(HostName::parse("a").unwrap(), labels), 0);
            self.snapshots.send_replace(Arc::new(self.registry.snapshot()));
        }
    }

    #[actix_rt::test]
    async fn a_silent_feed_has_a_comment_every_15_seconds() {
        tokio::time::pause();
        for form in [Form::ServerSentEvents, Form::JsonLines] {
            let mut fixture = Fixture::at_rest(form).await;
            for _ in 0..5 {
                assert_eq!(fixture.next().await, (form.comment(), 15));
            }
        }
    }

    #[actix_rt::test]
    async fn what_is_told_puts_the_next_comment_off() {
        tokio::time::pause();
        let mut fixture = Fixture::at_rest(Form::ServerSentEvents).await;
        for label in ["x:1", "x:2", "x:3"] {
            tokio::time::sleep(Duration::from_secs(14)).await;
            fixture.relabel(label);
            let (event, after) = fixture.next().await;
            assert!(event.contains(label) && after == 0, "{event} after {after} s");
        }
        assert_eq!(fixture.next().await, (":\n\n".to_owned(), 15));
    }

    #[actix_rt::test]
    async fn a_feed_that_is_stopped_says_bye_and_no_comment() {
        tokio::time::pause();
        let mut fixture = Fixture::at_rest(Form::ServerSentEvents).await;
        fixture.stop.send_replace(true);
        assert_eq!(fixture.next().await, (Form::ServerSentEvents.bye(), 0));
        assert_eq!(fixture.feed.next_piece().await, None);
    }

    #[test]
    fn a_connection_keeps_no_large_buffer_for_a_frame() {
        // actix gives back a buffer that has grown beyond this.
        const KEPT: usize = 128 << 10;
        for len in [0, 1, FEED_PIECE_LEN, 300_000, LONG_FRAME_LEN - 1, LONG_FRAME_LEN, 6_000_000] {
            let mut pieces = FramePieces::of(Bytes::from(vec![0; len]));
            let lens: Vec<_> = std::iter::from_fn(|| Some(pieces.take().len()))
                .take_while(|len| *len > 0)
                .collect();
            assert_eq!(lens.iter().sum::<usize>(), len);
            assert!(lens.iter().all(|piece| *piece <= FEED_PIECE_LEN || *piece > KEPT), "{lens:?}");
            assert!(lens.len() < 1_000, "{len} bytes take {} writings", lens.len());
        }
    }
}
