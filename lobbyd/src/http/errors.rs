//! API errors: a status and a line of plain text that says what is wrong and what would be right.

use std::borrow::Cow;
use std::future::{Ready, ready};
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, ContentType, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, ResponseError};
use lobby_client::InvalidSelector;
use lobby_core::select::params::InvalidQuery;

/// Greatest length of an error's text, in bytes, but for a few.
const MAX_TEXT_LEN: usize = 2048;

/// A request that was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// 400: the request itself is wrong.
    #[error("{0}")]
    BadRequest(String),
    /// 400: the selector, which is shown with the place of its fault.
    #[error(transparent)]
    BadSelector(#[from] InvalidSelector),
    /// 403: the token is missing or wrong. lobby 1.x answers 403 as well, where 401 would be usual.
    #[error("access denied: send the token as \"Authorization: Token TOKEN\"")]
    AccessDenied,
    /// 403: the token is READ_TOKEN, and the request would change something.
    #[error(
        "this token may only read: to change something send TOKEN instead of READ_TOKEN, as \"Authorization: Token TOKEN\""
    )]
    ReadOnly,
    /// 403: a browser may not do this.
    #[error("{0}")]
    Forbidden(String),
    /// 404: the path that leads nowhere.
    #[error(
        "nothing at {0:?}: there are /v1/discoveries, /v1/discovery, /v1/resolve, /v1/prometheus/NAME, /v1/events, /v1/labels, /v1/status, /v1/refusals, /metrics, /openapi.yaml, /ui, /healthz and /readyz"
    )]
    NotFound(String),
    /// 405: the route knows other methods only, named as in `Allow`.
    #[error("method not allowed here: use {0}")]
    MethodNotAllowed(&'static str),
    /// 408: the body was not there in time.
    #[error("the body took longer than {} seconds", .0.as_secs())]
    TooSlow(Duration),
    /// 413: the body is longer than this many bytes.
    #[error("the body is too long: at most {0} bytes are allowed")]
    TooLarge(usize),
    /// 415: the body is of a type that cannot be read.
    #[error("a body of type {0:?} cannot be read: send one label a line, as text/plain")]
    UnsupportedMediaType(String),
    /// 500: the daemon could not do it.
    #[error("{0}")]
    Internal(String),
    /// 503: not yet, try again.
    #[error("{reason}")]
    NotReady {
        /// What is missing.
        reason: String,
        /// When to try again; told in whole seconds, at least one.
        retry_after: Duration,
    },
}

impl From<InvalidQuery> for ApiError {
    fn from(error: InvalidQuery) -> Self {
        Self::BadRequest(error.to_string())
    }
}

impl ApiError {
    /// What the client is told: one line, but for a selector, below which its fault is marked.
    fn text(&self) -> String {
        match self {
            Self::BadSelector(error) => format!("{error}\n"),
            error => one_line(&error.to_string()),
        }
    }

    fn add_headers(&self, response: &mut HttpResponseBuilder) {
        match self {
            Self::AccessDenied | Self::ReadOnly => {
                response.append_header((header::WWW_AUTHENTICATE, "Token realm=\"lobby\""));
                response.append_header((header::WWW_AUTHENTICATE, "Bearer realm=\"lobby\""));
            }
            Self::MethodNotAllowed(methods) => {
                response.insert_header((header::ALLOW, HeaderValue::from_static(methods)));
            }
            Self::NotReady { retry_after, .. } => {
                response.insert_header((header::RETRY_AFTER, whole_seconds(*retry_after)));
            }
            // What is still to come of the body cannot be told from a next request.
            Self::TooSlow(_) | Self::TooLarge(_) => {
                response.force_close();
            }
            Self::BadRequest(_)
            | Self::BadSelector(_)
            | Self::Forbidden(_)
            | Self::NotFound(_)
            | Self::UnsupportedMediaType(_)
            | Self::Internal(_) => {}
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) | Self::BadSelector(_) => StatusCode::BAD_REQUEST,
            Self::AccessDenied | Self::ReadOnly | Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotReady { .. } => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut response = HttpResponse::build(self.status_code());
        self.add_headers(&mut response);
        response.content_type(ContentType::plaintext()).body(self.text())
    }
}

/// The answer for a path that leads nowhere: the default service of the whole API.
#[expect(clippy::needless_pass_by_value, reason = "actix hands a handler its arguments by value")]
pub fn not_found(request: HttpRequest) -> Ready<Result<HttpResponse, ApiError>> {
    ready(Err(ApiError::NotFound(request.path().to_owned())))
}

/// The handler for all methods that a route does not know: the default service of a resource.
/// `allow` is what `Allow` says.
pub fn method_not_allowed(
    allow: &'static str,
) -> impl Fn() -> Ready<Result<HttpResponse, ApiError>> + Clone + 'static {
    move || ready(Err(ApiError::MethodNotAllowed(allow)))
}

fn whole_seconds(time: Duration) -> u64 {
    time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0)).max(1)
}

/// An error's text as one line that can be read. The text may come from far below, or repeat what
/// was asked for.
fn one_line(text: &str) -> String {
    let mut line = without_middle(text.trim()).replace(char::is_control, " ");
    line.push('\n');
    line
}

/// A text of which the middle is left out if it is too long: what is wrong stands at its beginning
/// or at its end.
fn without_middle(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_TEXT_LEN {
        return text.into();
    }
    let boundary = |at: usize| (0..=at).rfind(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let (from, to) = (boundary(MAX_TEXT_LEN / 2), boundary(text.len() - MAX_TEXT_LEN / 2));
    format!("{}…{}", &text[..from], &text[to..]).into()
}

#[cfg(test)]
mod tests {
    use actix_web::{App, test, web};

    use super::*;

    async fn told(error: ApiError) -> (u16, String) {
        let response = error.error_response();
        assert_eq!(response.headers().get("content-type").unwrap(), "text/plain; charset=utf-8");
        let status = response.status().as_u16();
        let body = actix_web::body::to_bytes(response.into_body()).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[actix_web::test]
    async fn every_error_is_one_line_of_plain_text() {
        let disk = ApiError::Internal("cannot store labels:\nread-only file system\n".into());
        assert_eq!(told(disk).await, (500, "cannot store labels: read-only file system\n".into()));
        assert_eq!(told(ApiError::BadRequest("line 2".into())).await, (400, "line 2\n".into()));
        assert_eq!(
            told(ApiError::TooLarge(65536)).await,
            (413, "the body is too long: at most 65536 bytes are allowed\n".into())
        );
    }

    #[actix_web::test]
    async fn an_error_that_repeats_too_much_loses_its_middle() {
        for filling in ["x", "ž", "→", "😀"] {
            let (_, line) = told(ApiError::BadRequest(format!(
                "parameter {} is wrong",
                filling.repeat(50_000)
            )))
            .await;
            assert!(
                line.starts_with("parameter ")
                    && line.ends_with(" is wrong\n")
                    && line.contains('…'),
                "{line}"
            );
            assert!(line.len() < MAX_TEXT_LEN + 16, "{}", line.len());
        }
        assert_eq!(
            told(ApiError::BadRequest("x".repeat(MAX_TEXT_LEN))).await.1,
            "x".repeat(MAX_TEXT_LEN) + "\n"
        );
    }

    #[actix_web::test]
    async fn a_denied_request_is_told_both_ways_to_authenticate() {
        let response = ApiError::AccessDenied.error_response();
        assert_eq!(response.status(), 403);
        let ways: Vec<_> = response.headers().get_all("www-authenticate").collect();
        assert_eq!(ways, ["Token realm=\"lobby\"", "Bearer realm=\"lobby\""]);
    }

    #[actix_web::test]
    async fn retry_after_is_rounded_up_to_whole_seconds() {
        for (millis, seconds) in [(0, "1"), (1, "1"), (1000, "1"), (1001, "2")] {
            let retry_after = Duration::from_millis(millis);
            let response =
                ApiError::NotReady { reason: "no driver".into(), retry_after }.error_response();
            assert_eq!(
                (
                    response.status().as_u16(),
                    response.headers().get("retry-after").unwrap().to_str().unwrap()
                ),
                (503, seconds)
            );
        }
    }

    #[actix_web::test]
    async fn an_unknown_path_and_an_unknown_method_are_told_apart() {
        let labels = web::resource("/v1/labels")
            .route(web::post().to(HttpResponse::Ok))
            .default_service(web::to(method_not_allowed("POST, DELETE")));
        let app =
            test::init_service(App::new().service(labels).default_service(web::to(not_found)))
                .await;

        let unknown =
            test::call_service(&app, test::TestRequest::get().uri("/v1/lables").to_request()).await;
        assert_eq!(unknown.status(), 404);
        assert!(
            test::read_body(unknown).await.starts_with(b"nothing at \"/v1/lables\": there are ")
        );

        let wrong =
            test::call_service(&app, test::TestRequest::put().uri("/v1/labels").to_request()).await;
        assert_eq!(
            (wrong.status().as_u16(), wrong.headers().get("allow").unwrap().to_str().unwrap()),
            (405, "POST, DELETE")
        );
        assert_eq!(test::read_body(wrong).await, "method not allowed here: use POST, DELETE\n");
    }
}
