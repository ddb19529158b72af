//! Refusals of the parser: it refuses what it does not understand without a word; here it gets one.

use memchr::memmem;

use crate::http::connection::request_head::Fault;

/// Greatest length of the head of a refusal, in bytes.
const MAX_HEAD_LEN: usize = 256;

const HEAD_END: &[u8] = b"\r\n\r\n";
/// What is said of a head that was not there in time.
const LATE: &str = "the head of the request was not there in time\n";

const NO_BODY: &[u8] = b"content-length: 0\r\n";

/// The answers that end in a refusal without a text, with a text; `None` if they end otherwise.
pub(super) fn with_text(answers: &[u8], fault: Option<Fault>) -> Option<Vec<u8>> {
    if !answers.ends_with(HEAD_END) {
        return None;
    }
    let tail = answers.len().saturating_sub(MAX_HEAD_LEN);
    let start = tail + memmem::rfind(&answers[tail..], b"HTTP/1.")?;
    let head = &answers[start..];
    let status = head.get("HTTP/1.1 ".len()..)?.get(..3)?;
    let length = memmem::find(head, NO_BODY)?;
    let text = text(status, fault)?;
    let (before, behind) = (&head[..length], &head[length + NO_BODY.len()..]);
    let headers =
        format!("content-length: {}\r\ncontent-type: text/plain; charset=utf-8\r\n", text.len());
    Some([&answers[..start], before, headers.as_bytes(), behind, text.as_bytes()].concat())
}

/// The refusal of a head that is not there in time, where the parser does not look at the time.
pub(super) fn late() -> Vec<u8> {
    let length = LATE.len();
    let head = "HTTP/1.1 408 Request Timeout\r\ncontent-type: text/plain; charset=utf-8\r\n";
    format!("{head}content-length: {length}\r\nconnection: close\r\n\r\n{LATE}").into_bytes()
}

fn text(status: &[u8], fault: Option<Fault>) -> Option<String> {
    match (status, fault) {
        (b"400", Some(fault)) => Some(format!("{fault}\n")),
        (b"400", None) => Some("the request is not valid HTTP/1.1\n".to_owned()),
        (b"408", _) => Some(LATE.to_owned()),
        (b"431", _) => Some(
            "the head of the request is too long: shorten the path, the query or the headers\n"
                .to_owned(),
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSAL: &str =
        "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

    #[test]
    fn a_refusal_without_a_text_gets_one_and_answers_before_it_stay() {
        let before = "HTTP/1.1 304 Not Modified\r\n\r\n";
        let told =
            with_text(format!("{before}{REFUSAL}").as_bytes(), Some(Fault::Version)).unwrap();
        let told = String::from_utf8(told).unwrap();
        let text = "the version of HTTP is not supported: use HTTP/1.1\n";
        let headers = format!(
            "content-length: {}\r\ncontent-type: text/plain; charset=utf-8\r\n",
            text.len()
        );
        let expected =
            format!("{before}HTTP/1.1 400 Bad Request\r\n{headers}connection: close\r\n\r\n{text}");
        assert_eq!(told, expected);
    }

    #[test]
    fn other_answers_stay_as_they_are() {
        let chunk = "2\r\n[]\r\n0\r\n\r\n";
        let not_modified = "HTTP/1.1 304 Not Modified\r\netag: \"1\"\r\n\r\n";
        let told = "HTTP/1.1 400 Bad Request\r\ncontent-length: 5\r\n\r\nline\n";
        let empty = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        for answer in [chunk, not_modified, told, empty, "", "\r\n\r\n"] {
            assert_eq!(with_text(answer.as_bytes(), None), None, "{answer:?}");
        }
    }
}
