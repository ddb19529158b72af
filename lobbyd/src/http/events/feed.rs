//! Feed: what one client is sent, for as long as it reads.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::HttpRequest;
use actix_web::web::{Bytes, Data};
use lobby_core::events::frame::Form;
use lobby_core::events::reader::{Message, Reader};
use lobby_core::events::status::FeedStatus;
use lobby_core::registry::snapshot::Snapshot;
use tokio::sync::watch;

use crate::http::connection::client_stream::ClientGone;
use crate::http::errors::ApiError;
use crate::http::events::parameters::Parameters;
use crate::http::response::frames::SharedList;
use crate::http::state::AppState;
use crate::http::streams::{StreamPlace, gone_of};
use crate::sys::clock;

/// How long a feed is silent at most.
const COMMENT_EVERY: Duration = Duration::from_secs(15);

/// Length of the pieces of a list. actix keeps a buffer for each connection that has grown to this
/// length, and gives it back only if it has grown beyond 128 KiB.
const PIECE_LEN: usize = 3 << 10;
const LONG_PIECE_LEN: usize = 160 << 10;

/// The feed of one client. What the client does not take is not written: when it takes it again it
/// is told what has come in the meantime.
pub(super) struct Feed {
    state: Data<AppState>,
    reader: Reader,
    form: Form,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    stopping: watch::Receiver<bool>,
    gone: ClientGone,
    /// When it has been silent for long enough.
    comment_at: Instant,
    /// Frames that are still to be sent, last first.
    frames: Vec<Bytes>,
    /// The list that is being sent, which others are sent as long as it is there.
    list: Option<Arc<SharedList>>,
    /// What is left of a frame in pieces.
    rest: Bytes,
    ended: bool,
    _place: StreamPlace,
}

impl Feed {
    /// Takes a place for a client.
    pub(super) fn open(
        state: Data<AppState>,
        request: &HttpRequest,
        Parameters { selector, form, since }: Parameters,
    ) -> Result<Self, ApiError> {
        let place = state.streams.take()?;
        let snapshots = state.snapshots.clone();
        let reader = Reader::new(selector, since.as_ref(), &snapshots.borrow());
        Ok(Self {
            reader,
            form,
            snapshots,
            stopping: state.stopping.clone(),
            gone: gone_of(request),
            comment_at: clock::now() + COMMENT_EVERY,
            frames: Vec::new(),
            list: None,
            rest: Bytes::new(),
            ended: false,
            state,
            _place: place,
        })
    }

    /// Waits for what is to be sent next. Nothing when the feed is over.
    pub(super) async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        let piece = self.next_piece().await?;
        Some((Ok(piece), self))
    }

    async fn next_piece(&mut self) -> Option<Bytes> {
        loop {
            if let Some(piece) = self.pending_piece() {
                self.comment_at = clock::now() + COMMENT_EVERY;
                return Some(piece);
            }
            if self.ended {
                return None;
            }
            if *self.stopping.borrow_and_update() {
                self.ended = true;
                self.frames = vec![self.form.bye().into()];
            } else if !self.catch_up().await? && !self.wait().await {
                return None;
            }
        }
    }

    /// A piece of what is to be sent already.
    fn pending_piece(&mut self) -> Option<Bytes> {
        if self.rest.is_empty() {
            self.list = None;
            self.rest = self.frames.pop()?;
        }
        let len = if self.rest.len() > LONG_PIECE_LEN { LONG_PIECE_LEN } else { PIECE_LEN };
        Some(self.rest.split_to(self.rest.len().min(len)))
    }

    /// Writes what the reader has not been told yet. Returns whether there was anything, and
    /// nothing if it cannot be written.
    async fn catch_up(&mut self) -> Option<bool> {
        let (snapshot, now) = (Arc::clone(&self.snapshots.borrow_and_update()), clock::now());
        let messages = self.reader.catch_up(&snapshot, FeedStatus::of(&snapshot, now));
        let mut frames = Vec::with_capacity(messages.len());
        for message in messages {
            frames.push(match message {
                Message::Snapshot(_) => self.list(&snapshot).await?,
                // Of a list that was made for another reader some time ago it would say too much.
                Message::Status(_) if self.is_behind(&snapshot) => {
                    self.reader.hold_status_back();
                    continue;
                }
                Message::Change(change, effect) => {
                    self.state.frames.change(self.form, &snapshot, &change, effect)
                }
                Message::Status(status) => {
                    self.state.frames.status(self.form, status, &self.state.drivers)
                }
            });
        }
        frames.reverse();
        self.frames = frames;
        Some(!self.frames.is_empty())
    }

    async fn list(&mut self, snapshot: &Arc<Snapshot>) -> Option<Bytes> {
        let AppState { frames, render_pool, .. } = &**self.state;
        let list = frames.list(self.form, self.reader.selector(), snapshot, render_pool).await;
        let (list, frame) = list.ok()?;
        self.reader.start_over(list.revision());
        self.list = Some(list);
        Some(frame)
    }

    /// Whether the list that is about to be sent is older than this snapshot.
    fn is_behind(&self, snapshot: &Snapshot) -> bool {
        self.list.as_ref().is_some_and(|list| list.revision() < snapshot.revision())
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
                    self.frames = vec![self.form.comment().into()];
                }
                true
            }
        }
    }
}
