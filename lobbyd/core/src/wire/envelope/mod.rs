//! The envelope: what daemons say to each other, as bytes and as meaning.

use std::borrow::Cow;
use std::time::Duration;

use lobby_client::{Discovery, HostName, InvalidHostName, InvalidLabel, Label};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

/// Greatest size of an envelope, in bytes.
pub const MAX_ENVELOPE_LEN: usize = 256 * 1024;

/// Most characters of what is wrong with a packet that is no JSON.
const LONGEST_COMPLAINT: usize = 200;

/// Greatest number of labels of one host.
pub const MAX_LABELS: usize = 1024;

/// What a packet says about its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// The sender is here, with these labels.
    Hi,
    /// The sender is leaving.
    Goodbye,
}

/// A decoded message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// What is said.
    pub verb: MessageKind,
    /// Of whom it is said.
    pub discovery: Discovery,
    /// Which run of which daemon says it; the original does not tell.
    pub instance: Option<String>,
    /// What proves that it was said by one of the lobby; whether it does is for others to check.
    pub seal: Option<Signature>,
}

/// The signature of an envelope and when it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The sender's wall clock, in milliseconds since the Unix epoch; 0 if it does not tell.
    pub timestamp: u64,
    /// HMAC-SHA-256, in lower-case hexadecimal digits.
    pub signature: String,
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
    /// It carries no signature, and PACKET_VERIFY=enforce wants one.
    #[error("host {0}: not signed, and PACKET_VERIFY=enforce wants a signature with a key of PACKET_KEY_FILE")]
    Unsigned(HostName),
    /// Its signature is of no key that is known.
    #[error("host {0}: signed with none of the keys of PACKET_KEY_FILE, or altered")]
    BadSignature(HostName),
    /// By this server's clock it was signed more than TTL ago, or is going to be.
    #[error(
        "host {host}: its time is {off_by:?} {direction} that of this server: at most TTL is allowed, are both clocks right?"
    )]
    Stale {
        /// The host that it names.
        host: HostName,
        /// How far its time is from this server's.
        off_by: Duration,
        /// "behind" or "ahead of".
        direction: &'static str,
    },
    /// It was heard before, or something that its host said later was.
    #[error("host {0}: signed no later than another packet that was heard before")]
    Replayed(HostName),
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
            Self::Unsigned(_) => "unsigned",
            Self::BadSignature(_) => "bad_signature",
            Self::Stale { .. } => "stale",
            Self::Replayed(_) => "replayed",
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
    let raw: RawEnvelope<'_> = serde_json::from_slice(payload).map_err(|error| not_json(&error))?;
    let verb = verb_of(raw.message)?;
    let instance = raw.instance.map(|instance| instance.0.into_owned());
    let timestamp = raw.timestamp.unwrap_or_default();
    let seal = raw.signature.map(|signature| Signature { timestamp, signature: signature.0.into_owned() });
    Ok(Envelope { verb, discovery: raw.discovery.unwrap_or_default().check()?, instance, seal })
}

/// What an envelope is to say.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// What is said.
    pub verb: MessageKind,
    /// Of whom it is said.
    pub hostname: &'a HostName,
    /// The host's labels, sorted and unique. None are written as `null`: the original does so when it gives up a name.
    pub labels: Option<&'a [Label]>,
    /// Names the run of the daemon that says it.
    pub instance: &'a str,
}

impl<'a> Message<'a> {
    /// The word for what is said.
    pub fn message(&self) -> &'static str {
        match self.verb {
            MessageKind::Hi => "hi",
            MessageKind::Goodbye => "goodbye",
        }
    }

    /// What an envelope says, whoever wrote it.
    pub fn of(envelope: &'a Envelope) -> Self {
        let Envelope { verb, discovery, instance, .. } = envelope;
        let instance = instance.as_deref().unwrap_or_default();
        Self { verb: *verb, hostname: &discovery.hostname, labels: Some(&discovery.labels), instance }
    }
}

/// Writes the envelope of a host that is here or is leaving. `instance` names this run of this daemon.
pub fn encode(verb: MessageKind, discovery: &Discovery, instance: &str) -> Vec<u8> {
    let Discovery { hostname, labels, .. } = discovery;
    write(&Message { verb, hostname, labels: Some(labels), instance }, None)
}

/// Writes an envelope, sealed or not.
pub fn write(statement: &Message<'_>, seal: Option<&Signature>) -> Vec<u8> {
    let Message { hostname, labels, instance, .. } = *statement;
    let discovery = WrittenPacket { hostname, labels, last_check: 0 };
    let (timestamp, signature) = seal.map(|seal| (seal.timestamp, seal.signature.as_str())).unzip();
    let envelope = WrittenEnvelope { discovery, message: statement.message(), instance, timestamp, signature };
    serde_json::to_vec(&envelope).unwrap_or_default()
}

/// What an envelope of this instance holds and no other does.
pub(crate) fn instance_field(instance: &str) -> String {
    format!("\"instance\":\"{instance}\"")
}

#[derive(Serialize)]
struct WrittenEnvelope<'a> {
    discovery: WrittenPacket<'a>,
    message: &'a str,
    instance: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<&'a str>,
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
    #[serde(borrow, default, deserialize_with = "ours_or_nothing")]
    instance: Option<Text<'a>>,
    #[serde(default, deserialize_with = "ours_or_nothing")]
    timestamp: Option<u64>,
    #[serde(borrow, default, deserialize_with = "ours_or_nothing")]
    signature: Option<Text<'a>>,
}

/// An extra field is whatever its writer likes: what is not of the type that we write is not ours.
fn ours_or_nothing<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Anything<T> {
        Ours(T),
        Other(IgnoredAny),
    }
    Ok(match Anything::deserialize(deserializer)? {
        Anything::Ours(ours) => Some(ours),
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

/// The parser repeats what it did not expect, however long that is.
fn not_json(error: &serde_json::Error) -> Refusal {
    Refusal::NotJson(error.to_string().chars().take(LONGEST_COMPLAINT).collect())
}

fn verb_of(message: Option<Text<'_>>) -> Result<MessageKind, Refusal> {
    let message = message.unwrap_or_default().0;
    match &*message {
        "hi" => Ok(MessageKind::Hi),
        "goodbye" => Ok(MessageKind::Goodbye),
        other => Err(Refusal::UnknownMessage(other.chars().take(64).collect())),
    }
}

#[cfg(test)]
mod tests;
