//! Answers about the fleet. Each is a line: the version of what is known → has the client that
//! already? → is the answer kept? → find → render → pack → keep → send.

use std::hash::RandomState;
use std::sync::Arc;
use std::time::Instant;

use actix_web::http::Method;
use actix_web::http::header::{
    AcceptEncoding, CONTENT_ENCODING, CONTENT_TYPE, ContentType, ETag, Encoding, EntityTag, Header,
    HeaderValue, Preference, Quality, VARY,
};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};

use crate::http::errors::ApiError;
use crate::http::response::body::{self, CachedBody, ContentCoding};
use crate::http::response::cache::{AnswerTime, CacheKey, MAX_BYTES, Made, Version};
use crate::http::response::conditional::KnownTags;
use crate::http::state::AppState;
use crate::sys::clock;
use lobby_core::registry::snapshot::Snapshot;
use lobby_core::render::list::List;
use lobby_core::render::prometheus::Problem;
use lobby_core::render::{Layout, Query};
use lobby_core::select::selection::Selection;

/// Longest answer with times that is made as a whole and kept, for a second, in bytes. To write a
/// longer one anew takes no longer than to send it.
const MAX_LIST_LEN: usize = 2 << 20;

/// Most hosts whose list is written on the thread that serves the request, and the most bytes of
/// their packets; with more of them others would wait for it.
const MAX_HOSTS_HERE: usize = 1000;
const MAX_BYTES_HERE: usize = 1 << 20;

/// Values of headers, which need not be written and checked for each answer.
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const GZIP: HeaderValue = HeaderValue::from_static("gzip");
const BY_ENCODING: HeaderValue = HeaderValue::from_static("Accept-Encoding");

/// An answer, or what is told instead.
pub(in crate::http) type Answer = Result<HttpResponse, ApiError>;

/// A 200 that is a line of plain text.
pub(in crate::http) fn text(line: &'static str) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::plaintext()).body(line)
}

/// Answers a question about the fleet.
///
/// # Errors
/// When the answer cannot be made or packed.
pub async fn answer(state: &AppState, request: &HttpRequest, query: Query) -> Answer {
    let (view, known) = (View::new(state), KnownTags::of(request));
    let is_known = |tag: &EntityTag| known.as_ref().is_some_and(|known| known.has(tag));
    if query.selection == Selection::All {
        let tag = view.tag_of_fleet(view.at.version);
        if is_known(&tag) {
            return Ok(not_modified(tag));
        }
    }
    let key = CacheKey { query, coding: wanted_coding(request) };
    if view.is_long_list(&key) {
        return send_long(state, request, key, view).await;
    }
    let made = view.made(state, &key).await?;
    let tag = view.tag(&made);
    match made.body {
        _ if is_known(&tag) => Ok(not_modified(tag)),
        Some(CachedBody { coding, bytes }) => Ok(body::send(ok(tag, coding), bytes)),
        None => send_long(state, request, key, View::new(state)).await,
    }
}

/// The tag of the answer that a question has now.
pub(super) async fn tag_of(state: &AppState, query: &Query) -> Result<EntityTag, ApiError> {
    let view = View::new(state);
    if query.selection == Selection::All {
        return Ok(view.tag_of_fleet(view.at.version));
    }
    let key = CacheKey { query: query.clone(), coding: ContentCoding::Identity };
    Ok(view.tag(&view.made(state, &key).await?))
}

/// The answer for a client that has it already.
pub(super) fn not_modified(tag: EntityTag) -> HttpResponse {
    let mut response = HttpResponse::NotModified();
    response.insert_header(ETag(tag)).insert_header((VARY, BY_ENCODING)).finish()
}

/// What is known at one moment.
pub(super) struct View {
    snapshot: Arc<Snapshot>,
    now: Instant,
    at: AnswerTime,
}

impl View {
    /// What is known now.
    pub(super) fn new(state: &AppState) -> Self {
        let (snapshot, now) = (state.snapshot(), clock::now());
        let living = snapshot.count_living(now);
        let version = Version {
            revision: snapshot.revision(),
            living,
            expired: snapshot.count_hosts() - living,
        };
        Self { snapshot, now, at: AnswerTime { version, unix_seconds: clock::unix_seconds() } }
    }

    /// The tag of all answers about the whole fleet in a version. A weak one, as `last_check` may
    /// be another.
    fn tag_of_fleet(&self, Version { revision, living, .. }: Version) -> EntityTag {
        EntityTag::new_weak(format!("{}-{revision}-{living}", self.snapshot.instance()))
    }

    /// The tag of an answer. One about a part of the fleet is its own: what happens to others makes
    /// no other tag.
    fn tag(&self, made: &Made) -> EntityTag {
        match made.fingerprint {
            None => self.tag_of_fleet(made.at.version),
            Some(number) => self.tag_of_part(number),
        }
    }

    fn tag_of_part(&self, fingerprint: u64) -> EntityTag {
        EntityTag::new_weak(format!("{}-{fingerprint:016x}", self.snapshot.instance()))
    }

    /// The answer to a question, kept or made.
    async fn made(&self, state: &AppState, key: &CacheKey) -> Result<Made, ApiError> {
        let unchanged = |version: Version| self.is_unchanged_since(version, &key.query);
        state.cache.get_or_make(key, self.at, unchanged, async || make(state, key).await).await
    }

    /// Whether the answer to a question is still that of an earlier view, but for times.
    pub(super) fn is_unchanged(&self, since: &Self, query: &Query) -> bool {
        self.is_unchanged_since(since.at.version, query)
    }

    /// Whether the answer to a question is still that of an earlier version, but for times. Of
    /// hosts that expired and were not removed yet no change tells.
    fn is_unchanged_since(&self, version: Version, query: &Query) -> bool {
        let none_expired = version.expired == 0 && self.at.version.expired == 0;
        none_expired && query.is_unchanged_since(version.revision, &self.snapshot)
    }

    /// Whether an answer is known to be too long without having been made: the list of all hosts
    /// is.
    fn is_long_list(&self, key: &CacheKey) -> bool {
        let all = key.query.selection == Selection::All && key.coding == ContentCoding::Identity;
        all && self.snapshot.text_len() > MAX_LIST_LEN
    }

    /// Whether the list of all hosts is short enough to be written on this thread.
    fn is_short(&self) -> bool {
        is_short(self.at.version.living, self.snapshot.text_len())
    }

    /// Whether the hosts that a question is about are known to be so few that they are found and
    /// written on this thread.
    fn is_about_few(&self, Query { selection, .. }: &Query) -> bool {
        let Selection::Selector(selector) = selection else { return false };
        let len = self.snapshot.len_of_few(selector, MAX_HOSTS_HERE);
        len.is_some_and(|len| len <= MAX_BYTES_HERE)
    }

    fn list(&self, query: Query) -> List {
        List::new(Arc::clone(&self.snapshot), query, self.now)
    }

    /// The fingerprint of an answer about a part of the fleet.
    fn fingerprint(list: &List, query: &Query, hasher: &RandomState) -> Option<u64> {
        (query.selection != Selection::All).then(|| list.fingerprint(hasher))
    }
}

/// Whether the packets of so many hosts, with so many bytes together, are written in a moment.
fn is_short(hosts: usize, bytes: usize) -> bool {
    hosts <= MAX_HOSTS_HERE && bytes <= MAX_BYTES_HERE
}

/// Makes an answer about what is known now.
async fn make(state: &AppState, key: &CacheKey) -> Result<Made, ApiError> {
    let (view, key, hasher) = (View::new(state), key.clone(), state.cache.hasher().clone());
    let (at, is_short) = (view.at, view.is_short() || view.is_about_few(&key.query));
    let limit = if key.query.shows_times() { MAX_LIST_LEN } else { MAX_BYTES };
    let making = move |problems: &mut _| {
        let list = view.list(key.query.clone());
        let fingerprint = View::fingerprint(&list, &key.query, &hasher);
        (fingerprint, CachedBody::make(list, key.coding, limit, problems))
    };
    let (fingerprint, body) = run(state, is_short, making).await?;
    Ok(Made { at, fingerprint, body: body.map_err(|error| failed(&error))? })
}

/// Answers with a list that is too long to be made as a whole.
async fn send_long(state: &AppState, request: &HttpRequest, key: CacheKey, view: View) -> Answer {
    let is_short = view.is_short();
    let pretty = key.query.layout == Layout::Pretty;
    let hasher = state.cache.hasher().clone();
    let listed = move |problems: &mut _| {
        let list = view.list(key.query.clone());
        let sized = key.coding == ContentCoding::Identity && !pretty;
        let len = sized.then(|| list.measure(problems));
        let tag = match View::fingerprint(&list, &key.query, &hasher) {
            None => view.tag_of_fleet(view.at.version),
            Some(number) => view.tag_of_part(number),
        };
        (list, len, tag)
    };
    let (list, len, tag) = run(state, is_short, listed).await?;
    let head = ok(tag, key.coding);
    Ok(match key.coding {
        _ if request.method() == Method::HEAD => body::send_head(head, len),
        ContentCoding::Identity => body::send_list(head, list, len),
        ContentCoding::Gzip => body::send_packed(head, list, state.render_pool.clone()),
    })
}

/// Does work on a list of hosts, off this thread unless it is short, and logs the faults of labels
/// that it met.
async fn run<T: Send + 'static>(
    state: &AppState,
    is_short: bool,
    work: impl FnOnce(&mut Vec<Problem>) -> T + Send + 'static,
) -> Result<T, ApiError> {
    let mut problems = Vec::new();
    let work = move || {
        let done = work(&mut problems);
        (done, problems)
    };
    let (done, problems) = if is_short {
        work()
    } else {
        state.render_pool.run(work).await.map_err(|error| failed(&error))?
    };
    state.log_once(problems);
    Ok(done)
}

/// gzip for a client that accepts it, be it as one of any, and does not like the text itself
/// better.
fn wanted_coding(request: &HttpRequest) -> ContentCoding {
    let accepted =
        AcceptEncoding::parse(request).map(|AcceptEncoding(accepted)| accepted).unwrap_or_default();
    let quality_of = |wanted: Preference<Encoding>| {
        accepted.iter().find(|item| item.item == wanted).map(|item| item.quality)
    };
    let quality_of =
        |coding| quality_of(Preference::Specific(coding)).or_else(|| quality_of(Preference::Any));
    let (gzip, identity) = (quality_of(Encoding::gzip()), quality_of(Encoding::identity()));
    if gzip > Some(Quality::ZERO) && gzip >= identity {
        ContentCoding::Gzip
    } else {
        ContentCoding::Identity
    }
}

fn failed(error: &dyn std::fmt::Display) -> ApiError {
    ApiError::Internal(format!("cannot make the answer: {error}"))
}

/// The head of an answer.
fn ok(tag: EntityTag, coding: ContentCoding) -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response
        .insert_header((CONTENT_TYPE, JSON))
        .insert_header(ETag(tag))
        .insert_header((VARY, BY_ENCODING));
    if coding == ContentCoding::Gzip {
        response.insert_header((CONTENT_ENCODING, GZIP));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_hosts_of_many_bytes_are_not_written_on_this_thread() {
        assert!(is_short(1000, 600_000));
        assert!(!is_short(100, 100 * 256 * 1024));
        assert!(!is_short(1001, 1001));
    }
}
