//! Events: the feed of what changes in the fleet, for clients that go on reading.

mod feed;
mod parameters;

use std::convert::Infallible;

use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, VARY};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;
use lobby_core::events::frame::Form;

use crate::http::events::feed::Feed;
use crate::http::events::parameters::Parameters;
use crate::http::response::respond::Answer;
use crate::http::state::AppState;

/// Asks nginx to pass events on at once.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// `GET /v1/events`: the hosts that a selector matches, then what changes, as long as the client
/// reads.
pub async fn events(state: Data<AppState>, request: HttpRequest) -> Answer {
    let parameters = Parameters::of(&request, &state.selectors)?;
    let content_type = match parameters.form {
        Form::ServerSentEvents => "text/event-stream",
        Form::JsonLines => "application/x-ndjson",
    };
    let mut response = HttpResponse::Ok();
    response
        .insert_header((CONTENT_TYPE, HeaderValue::from_static(content_type)))
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-cache")))
        .insert_header((VARY, HeaderValue::from_static("Accept")))
        .insert_header((X_ACCEL_BUFFERING, HeaderValue::from_static("no")));
    if request.method() == Method::HEAD {
        return Ok(response.streaming(stream::empty::<Result<Bytes, Infallible>>()));
    }
    let feed = Feed::open(&state, &request, parameters)?;
    Ok(response.streaming(stream::unfold(feed, Feed::next)))
}
