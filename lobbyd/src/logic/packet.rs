//! The envelope: what daemons say to each other, as bytes and as meaning.

use std::borrow::Cow;

use lobby_client::{Discovery, HostName, InvalidHostName, InvalidLabel, Label};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

/// Greatest size of an envelope, in bytes.
pub const MAX_ENVELOPE_LEN: usize = 256 * 1024;

/// Greatest number of labels of one host.
pub const MAX_LABELS: usize = 1024;

/// What a packet says about its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// The sender is here, with these labels.
    Hi,
    /// The sender is leaving.
    Goodbye,
}

/// A decoded message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// What is said.
    pub verb: Verb,
    /// Of whom it is said.
    pub discovery: Discovery,
    /// Which run of which daemon says it; the original does not tell.
    pub instance: Option<String>,
}

/// Why a packet was refused. It changes nothing then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its length in bytes exceeds [`MAX_ENVELOPE_LEN`].
    #[error("an envelope of {0} bytes is too large: at most {MAX_ENVELOPE_LEN} are allowed")]
    TooLarge(usize),
    /// It is not JSON, or not of the shape of an envelope.
    #[error("not a JSON envelope: {0}")]
    NotJson(String),
    /// It names no host.
    #[error("no host name")]
    NoHostName,
    /// It names a host as none can be named.
    #[error(transparent)]
    BadHostName(InvalidHostName),
    /// The number of this host's labels exceeds [`MAX_LABELS`].
    #[error("host {0}: {1} labels are too many: at most {MAX_LABELS} are allowed")]
    TooManyLabels(HostName, usize),
    /// One of this host's labels is none.
    #[error("host {0}: {1}")]
    BadLabel(HostName, InvalidLabel),
    /// It says neither hi nor goodbye.
    #[error("message {0:?} is neither \"hi\" nor \"goodbye\"")]
    UnknownMessage(String),
    /// The registry already holds MAX_SERVERS other hosts.
    #[error("the registry is full: it holds {0} other hosts, the most that MAX_SERVERS allows")]
    RegistryFull(usize),
}

impl Refusal {
    /// The reason as a word for counters and logs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge(_) => "too_large",
            Self::NotJson(_) => "not_json",
            Self::NoHostName => "no_hostname",
            Self::BadHostName(_) => "bad_hostname",
            Self::TooManyLabels(..) => "too_many_labels",
            Self::BadLabel(..) => "bad_label",
            Self::UnknownMessage(_) => "unknown_message",
            Self::RegistryFull(_) => "registry_full",
        }
    }
}

/// Reads an envelope as any writer may send it: labels null, missing, unsorted or repeated, unknown fields anywhere.
///
/// # Errors
/// The [`Refusal`] that applies.
pub fn decode(payload: &[u8]) -> Result<Envelope, Refusal> {
    if payload.len() > MAX_ENVELOPE_LEN {
        return Err(Refusal::TooLarge(payload.len()));
    }
    let raw: RawEnvelope<'_> = serde_json::from_slice(payload).map_err(|error| Refusal::NotJson(error.to_string()))?;
    let verb = verb_of(raw.message)?;
    let instance = raw.instance.map(|instance| instance.0.into_owned());
    Ok(Envelope { verb, discovery: raw.discovery.unwrap_or_default().check()?, instance })
}

/// Writes the envelope of a host that is here or is leaving. `instance` names this run of this daemon.
pub fn encode(verb: Verb, discovery: &Discovery, instance: &str) -> Vec<u8> {
    to_json(verb, &discovery.hostname, Some(&discovery.labels), instance)
}

/// Writes the goodbye to a name that this server has given up, which carries `"labels": null` as the original's does.
pub fn encode_farewell(former: &HostName, instance: &str) -> Vec<u8> {
    to_json(Verb::Goodbye, former, None, instance)
}

/// What an envelope of this instance holds and no other does.
pub(super) fn instance_field(instance: &str) -> String {
    format!("\"instance\":\"{instance}\"")
}

fn to_json(verb: Verb, hostname: &HostName, labels: Option<&[Label]>, instance: &str) -> Vec<u8> {
    let message = match verb {
        Verb::Hi => "hi",
        Verb::Goodbye => "goodbye",
    };
    let discovery = WrittenPacket { hostname, labels, last_check: 0 };
    serde_json::to_vec(&WrittenEnvelope { discovery, message, instance }).unwrap_or_default()
}

#[derive(Serialize)]
struct WrittenEnvelope<'a> {
    discovery: WrittenPacket<'a>,
    message: &'a str,
    instance: &'a str,
}

#[derive(Serialize)]
struct WrittenPacket<'a> {
    hostname: &'a HostName,
    labels: Option<&'a [Label]>,
    last_check: i64,
}

#[derive(Deserialize)]
struct RawEnvelope<'a> {
    #[serde(borrow)]
    discovery: Option<RawPacket<'a>>,
    #[serde(borrow)]
    message: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "text_or_nothing")]
    instance: Option<Text<'a>>,
}

/// An extra field is whatever its writer likes: what is no text is not ours.
fn text_or_nothing<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Text<'de>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Anything<'a> {
        #[serde(borrow)]
        Text(Text<'a>),
        Other(IgnoredAny),
    }
    Ok(match Anything::deserialize(deserializer)? {
        Anything::Text(text) => Some(text),
        Anything::Other(_) => None,
    })
}

#[derive(Deserialize, Default)]
struct RawPacket<'a> {
    #[serde(borrow)]
    hostname: Option<Text<'a>>,
    #[serde(borrow)]
    labels: Option<Vec<Text<'a>>>,
}

/// A text that is borrowed from the payload unless it holds escapes.
#[derive(Deserialize, Default)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl RawPacket<'_> {
    fn check(self) -> Result<Discovery, Refusal> {
        let hostname = self.hostname.unwrap_or_default().0;
        let hostname = HostName::parse(&hostname).map_err(|error| match error {
            InvalidHostName::Empty => Refusal::NoHostName,
            other => Refusal::BadHostName(other),
        })?;
        let labels = self.labels.unwrap_or_default();
        if labels.len() > MAX_LABELS {
            return Err(Refusal::TooManyLabels(hostname, labels.len()));
        }
        match labels.iter().map(|label| Label::parse(&label.0)).collect() {
            Ok(labels) => Ok(Discovery::new(hostname, labels)),
            Err(error) => Err(Refusal::BadLabel(hostname, error)),
        }
    }
}

fn verb_of(message: Option<Text<'_>>) -> Result<Verb, Refusal> {
    let message = message.unwrap_or_default().0;
    match &*message {
        "hi" => Ok(Verb::Hi),
        "goodbye" => Ok(Verb::Goodbye),
        other => Err(Refusal::UnknownMessage(other.chars().take(64).collect())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packet(hostname: &str, labels: &[&str]) -> Discovery {
        Discovery::new(HostName::parse(hostname).unwrap(), labels.iter().map(|l| Label::parse(l).unwrap()).collect())
    }

    fn reason(payload: &str) -> &'static str {
        decode(payload.as_bytes()).unwrap_err().reason()
    }

    #[test]
    fn a_hi_is_written_as_the_original_writes_it() {
        let packet = packet("node-a", &["service:smtp", "public_ip4:1.2.3.4", "public_ip6:2a03::1"]);
        let expected = r#"{"discovery":{"hostname":"node-a","labels":["public_ip4:1.2.3.4","public_ip6:2a03::1","service:smtp"],"last_check":0},"message":"hi","instance":"i1"}"#;
        assert_eq!(String::from_utf8(encode(Verb::Hi, &packet, "i1")).unwrap(), expected);
    }

    #[test]
    fn no_labels_are_an_empty_list_and_a_former_name_has_null() {
        let expected =
            r#"{"discovery":{"hostname":"node-b","labels":[],"last_check":0},"message":"goodbye","instance":"i1"}"#;
        assert_eq!(String::from_utf8(encode(Verb::Goodbye, &packet("node-b", &[]), "i1")).unwrap(), expected);
        let expected =
            r#"{"discovery":{"hostname":"vm","labels":null,"last_check":0},"message":"goodbye","instance":"i1"}"#;
        assert_eq!(String::from_utf8(encode_farewell(&HostName::parse("vm").unwrap(), "i1")).unwrap(), expected);
    }

    #[test]
    fn other_writers_may_leave_out_add_repeat_and_disorder() {
        let read =
            decode(br#"{"v":1,"message":"hi","discovery":{"labels":["b"," a ","b"],"x":{"y":[]},"hostname":"n"}}"#);
        assert_eq!(read, Ok(Envelope { verb: Verb::Hi, discovery: packet("n", &["a", "b"]), instance: None }));
        let read = decode(br#"{"discovery":{"hostname":"n","labels":null},"message":"goodbye"}"#);
        assert_eq!(read, Ok(Envelope { verb: Verb::Goodbye, discovery: packet("n", &[]), instance: None }));
    }

    #[test]
    fn an_instance_that_is_no_text_is_nobodys() {
        for instance in ["null", "5", "{}", "[\"a\"]"] {
            let payload = format!(r#"{{"discovery":{{"hostname":"n"}},"message":"hi","instance":{instance}}}"#);
            assert_eq!(decode(payload.as_bytes()).map(|envelope| envelope.instance), Ok(None), "{instance}");
        }
    }

    #[test]
    fn each_fault_has_its_reason() {
        assert_eq!(reason("garbage"), "not_json");
        assert_eq!(reason(r#"{"discovery":{"hostname":5},"message":"hi"}"#), "not_json");
        assert_eq!(reason(r#"{"message":"hi"}"#), "no_hostname");
        assert_eq!(reason(r#"{"discovery":{"hostname":""},"message":"hi"}"#), "no_hostname");
        assert_eq!(reason(r#"{"discovery":{"hostname":"a b"},"message":"hi"}"#), "bad_hostname");
        assert_eq!(reason(r#"{"discovery":{"hostname":"a","labels":["a\u0000"]},"message":"hi"}"#), "bad_label");
        assert_eq!(reason(r#"{"discovery":{"hostname":"a"},"message":"HI"}"#), "unknown_message");
        assert_eq!(reason(&" ".repeat(MAX_ENVELOPE_LEN + 1)), "too_large");
        let labels: Vec<_> = (0..1025).map(|n| format!("{n}")).collect();
        let labels = serde_json::to_string(&labels).unwrap();
        assert_eq!(
            reason(&format!(r#"{{"discovery":{{"hostname":"a","labels":{labels}}},"message":"hi"}}"#)),
            "too_many_labels"
        );
    }

    #[test]
    fn a_refusal_for_its_labels_names_the_host() {
        let empty_label = r#"{"discovery":{"hostname":"old-1","labels":[""]},"message":"hi"}"#;
        let told = decode(empty_label.as_bytes()).unwrap_err().to_string();
        assert_eq!(told, "host old-1: a label must not be empty");
        let labels = vec!["x"; MAX_LABELS + 1].join("\",\"");
        let too_many = format!(r#"{{"discovery":{{"hostname":"old-1","labels":["{labels}"]}},"message":"hi"}}"#);
        let told = decode(too_many.as_bytes()).unwrap_err().to_string();
        assert_eq!(told, "host old-1: 1025 labels are too many: at most 1024 are allowed");
    }

    #[test]
    fn nesting_without_end_is_refused_and_not_followed() {
        let payload = format!(r#"{{"x":{}"#, "[".repeat(100_000));
        assert_eq!(reason(&payload), "not_json");
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_back(hostname in "[^\\s\\p{Cc}]{1,60}", labels in prop::collection::vec("[^\\p{Cc}]{1,40}", 0..20)) {
            let labels = labels.iter().filter_map(|label| Label::parse(label).ok()).collect();
            let discovery = Discovery::new(HostName::parse(&hostname).unwrap(), labels);
            let written = encode(Verb::Hi, &discovery, "i1");
            prop_assert_eq!(decode(&written), Ok(Envelope { verb: Verb::Hi, discovery, instance: Some("i1".to_owned()) }));
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(payload in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = decode(&payload);
        }
    }
}
