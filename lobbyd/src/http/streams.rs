//! Streams: places for readers of events and for requests that wait, of which there are only so
//! many, as each keeps its connection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::HttpRequest;
use lobby_client::Selector;

use crate::http::connection::client_stream::ClientGone;
use crate::http::errors::ApiError;

/// When a client that found no place should try again.
const PLACE_RETRY_AFTER: Duration = Duration::from_secs(5);

/// Most regular expressions in the selectors of all places. Each may take half a megabyte.
const MAX_PATTERNS: usize = 128;

/// The places, shared by all requests.
#[derive(Debug, Clone)]
pub struct StreamPlaces {
    max: usize,
    taken: Arc<Mutex<Taken>>,
}

/// What is taken.
#[derive(Debug, Default)]
struct Taken {
    places: usize,
    /// How many places have each selector with regular expressions, and how many of these there
    /// are.
    selectors: HashMap<Selector, usize>,
    patterns: usize,
}

/// A place that is taken. Dropped, it is given back.
#[derive(Debug)]
pub struct StreamPlace {
    taken: Arc<Mutex<Taken>>,
    selector: Option<Selector>,
}

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

    /// Takes a place until it is dropped, for a client with this selector. If others have the same
    /// one it becomes theirs, so that its regular expressions are held once.
    ///
    /// # Errors
    /// When all places are taken, or too many regular expressions held: 503, with the time to try
    /// again.
    pub fn take(&self, selector: Option<&mut Selector>) -> Result<StreamPlace, ApiError> {
        let selector = selector.filter(|selector| selector.patterns() > 0);
        let mut taken = locked(&self.taken);
        if taken.places >= self.max {
            return Err(self.full());
        }
        let selector = selector.map(|selector| taken.hold(selector)).transpose()?;
        taken.places += 1;
        Ok(StreamPlace { taken: Arc::clone(&self.taken), selector })
    }

    /// How many places are taken.
    pub fn count_taken(&self) -> usize {
        locked(&self.taken).places
    }

    fn full(&self) -> ApiError {
        let reason = format!(
            "{} clients read events or wait already, the most that MAX_STREAMS and the limit of open files allow: try again",
            self.max
        );
        ApiError::NotReady { reason, retry_after: PLACE_RETRY_AFTER }
    }
}

impl Taken {
    /// Counts a selector with regular expressions.
    fn hold(&mut self, selector: &mut Selector) -> Result<Selector, ApiError> {
        if let Some((known, _)) = self.selectors.get_key_value(selector) {
            *selector = known.clone();
        } else if self.patterns + selector.patterns() > MAX_PATTERNS {
            return Err(too_many_patterns());
        } else {
            self.patterns += selector.patterns();
        }
        *self.selectors.entry(selector.clone()).or_default() += 1;
        Ok(selector.clone())
    }

    fn release(&mut self, selector: &Selector) {
        let Some(places) = self.selectors.get_mut(selector) else { return };
        *places -= 1;
        if *places == 0 {
            self.selectors.remove(selector);
            self.patterns -= selector.patterns();
        }
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        let mut taken = locked(&self.taken);
        taken.places -= 1;
        if let Some(selector) = &self.selector {
            taken.release(selector);
        }
    }
}

fn locked(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

fn too_many_patterns() -> ApiError {
    let reason = format!(
        "the selectors of clients that read events or wait hold {MAX_PATTERNS} regular expressions, the most there may be: try again, or say it with \"in (…)\" instead of =~"
    );
    ApiError::NotReady { reason, retry_after: PLACE_RETRY_AFTER }
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
        let (first, _second) = (places.take(None).unwrap(), places.take(None).unwrap());
        let full = places.take(None).unwrap_err();
        assert!(full.to_string().starts_with("2 clients read events or wait already"), "{full}");
        assert!(matches!(full, ApiError::NotReady { retry_after: PLACE_RETRY_AFTER, .. }));
        drop(first);
        assert!(places.clone().take(None).is_ok());
    }

    fn selector(number: usize) -> Selector {
        Selector::parse(&format!("a=~'x{number}' and b=~y")).unwrap()
    }

    #[test]
    fn too_many_regular_expressions_are_refused_until_some_are_gone() {
        let places = StreamPlaces::new(1000);
        let take = |number| places.take(Some(&mut selector(number)));
        let mut held: Vec<_> = (0..MAX_PATTERNS / 2).map(|number| take(number).unwrap()).collect();
        let refused = take(1000).unwrap_err();
        assert!(refused.to_string().contains("hold 128 regular expressions"), "{refused}");
        assert_eq!(places.count_taken(), held.len());
        assert!(places.take(Some(&mut Selector::parse("a=x or b in (y,z)").unwrap())).is_ok());
        held.pop();
        assert!(take(1000).is_ok());
    }

    #[test]
    fn the_same_selector_is_held_once_by_any_number_of_clients() {
        let places = StreamPlaces::new(1000);
        let mut held: Vec<_> =
            (0..500).map(|_| places.take(Some(&mut selector(1))).unwrap()).collect();
        assert_eq!(locked(&places.taken).patterns, 2);
        held.pop();
        assert_eq!(locked(&places.taken).selectors[&selector(1)], 499);
        drop(held);
        let taken = locked(&places.taken);
        assert_eq!((taken.places, taken.patterns, taken.selectors.len()), (0, 0, 0));
    }
}
