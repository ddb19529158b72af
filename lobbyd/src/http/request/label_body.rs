//! Label bodies: the labels that a request adds or removes, one a line.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::{FromRequest, HttpRequest, web};
use lobby_client::Label;
use tokio::time::timeout;

use crate::http::errors::ApiError;
use lobby_core::lines::{self, InvalidLine};

/// Longest body, in bytes.
pub const MAX_BODY: usize = 64 * 1024;

/// Longest time that a client may take over a body.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// The labels of a request's body, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelBody(pub Vec<Label>);

/// The first invalid line of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidBody {
    /// The number of the line, from 1.
    pub line: usize,
    /// Why the line is not a label.
    pub reason: InvalidLine,
}

impl fmt::Display for InvalidBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            InvalidLine::NotUtf8(reason) => write!(f, "line {} is not UTF-8: {reason}", self.line),
            InvalidLine::InvalidLabel(reason) => write!(f, "line {}: {reason}", self.line),
        }
    }
}

impl From<InvalidBody> for ApiError {
    fn from(error: InvalidBody) -> Self {
        Self::BadRequest(error.to_string())
    }
}

/// Reads the lines of a body as [`lines::parse`] does.
///
/// # Errors
/// The first invalid line.
pub fn parse(body: &[u8]) -> Result<Vec<Label>, InvalidBody> {
    let labels = lines::parse(body)
        .map(|line| line.label.map_err(|reason| InvalidBody { line: line.number, reason }));
    labels.collect()
}

impl FromRequest for LabelBody {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let too_large = announced_length(request).is_some_and(|length| length > MAX_BODY as u64);
        let other_form = other_form(request);
        let body = web::Payload::from_request(request, payload);
        Box::pin(async move {
            if too_large {
                return Err(ApiError::TooLarge(MAX_BODY));
            }
            let body = timeout(TIME_LIMIT, read(body))
                .await
                .map_err(|_| ApiError::TooSlow(TIME_LIMIT))??;
            match other_form {
                // An empty list is sent as JSON by some clients, in a body without a byte.
                Some(content_type) if !body.trim_ascii().is_empty() => {
                    Err(ApiError::UnsupportedMediaType(content_type))
                }
                _ => Ok(Self(parse(&body)?)),
            }
        })
    }
}

/// The content type, if it says that the body is not lines of text: its own syntax would be stored
/// as labels. Any other may stand before lines; curl says that they are a form.
fn other_form(request: &HttpRequest) -> Option<String> {
    let content_type = request.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    (essence.contains("json") || essence.starts_with("multipart/")).then_some(essence)
}

/// The length of the body in bytes, if the client announces it.
fn announced_length(request: &HttpRequest) -> Option<u64> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn read(
    body: impl Future<Output = actix_web::Result<web::Payload>>,
) -> Result<web::Bytes, ApiError> {
    let broken = |error: actix_web::Error| {
        ApiError::BadRequest(format!("the body could not be read: {error}"))
    };
    let body = body.await.map_err(broken)?;
    body.to_bytes_limited(MAX_BODY).await.map_err(|_| ApiError::TooLarge(MAX_BODY))?.map_err(broken)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn refusal(body: &[u8]) -> String {
        parse(body).unwrap_err().to_string()
    }

    #[test]
    fn a_body_is_one_label_a_line() {
        let labels: Vec<_> =
            parse(b"a:1\r\n\n b:2 \n").unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(labels, ["a:1", "b:2"]);
        assert_eq!(parse(b""), Ok(vec![]));
    }

    #[test]
    fn the_first_bad_line_is_named_with_the_reason() {
        assert_eq!(
            refusal(b"a:1\n\nb\0c\n\x01"),
            "line 3: label \"b\\0c\" holds a control character"
        );
        assert_eq!(refusal(b"a\rb"), "line 1: label \"a\\rb\" holds a control character");
        let long = format!("a\n{}", "x".repeat(1025));
        assert_eq!(
            refusal(long.as_bytes()),
            "line 2: a label of 1025 bytes is too long: at most 1024 are allowed"
        );
    }

    #[test]
    fn a_line_that_is_not_utf8_is_named() {
        assert_eq!(
            refusal(b"a:1\nb:\xff"),
            "line 2 is not UTF-8: invalid utf-8 sequence of 1 bytes from index 2"
        );
    }

    async fn extract(body: Vec<u8>) -> Result<LabelBody, ApiError> {
        let (request, mut payload) = TestRequest::post().set_payload(body).to_http_parts();
        LabelBody::from_request(&request, &mut payload).await
    }

    #[actix_web::test]
    async fn a_body_of_64_kib_is_taken_and_one_byte_more_is_not() {
        let mut body = b"a:1".to_vec();
        body.resize(MAX_BODY, b'\n');
        assert_eq!(extract(body.clone()).await, Ok(LabelBody(vec![Label::parse("a:1").unwrap()])));
        body.push(b'\n');
        assert_eq!(extract(body).await, Err(ApiError::TooLarge(MAX_BODY)));
    }

    #[actix_web::test]
    async fn a_bad_line_of_a_request_is_a_bad_request() {
        let refused =
            ApiError::BadRequest("line 1: label \"a\\tb\" holds a control character".into());
        assert_eq!(extract(b"a\tb".to_vec()).await, Err(refused));
    }
}
