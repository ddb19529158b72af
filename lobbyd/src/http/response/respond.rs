//! Answers about the fleet: not sent when the client has them already, packed when it likes that, and made once for all who ask the
//! same.

use std::sync::Arc;
use std::time::Instant;

use actix_web::http::header::{
    AcceptEncoding, CONTENT_ENCODING, CONTENT_TYPE, ContentType, ETag, Encoding, EntityTag, Header, HeaderValue,
    IF_NONE_MATCH, IfNoneMatch, Preference, Quality, VARY,
};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use lobby_client::Filter;

use crate::http::errors::ApiError;
use crate::http::response::body::{Text, send_pieces, stream_list};
use crate::http::response::cache::{CacheKey, CachedBody, ContentCoding, Query, Version};
use crate::http::response::json::json;
use crate::http::state::AppState;
use crate::sys::clock;
use lobby_core::registry::snapshot::Snapshot;
use lobby_core::render::packet_list::PacketListWriter;
use lobby_core::select::params::QueryParams;

/// Longest list of everybody that is made once and kept for a second, in bytes. To write a longer one anew takes no longer than to send it.
const LONGEST_LIST: usize = 2 << 20;

/// What is asked for most, by those who take it unpacked.
const EVERYBODY: CacheKey = CacheKey { question: Query::Packets(Filter::All), coding: ContentCoding::Identity };

/// Shortest answer that is worth packing, in bytes: it would fit into one packet of the network otherwise.
const WORTH_PACKING: usize = 1400;

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

/// Answers a question with what a snapshot knows.
///
/// # Errors
/// When the answer cannot be made, packed or indented.
pub async fn answer(
    service: &AppState,
    request: &HttpRequest,
    query: &QueryParams,
    snapshot: Arc<Snapshot>,
    question: Query,
) -> Answer {
    let (now, unix_seconds) = (clock::now(), clock::unix_seconds());
    let state = Version { revision: snapshot.revision(), living: snapshot.count_living(now) };
    let tag = EntityTag::new_weak(format!("{}-{}-{}", snapshot.instance(), state.revision, state.living));
    if is_known(request, &tag) {
        return Ok(HttpResponse::NotModified().insert_header(ETag(tag)).finish());
    }
    if query.pretty() {
        return indented(&text_for(service, &snapshot, &question, now).await?.whole());
    }
    let wish = CacheKey { question, coding: wanted_coding(request) };
    if wish == EVERYBODY && snapshot.text_len() > LONGEST_LIST {
        return Ok(stream_list(ok(tag, wish.coding), PacketListWriter::new(snapshot, now)));
    }
    let unix_seconds = wish.question.shows_times().then_some(unix_seconds);
    let made = async { pack(wish.coding, text_for(service, &snapshot, &wish.question, now).await?).await };
    let CachedBody { coding, pieces } = service.answers.get_or_make(&wish, state, unix_seconds, made).await?;
    Ok(send_pieces(ok(tag, coding), pieces))
}

/// What a snapshot says to a question, as JSON.
async fn text_for(
    service: &AppState,
    snapshot: &Arc<Snapshot>,
    question: &Query,
    now: Instant,
) -> Result<Text, ApiError> {
    Ok(match question {
        Query::Packets(Filter::All) => Text::Everybody(PacketListWriter::new(Arc::clone(snapshot), now)),
        Query::Packets(Filter::Labels(labels)) => Text::Pieces(snapshot.labelled_json(labels, now)),
        Query::Packets(Filter::Prefixes(prefixes)) => Text::Pieces(snapshot.prefixed_json(prefixes, now)),
        Query::Names(label) => Text::Pieces(snapshot.names_json(label, now)),
        Query::Targets(name) => Text::Pieces(targets(service, snapshot, name, now).await?),
    })
}

/// Makes targets off this thread, which has others to serve: each has to be put together from labels.
async fn targets(
    service: &AppState,
    snapshot: &Arc<Snapshot>,
    name: &str,
    now: Instant,
) -> Result<Vec<String>, ApiError> {
    let (snapshot, name, port) = (Arc::clone(snapshot), name.to_owned(), service.node_exporter_port);
    let made = web::block(move || snapshot.targets_json(&name, port, now)).await;
    let (json, problems) = made.map_err(|error| failed("make", &error))?;
    service.log_once(problems);
    Ok(json)
}

/// Whether the client has the answer from before. Only weakly, as `last_check` may be another.
fn is_known(request: &HttpRequest, tag: &EntityTag) -> bool {
    match request.headers().contains_key(IF_NONE_MATCH).then(|| IfNoneMatch::parse(request)) {
        Some(Ok(IfNoneMatch::Any)) => true,
        Some(Ok(IfNoneMatch::Items(known))) => known.iter().any(|known| known.weak_eq(tag)),
        Some(Err(_)) | None => false,
    }
}

/// gzip for whoever accepts it, be it as one of anything.
fn wanted_coding(request: &HttpRequest) -> ContentCoding {
    let accepted = AcceptEncoding::parse(request).map(|AcceptEncoding(accepted)| accepted).unwrap_or_default();
    let quality_of =
        |wanted: Preference<Encoding>| accepted.iter().find(|item| item.item == wanted).map(|item| item.quality);
    let quality = quality_of(Preference::Specific(Encoding::gzip())).or_else(|| quality_of(Preference::Any));
    if quality.is_some_and(|quality| quality > Quality::ZERO) { ContentCoding::Gzip } else { ContentCoding::Identity }
}

/// Packs an answer if that is wanted and worth it, off this thread, which has others to serve.
async fn pack(wanted: ContentCoding, text: Text) -> Result<CachedBody, ApiError> {
    if wanted == ContentCoding::Identity || text.len() < WORTH_PACKING {
        return Ok(CachedBody::new(ContentCoding::Identity, text.pieces()));
    }
    let packed = web::block(move || text.gzip()).await.map_err(|error| failed("pack", &error))?;
    Ok(CachedBody::new(ContentCoding::Gzip, packed.map_err(|error| failed("pack", &error))?))
}

fn failed(what: &str, error: &dyn std::fmt::Display) -> ApiError {
    ApiError::Internal(format!("cannot {what} the answer: {error}"))
}

/// The head of an answer.
fn ok(tag: EntityTag, coding: ContentCoding) -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, JSON)).insert_header(ETag(tag)).insert_header((VARY, BY_ENCODING));
    if coding == ContentCoding::Gzip {
        response.insert_header((CONTENT_ENCODING, GZIP));
    }
    response
}

fn indented(text: &str) -> Answer {
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| failed("indent", &error))?;
    json(&value, true)
}
