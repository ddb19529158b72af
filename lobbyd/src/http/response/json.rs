//! JSON answers.

use actix_web::HttpResponse;
use actix_web::http::header::ContentType;
use serde::Serialize;

use crate::http::errors::ApiError;

/// A 200 with the value as JSON: compact, or for people to read with two spaces of indent and a
/// newline at the end.
///
/// # Errors
/// [`ApiError::Internal`] when the value has no form in JSON, as a map with keys that are no texts.
pub fn json(value: &impl Serialize, pretty: bool) -> Result<HttpResponse, ApiError> {
    let body = encode(value, pretty)
        .map_err(|error| ApiError::Internal(format!("cannot write the answer: {error}")))?;
    Ok(HttpResponse::Ok().content_type(ContentType::json()).body(body))
}

/// The value as [`json`] sends it.
///
/// # Errors
/// When the value has no form in JSON.
pub fn encode(value: &impl Serialize, pretty: bool) -> serde_json::Result<Vec<u8>> {
    if !pretty {
        return serde_json::to_vec(value);
    }
    let mut body = serde_json::to_vec_pretty(value)?;
    body.push(b'\n');
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn body(pretty: bool) -> actix_web::web::Bytes {
        let response = json(&[[1, 2]], pretty).unwrap();
        assert_eq!(
            (
                response.status().as_u16(),
                response.headers().get("content-type").unwrap().to_str().unwrap()
            ),
            (200, "application/json")
        );
        actix_web::body::to_bytes(response.into_body()).await.unwrap()
    }

    #[actix_web::test]
    async fn json_is_compact_unless_it_shall_be_pretty() {
        assert_eq!(body(false).await, "[[1,2]]");
        assert_eq!(body(true).await, "[\n  [\n    1,\n    2\n  ]\n]\n");
    }
}
