//! Waiting: a question that is answered when the answer is another than the one that the client
//! has.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::HttpRequest;
use tokio::sync::watch;

use crate::http::response::conditional::KnownTags;
use crate::http::response::respond::{Answer, View, answer, not_modified, tag_of};
use crate::http::state::AppState;
use crate::http::streams::client_gone;
use crate::sys::clock;
use lobby_core::registry::snapshot::Snapshot;
use lobby_core::render::Query;

/// How long a request takes no notice after a change that was none of its answer: many may wait
/// while many hosts change.
const PAUSE: Duration = Duration::from_millis(20);

/// Answers a question about the fleet as soon as the answer is another than the client has, and
/// with 304 if that takes longer than `wait`. A client that has no answer yet is answered at once.
///
/// # Errors
/// When too many clients wait, or the answer cannot be made.
pub async fn answer_within(
    state: &AppState,
    request: &HttpRequest,
    query: Query,
    wait: Duration,
) -> Answer {
    let Some(known) = KnownTags::of(request) else { return answer(state, request, query).await };
    let mut waiter = Waiter {
        state,
        request,
        query,
        snapshots: state.snapshots.clone(),
        until: clock::now() + wait,
    };
    let mut place = None;
    loop {
        let seen = View::new(state);
        let tag = tag_of(state, &waiter.query).await?;
        if !known.has(&tag) {
            return answer(state, request, waiter.query).await;
        }
        if place.is_none() {
            place = Some(state.streams.take(waiter.query.selection.selector_mut())?);
        }
        if !waiter.sees_change_since(&seen).await {
            return Ok(not_modified(tag));
        }
    }
}

/// A request that waits.
struct Waiter<'a> {
    state: &'a AppState,
    request: &'a HttpRequest,
    query: Query,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    until: Instant,
}

impl Waiter<'_> {
    /// Waits until something changes that may be of the answer. Returns whether it did in time, and
    /// while there is somebody to be told.
    async fn sees_change_since(&mut self, seen: &View) -> bool {
        while self.has_next_snapshot().await {
            if !View::new(self.state).is_unchanged(seen, &self.query) {
                return true;
            }
            clock::sleep_until(self.until.min(clock::now() + PAUSE)).await;
        }
        false
    }

    async fn has_next_snapshot(&mut self) -> bool {
        let mut stopping = self.state.stopping.clone();
        if *stopping.borrow_and_update() {
            return false;
        }
        tokio::select! {
            next = self.snapshots.changed() => next.is_ok(),
            () = clock::sleep_until(self.until) => false,
            _ = stopping.changed() => false,
            () = client_gone(self.request) => false,
        }
    }
}
