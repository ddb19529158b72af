//! What an answer means.

use awc::http::StatusCode;
use awc::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, WWW_AUTHENTICATE};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

use crate::object::deserialize_from_object;
use crate::text::one_line;
use crate::{
    Discovery, Error, HostName, InvalidHostName, Label, LocalLabel, RefusedHost, Selector, Status,
    TargetGroup,
};

/// Whether the connection ended before the whole body was there, which the HTTP client does not
/// tell. What was packed has the length that it had on the way.
pub(super) fn is_shorter_than_told(headers: &HeaderMap, body: &[u8]) -> bool {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    !headers.contains_key(CONTENT_ENCODING) && length.is_some_and(|length| body.len() < length)
}

/// Whether a body that could not be read begins as JSON and stops: so an answer is seen to be cut
/// off that was sent in pieces, without a length.
pub(super) fn stops_short(body: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(body).is_err_and(|error| error.is_eof())
}

/// The body of a success, or what the refusal means.
pub(super) fn check(
    url: &str,
    status: StatusCode,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Bytes, Error> {
    if status == StatusCode::OK {
        return Ok(body);
    }
    let (url, text) = (url.to_owned(), refusal(status, &body));
    Err(if is_about_the_token(status, headers, &text) {
        Error::Unauthorised { url, text }
    } else {
        Error::Refused { url, status: status.as_u16(), text }
    })
}

/// A 403 has other reasons too, such as the rule against browsers. lobbyd tells them apart by the
/// header; lobby 1.x has this one reason only.
fn is_about_the_token(status: StatusCode, headers: &HeaderMap, text: &str) -> bool {
    let ours = headers.contains_key(WWW_AUTHENTICATE);
    status == StatusCode::UNAUTHORIZED
        || (status == StatusCode::FORBIDDEN && (ours || text == "access denied"))
}

/// The server's text: a line of our daemon, the `message` of lobby 1.x, else what the status is
/// called.
fn refusal(status: StatusCode, body: &[u8]) -> String {
    #[derive(Deserialize)]
    #[serde(remote = "Self")]
    struct Original {
        message: String,
    }
    deserialize_from_object!(Original);
    let text = match serde_json::from_slice::<Original>(body) {
        Ok(original) => one_line(&original.message),
        Err(_) => one_line(&String::from_utf8_lossy(body)),
    };
    if text.is_empty() {
        status.canonical_reason().unwrap_or("no reason given").to_owned()
    } else {
        text
    }
}

pub(super) fn discovery(body: &[u8]) -> Result<Discovery, String> {
    json::<LoosePacket>(body)?.checked().map_err(|error| error.to_string())
}

pub(super) fn discoveries(body: &[u8]) -> Result<Vec<Discovery>, String> {
    let packets = json::<Option<Vec<LoosePacket>>>(body)?.unwrap_or_default();
    Ok(packets.into_iter().filter_map(|packet| packet.checked().ok()).collect())
}

pub(super) fn host_names(body: &[u8]) -> Result<Vec<HostName>, String> {
    let names = json::<Option<Vec<String>>>(body)?.unwrap_or_default();
    Ok(names.iter().filter_map(|name| HostName::parse(name).ok()).collect())
}

pub(super) fn local_labels(body: &[u8]) -> Result<Vec<LocalLabel>, String> {
    json(body)
}

pub(super) fn refusals(body: &[u8]) -> Result<Vec<RefusedHost>, String> {
    json(body)
}

pub(super) fn status(body: &[u8]) -> Result<Status, String> {
    json(body)
}

/// A JSON document as it is, but in one line: lobby 1.x indents its answers.
pub(super) fn json_line(body: &[u8]) -> Result<String, String> {
    let document: Value = json(body)?;
    let text = std::str::from_utf8(body).map_err(|error| error.to_string())?.trim();
    Ok(if text.contains('\n') { document.to_string() } else { text.to_owned() })
}

/// The packets of a list that a selector chooses, as they are but in one line.
pub(super) fn chosen_json(body: &[u8], selector: &Selector) -> Result<String, String> {
    let mut packets = json::<Option<Vec<Value>>>(body)?.unwrap_or_default();
    let all = packets.len();
    packets.retain(|packet| {
        let packet = <LoosePacket as Deserialize>::deserialize(packet);
        let packet = packet.ok().and_then(|packet| packet.checked().ok());
        packet.is_some_and(|packet| selector.matches(&packet))
    });
    if packets.len() == all { json_line(body) } else { Ok(Value::from(packets).to_string()) }
}

/// The names of the servers of a list that a selector chooses.
pub(super) fn chosen_names(body: &[u8], selector: &Selector) -> Result<String, String> {
    let servers = discoveries(body)?;
    let names = servers.iter().filter(|server| selector.matches(server));
    Ok(names.map(|server| server.hostname.as_str()).collect::<Value>().to_string())
}

pub(super) fn target_groups(body: &[u8]) -> Result<Vec<TargetGroup>, String> {
    Ok(json::<Option<Vec<TargetGroup>>>(body)?.unwrap_or_default())
}

pub(super) fn group_names(body: &[u8]) -> Result<Vec<String>, String> {
    json(body)
}

fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

/// A packet as lobby 1.x passes it on: it checks neither names nor labels.
#[derive(Deserialize)]
#[serde(remote = "Self")]
pub(super) struct LoosePacket {
    hostname: String,
    #[serde(default)]
    labels: Option<Vec<String>>,
    #[serde(default)]
    last_check: i64,
}

deserialize_from_object!(LoosePacket);

impl LoosePacket {
    pub(super) fn checked(self) -> Result<Discovery, InvalidHostName> {
        let labels = valid_labels(&self.labels.unwrap_or_default());
        Ok(Discovery {
            last_check: self.last_check,
            ..Discovery::new(HostName::parse(&self.hostname)?, labels)
        })
    }
}

/// The labels that are valid, in their order.
pub(super) fn valid_labels(texts: &[String]) -> Vec<Label> {
    texts.iter().filter_map(|text| Label::parse(text).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_and_labels(body: &str) -> Vec<(String, Vec<String>)> {
        let packets = discoveries(body.as_bytes()).unwrap().into_iter();
        packets
            .map(|p| (p.hostname.to_string(), p.labels.iter().map(ToString::to_string).collect()))
            .collect()
    }

    #[test]
    fn null_is_an_empty_list() {
        assert_eq!(discoveries(b"null"), Ok(vec![]));
        assert_eq!(host_names(b"null"), Ok(vec![]));
        assert_eq!(target_groups(b"null"), Ok(vec![]));
        assert_eq!(
            names_and_labels(r#"[{"hostname":"a","labels":null}]"#),
            [("a".to_owned(), vec![])]
        );
    }

    #[test]
    fn an_odd_server_or_label_is_left_out_and_the_others_stay() {
        let body = r#"[{"hostname":"","labels":["a:1"]},{"hostname":"x\u001b[2J","labels":[]},
            {"hostname":"n1","labels":["b:2","a:1\u0007","","  "],"last_check":7,"more":true}]"#;
        assert_eq!(names_and_labels(body), [("n1".to_owned(), vec!["b:2".to_owned()])]);
        assert_eq!(discoveries(body.as_bytes()).unwrap()[0].last_check, 7);
        assert_eq!(host_names(br#"["", "a", "b c"]"#), Ok(vec![HostName::parse("a").unwrap()]));
    }

    #[test]
    fn of_a_list_of_everybody_only_the_chosen_stay() {
        let body =
            r#"[{"hostname":"a","labels":["x"],"more":1.0},{"hostname":"b","labels":null},{}]"#;
        let chosen = |selector: &str| chosen_json(body.as_bytes(), &selector.parse().unwrap());
        assert_eq!(chosen("x"), Ok(r#"[{"hostname":"a","labels":["x"],"more":1.0}]"#.to_owned()));
        assert_eq!(chosen("y"), Ok("[]".to_owned()));
        let names = chosen_names(body.replace(",{}", "").as_bytes(), &"not y".parse().unwrap());
        assert_eq!(names, Ok(r#"["a","b"]"#.to_owned()));
        assert_eq!(chosen_json(b"null", &"x".parse().unwrap()), Ok("null".to_owned()));
    }

    #[test]
    fn an_array_is_not_a_server() {
        assert!(discoveries(br#"[["a",["x"],7]]"#).is_err());
        assert!(discovery(br#"["a",["x"],7]"#).is_err());
        assert!(target_groups(br#"[[{},["a:1"]]]"#).is_err());
        assert!(status(br#"["2.0.0",1,2]"#).is_err());
    }

    #[test]
    fn the_own_packet_needs_a_valid_name() {
        assert_eq!(
            discovery(br#"{"hostname":"","labels":[]}"#),
            Err("a host name must not be empty".to_owned())
        );
    }

    #[test]
    fn a_json_answer_stays_as_it_is_in_one_line() {
        let answer = r#"[{"new":1e2,"hostname":"a"}]"#;
        assert_eq!(json_line(answer.as_bytes()), Ok(answer.to_owned()));
        assert_eq!(
            json_line(b"{\n  \"b\": [\n    1\n  ],\n  \"a\": null\n}\n"),
            Ok(r#"{"b":[1],"a":null}"#.to_owned())
        );
        assert!(json_line(b"<html>").is_err());
    }

    #[test]
    fn another_document_is_an_error() {
        assert!(discoveries(b"<html>").is_err());
        assert!(discoveries(br#"{"hostname":"a"}"#).is_err());
        assert!(host_names(b"[1]").is_err());
        assert!(group_names(b"[1]").is_err() && group_names(b"{}").is_err());
    }

    #[test]
    fn a_refusal_without_text_is_called_by_its_status() {
        assert_eq!(refusal(StatusCode::BAD_GATEWAY, b"\r\n"), "Bad Gateway");
        assert_eq!(refusal(StatusCode::NOT_FOUND, b"{\"message\":\"Not Found\"}\n"), "Not Found");
        assert_eq!(refusal(StatusCode::BAD_REQUEST, b"line 2: too long\n"), "line 2: too long");
    }
}
