//! Streams: places for readers of events and for requests that wait, of which there are only so
//! many, as each keeps its connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::HttpRequest;

use crate::http::connection::client_stream::ClientGone;
use crate::http::errors::ApiError;

/// When a client that found no place should try again.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The places, shared by all requests.
#[derive(Debug, Clone)]
pub struct StreamPlaces {
    max: usize,
    taken: Arc<AtomicUsize>,
}

/// A place that is taken. Dropped, it is given back.
#[derive(Debug)]
pub struct StreamPlace(Arc<AtomicUsize>);

impl StreamPlaces {
    /// This many places, all of them free.
    pub fn new(max: usize) -> Self {
        Self { max, taken: Arc::default() }
    }

    /// No more places than this.
    #[must_use]
    pub(super) fn at_most(self, max: usize) -> Self {
        Self { max: self.max.min(max), ..self }
    }

    /// Takes a place until it is dropped.
    ///
    /// # Errors
    /// When all of them are taken: 503, with the time to try again.
    pub fn take(&self) -> Result<StreamPlace, ApiError> {
        let one_more = |taken: usize| (taken < self.max).then_some(taken + 1);
        match self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more) {
            Ok(_) => Ok(StreamPlace(Arc::clone(&self.taken))),
            Err(_) => Err(self.full()),
        }
    }

    /// How many places are taken.
    pub fn count_taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    fn full(&self) -> ApiError {
        let reason = format!(
            "{} clients read events or wait already, the most that MAX_STREAMS and the limit of open files allow: try again",
            self.max
        );
        ApiError::NotReady { reason, retry_after: RETRY_AFTER }
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Waits until the client of a request has closed its connection, or the connection has to make
/// room for another one. What waits for anything else must end then.
pub async fn client_gone(request: &HttpRequest) {
    gone_of(request).wait().await;
}

/// Where the end of the client of a request is told.
pub(super) fn gone_of(request: &HttpRequest) -> ClientGone {
    request.conn_data::<ClientGone>().cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_it_is_dropped() {
        let places = StreamPlaces::new(5).at_most(2);
        let (first, _second) = (places.take().unwrap(), places.take().unwrap());
        let full = places.take().unwrap_err();
        assert!(full.to_string().starts_with("2 clients read events or wait already"), "{full}");
        assert!(matches!(full, ApiError::NotReady { retry_after: RETRY_AFTER, .. }));
        drop(first);
        assert!(places.clone().take().is_ok());
    }
}
