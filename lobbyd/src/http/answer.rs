//! Answers about the fleet: not sent when the client has them already, packed when it likes that, and made once for all who ask the
//! same.

use std::io::Write;
use std::time::Instant;

use actix_web::http::header::{
    AcceptEncoding, CONTENT_ENCODING, ContentType, ETag, Encoding, EntityTag, Header, IF_NONE_MATCH, IfNoneMatch,
    Preference, Quality, VARY,
};
use actix_web::{HttpRequest, HttpResponse, web};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::errors::ApiError;
use super::json::json;
use super::query::Query;
use crate::clock;
use crate::logic::answers::{Body, Coding, Freshness, Question};
use crate::logic::snapshot::Snapshot;

/// Shortest answer that is worth packing, in bytes: it would fit into one packet of the network otherwise.
const WORTH_PACKING: usize = 1400;

/// An answer, or what is told instead.
pub(super) type Answer = Result<HttpResponse, ApiError>;

/// A 200 that is a line of plain text.
pub(super) fn text(line: &'static str) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::plaintext()).body(line)
}

/// Answers a question with what a snapshot knows. `make` makes the answer, a JSON text, if it was not given before.
///
/// # Errors
/// When the answer cannot be packed or indented.
pub async fn answer(
    request: &HttpRequest,
    query: &Query,
    snapshot: &Snapshot,
    question: Question,
    make: impl FnOnce(Instant) -> String,
) -> Answer {
    let now = clock::now();
    let freshness = Freshness { living: snapshot.count_living(now), unix_seconds: clock::unix_seconds() };
    let tag = EntityTag::new_weak(format!("{}-{}-{}", snapshot.instance(), snapshot.revision(), freshness.living));
    if is_known(request, &tag) {
        return Ok(HttpResponse::NotModified().insert_header(ETag(tag)).finish());
    }
    if query.pretty() {
        return indented(&make(now));
    }
    let key = (question, wanted_coding(request));
    let body = match snapshot.answers().get(&key, freshness) {
        Some(body) => body,
        None => {
            let body = pack(key.1, make(now)).await?;
            snapshot.answers().put(key, freshness, body.clone());
            body
        }
    };
    Ok(whole(body, tag))
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
fn wanted_coding(request: &HttpRequest) -> Coding {
    let accepted = AcceptEncoding::parse(request).map(|AcceptEncoding(accepted)| accepted).unwrap_or_default();
    let quality_of =
        |wanted: Preference<Encoding>| accepted.iter().find(|item| item.item == wanted).map(|item| item.quality);
    let quality = quality_of(Preference::Specific(Encoding::gzip())).or_else(|| quality_of(Preference::Any));
    if quality.is_some_and(|quality| quality > Quality::ZERO) { Coding::Gzip } else { Coding::Identity }
}

/// Packs an answer if that is wanted and worth it, off this thread, which has others to serve.
async fn pack(wanted: Coding, json: String) -> Result<Body, ApiError> {
    if wanted == Coding::Identity || json.len() < WORTH_PACKING {
        return Ok(Body { coding: Coding::Identity, bytes: json.into() });
    }
    let packed = web::block(move || {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(json.as_bytes())?;
        gzip.finish()
    });
    let failed = |error: &dyn std::fmt::Display| ApiError::Internal(format!("cannot pack the answer: {error}"));
    let packed = packed.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
    Ok(Body { coding: Coding::Gzip, bytes: packed.into() })
}

fn whole(Body { coding, bytes }: Body, tag: EntityTag) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.content_type(ContentType::json()).insert_header(ETag(tag)).insert_header((VARY, "Accept-Encoding"));
    if coding == Coding::Gzip {
        response.insert_header((CONTENT_ENCODING, "gzip"));
    }
    response.body(bytes)
}

fn indented(text: &str) -> Answer {
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|error| ApiError::Internal(format!("cannot indent the answer: {error}")))?;
    json(&value, true)
}
