//! Parameters of the feed: which hosts, in what form, from where on.

use actix_web::HttpRequest;
use actix_web::http::header::{Accept, Header};
use lobby_client::Selector;
use lobby_core::events::event_id::EventId;
use lobby_core::events::frame::Form;
use lobby_core::select::params::QueryParams;

use crate::http::errors::ApiError;
use crate::http::request::selectors::SelectorCache;

/// The header in which a browser that comes back says what it knows.
const LAST_EVENT_ID: &str = "last-event-id";

/// What a client wants to be told.
#[derive(Debug)]
pub(super) struct Parameters {
    /// The hosts; none means all.
    pub selector: Option<Selector>,
    /// How events are written.
    pub form: Form,
    /// The last event that the client knows.
    pub since: Option<EventId>,
}

impl Parameters {
    /// The parameters of a request.
    pub(super) fn of(request: &HttpRequest, selectors: &SelectorCache) -> Result<Self, ApiError> {
        let query = QueryParams::parse(request.query_string())?;
        let selector = selectors.of(&query)?;
        check_choice(&query)?;
        Ok(Self { selector, form: form(&query, request)?, since: since(&query, request)? })
    }
}

/// Checks that nothing is given that chooses servers of lists alone: without it all would be told.
fn check_choice(query: &QueryParams) -> Result<(), ApiError> {
    let others = ["labels", "prefixes", "label"];
    match others.into_iter().find(|name| query.parameter(name).is_some()) {
        Some(other) => Err(ApiError::BadRequest(format!(
            "{other} does not choose the servers of events: use selector, such as selector=service:web"
        ))),
        None => Ok(()),
    }
}

/// The form that the query names, or else the one that the client likes best.
fn form(query: &QueryParams, request: &HttpRequest) -> Result<Form, ApiError> {
    match query.parameter("format") {
        Some("sse") => Ok(Form::ServerSentEvents),
        Some("jsonl") => Ok(Form::JsonLines),
        Some(other) => Err(ApiError::BadRequest(format!(
            "format {other:?} is not a valid form of events: expected sse or jsonl"
        ))),
        None => {
            let liked = Accept::parse(request).map(|accept| accept.ranked()).unwrap_or_default();
            let form = liked.iter().find_map(|mime| match mime.essence_str() {
                "application/x-ndjson" => Some(Form::JsonLines),
                "text/event-stream" | "text/*" | "*/*" => Some(Form::ServerSentEvents),
                _ => None,
            });
            Ok(form.unwrap_or(Form::ServerSentEvents))
        }
    }
}

/// The last event that the client knows. A browser that reconnects says it in a header, whatever
/// the URL says: there it only stands for the first time.
fn since(query: &QueryParams, request: &HttpRequest) -> Result<Option<EventId>, ApiError> {
    let header = request.headers().get(LAST_EVENT_ID).and_then(|value| value.to_str().ok());
    // A browser would never come back after an error: what it cannot have from here is unknown.
    if let Some(id) = header.and_then(|id| EventId::parse(id).ok()) {
        return Ok(Some(id));
    }
    let since = query.parameter("since").filter(|since| !since.is_empty());
    since
        .map(EventId::parse)
        .transpose()
        .map_err(|error| ApiError::BadRequest(format!("since: {error}")))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn read(query: &str, headers: &[(&'static str, &str)]) -> Result<Parameters, String> {
        let request = TestRequest::with_uri(&format!("/v1/events{query}"));
        let request =
            headers.iter().fold(request, |request, header| request.insert_header(*header));
        let parameters = Parameters::of(&request.to_http_request(), &SelectorCache::default());
        parameters.map_err(|error| error.to_string())
    }

    #[test]
    fn the_form_is_the_one_asked_for_or_liked_best() {
        let form = |query, accept| read(query, &[("accept", accept)]).unwrap().form;
        for accept in
            ["*/*", "", "text/event-stream", "text/html", "application/x-ndjson;q=0.5, */*"]
        {
            assert_eq!(form("", accept), Form::ServerSentEvents, "{accept}");
        }
        assert_eq!(form("", "application/x-ndjson, */*;q=0.1"), Form::JsonLines);
        assert_eq!(form("?format=jsonl", "text/event-stream"), Form::JsonLines);
        assert_eq!(form("?format=sse", "application/x-ndjson"), Form::ServerSentEvents);
        let refusal = read("?format=xml", &[]).unwrap_err();
        assert_eq!(refusal, "format \"xml\" is not a valid form of events: expected sse or jsonl");
    }

    #[test]
    fn the_header_of_a_browser_that_comes_back_beats_the_url() {
        let known = |query, id| {
            let since = read(query, &[("last-event-id", id)]).unwrap().since;
            since.and_then(|since| since.revision_of("a1"))
        };
        assert_eq!(known("?since=a1-3", "a1-5"), Some(5));
        assert_eq!((known("?since=a1-3", ""), known("?since=a1-3", "what?")), (Some(3), Some(3)));
        assert_eq!((known("?since=", ""), known("", "what?")), (None, None));
    }

    #[test]
    fn a_malformed_since_and_a_bad_selector_are_refused() {
        let refusal = read("?since=5", &[]).unwrap_err();
        assert!(refusal.starts_with("since: \"5\" is not a valid event id: expected"), "{refusal}");
        assert!(read("?selector=a%3D", &[]).is_err());
        assert!(read("?selector=", &[]).is_err(), "an unset variable must not mean everybody");
        assert!(read("?selector=a&labels=b", &[]).unwrap_err().contains("labels"));
        for query in ["?labels=a", "?prefixes=a", "?label=", "?labels"] {
            let refusal = read(query, &[]).unwrap_err();
            let expected = "does not choose the servers of events: use selector, such as";
            assert!(refusal.contains(expected), "{query}: {refusal}");
        }
    }
}
