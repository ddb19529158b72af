//! The envelope: a message of a daemon to its peers, decoded and encoded.

use std::borrow::Cow;
use std::time::Duration;

use lobby_client::object::ObjectOnly;
use lobby_client::{Discovery, HostName, InvalidHostName, InvalidLabel, Label};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use super::instance::Instance;
use super::instance_id::InstanceId;
use super::layout::{self, Trailer};
use super::packet_json::PacketJson;
use super::packet_ttl::{PacketTtl, TtlField};

pub use super::layout::Signature;

/// Greatest size of an envelope, in bytes.
pub const MAX_ENVELOPE_LEN: usize = 256 * 1024;

/// Most characters of what is wrong with a packet that is not JSON.
const MAX_REASON_LEN: usize = 200;

/// Most characters of an unknown message that are repeated.
const MAX_MESSAGE_LEN: usize = 64;

/// Greatest number of labels of one host.
pub const MAX_LABELS: usize = 1024;

/// The kind of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// The sender is here, with these labels.
    Hi,
    /// The sender is leaving.
    Goodbye,
}

impl MessageKind {
    /// The kind that a word of an envelope names.
    pub(crate) fn of(word: &str) -> Option<Self> {
        match word {
            layout::HI => Some(Self::Hi),
            layout::GOODBYE => Some(Self::Goodbye),
            _ => None,
        }
    }

    /// The word in an envelope, and in its signature.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Hi => layout::HI,
            Self::Goodbye => layout::GOODBYE,
        }
    }
}

/// A decoded message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The kind of the message.
    pub kind: MessageKind,
    /// The host that it is about.
    pub discovery: Discovery,
    /// The run of the daemon that sent it; lobby 1.x does not tell. An invalid one is ignored, as
    /// any unknown field.
    pub instance: Option<Instance>,
    /// The signature, not verified yet.
    pub signature: Option<Signature<'static>>,
    /// For how long it is good.
    pub ttl: TtlField,
}

/// The reason why a packet was refused. Such a packet changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its length in bytes exceeds [`MAX_ENVELOPE_LEN`].
    #[error("an envelope of {0} bytes is too large: at most {MAX_ENVELOPE_LEN} are allowed")]
    TooLarge(usize),
    /// It is not JSON, or not of the shape of an envelope.
    #[error("not a JSON envelope: {0}")]
    NotJson(String),
    /// The host name is missing or empty.
    #[error("no host name")]
    NoHostName,
    /// The host name is invalid.
    #[error(transparent)]
    BadHostName(InvalidHostName),
    /// The number of this host's labels exceeds [`MAX_LABELS`].
    #[error("host {0}: {1} labels are too many: at most {MAX_LABELS} are allowed")]
    TooManyLabels(HostName, usize),
    /// A label of this host is invalid.
    #[error("host {0}: {1}")]
    BadLabel(HostName, InvalidLabel),
    /// The message is neither hi nor goodbye.
    #[error("message {0:?} is neither \"hi\" nor \"goodbye\"")]
    UnknownMessage(String),
    /// It is not signed, and PACKET_VERIFY=enforce wants a signature.
    #[error(
        "host {0}: not signed, and PACKET_VERIFY=enforce wants a signature with a key of PACKET_KEY_FILE"
    )]
    Unsigned(HostName),
    /// Its signature was made with none of the keys.
    #[error("host {0}: signed with none of the keys of PACKET_KEY_FILE, or altered")]
    BadSignature(HostName),
    /// Its time differs from this server's by more than TTL.
    #[error(
        "host {host}: its time is {off_by:?} {direction} that of this server: at most TTL is allowed, are both clocks right?"
    )]
    Stale {
        /// The host that it is about.
        host: HostName,
        /// How far its time is from this server's.
        off_by: Duration,
        /// "behind" or "ahead of".
        direction: &'static str,
    },
    /// It was received before, or another one that was signed later.
    #[error("host {0}: signed no later than another packet that was received before")]
    Replayed(HostName),
    /// The registry already holds MAX_SERVERS other hosts.
    #[error("the registry is full: it holds {0} other hosts, the most that MAX_SERVERS allows")]
    RegistryFull(usize),
}

impl Refusal {
    /// Every reason there is, as [`Self::reason`] has it.
    pub const REASONS: [&str; 12] = [
        "too_large",
        "not_json",
        "no_hostname",
        "bad_hostname",
        "too_many_labels",
        "bad_label",
        "unknown_message",
        "unsigned",
        "bad_signature",
        "stale",
        "replayed",
        "registry_full",
    ];

    /// The host whose packet it is, where that is known.
    pub fn host(&self) -> Option<&HostName> {
        match self {
            Self::TooManyLabels(host, _)
            | Self::BadLabel(host, _)
            | Self::Unsigned(host)
            | Self::BadSignature(host)
            | Self::Stale { host, .. }
            | Self::Replayed(host) => Some(host),
            Self::TooLarge(_)
            | Self::NotJson(_)
            | Self::NoHostName
            | Self::BadHostName(_)
            | Self::UnknownMessage(_)
            | Self::RegistryFull(_) => None,
        }
    }

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

/// Decodes an envelope as any writer may send it: labels null, missing, unsorted or repeated,
/// unknown fields anywhere.
///
/// # Errors
/// The [`Refusal`] that applies.
pub fn decode(payload: &[u8]) -> Result<Envelope, Refusal> {
    if payload.len() > MAX_ENVELOPE_LEN {
        return Err(Refusal::TooLarge(payload.len()));
    }
    let raw: RawEnvelope<'_> = serde_json::from_slice(payload).map_err(|error| not_json(&error))?;
    let kind = kind_of(raw.message)?;
    let instance = raw.instance.and_then(|instance| Instance::parse(&instance.0));
    let [code, code2] = [raw.signature, raw.signature2].map(|code| Some(code?.0.into_owned()));
    let signature = Signature::of(raw.timestamp, code, code2);
    let discovery = raw.discovery.unwrap_or_default().check()?;
    Ok(Envelope { kind, discovery, instance, signature, ttl: raw.ttl })
}

/// For how long a payload is good, as it tells: whether it is a packet at all, only [`decode`]
/// finds out. What lobbyd has written is not decoded for that.
pub fn told_ttl(payload: &[u8]) -> Option<PacketTtl> {
    let field = match Trailer::of_envelope(payload) {
        Some(trailer) => trailer.ttl.into(),
        None => decode(payload).ok()?.ttl,
    };
    field.valid()
}

/// A message to encode.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// The kind of the message.
    pub kind: MessageKind,
    /// The host that it is about.
    pub hostname: &'a HostName,
    /// The host's labels, sorted and unique. `None` is written as `null`: lobby 1.x does so when
    /// it gives up a name.
    pub labels: Option<&'a [Label]>,
    /// The run of the daemon that sends it.
    pub instance: InstanceId,
    /// For how long it is good; `None` leaves that to its receivers.
    pub ttl: Option<PacketTtl>,
}

impl<'a> Message<'a> {
    /// A message about a host with its labels.
    pub fn new(kind: MessageKind, discovery: &'a Discovery, instance: InstanceId) -> Self {
        let Discovery { hostname, labels, .. } = discovery;
        Self { kind, hostname, labels: Some(labels), instance, ttl: None }
    }

    /// The same message, good for so long.
    #[must_use]
    pub fn lasting(self, ttl: Option<PacketTtl>) -> Self {
        Self { ttl, ..self }
    }

    /// Encodes the message, signed or not.
    pub fn encode(&self, signature: Option<&Signature<'_>>) -> Vec<u8> {
        let (instance, mut envelope) = (self.instance.text(), layout::ENVELOPE_START.to_owned());
        layout::write_packet(self.hostname, self.labels, &mut envelope);
        let trailer = Trailer {
            message: Some(self.kind.word()),
            instance: instance.as_deref(),
            timestamp: signature.map(|signature| signature.timestamp),
            signature: signature.and_then(|signature| signature.code.as_deref()),
            ttl: self.ttl.map(PacketTtl::seconds),
            signature2: signature.and_then(|signature| signature.code2.as_deref()),
        };
        trailer.write(&mut envelope);
        envelope.into_bytes()
    }
}

/// A hi as it was heard, made of what is kept of it.
pub(crate) fn retell(
    packet: &PacketJson,
    instance: Option<&str>,
    ttl: Option<u64>,
    signature: Option<&Signature<'_>>,
) -> Vec<u8> {
    let mut envelope = format!("{}{}", layout::ENVELOPE_START, packet.as_str());
    let trailer = Trailer {
        message: Some(layout::HI),
        instance,
        timestamp: signature.map(|signature| signature.timestamp),
        signature: signature.and_then(|signature| signature.code.as_deref()),
        ttl,
        signature2: signature.and_then(|signature| signature.code2.as_deref()),
    };
    trailer.write(&mut envelope);
    envelope.into_bytes()
}

#[derive(Deserialize)]
#[serde(remote = "Self")]
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
    #[serde(default, deserialize_with = "ttl_field")]
    ttl: TtlField,
    #[serde(borrow, default, deserialize_with = "ours_or_nothing")]
    signature2: Option<Text<'a>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for RawEnvelope<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(ObjectOnly(deserializer))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawPacket<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(ObjectOnly(deserializer))
    }
}

/// An extra field is whatever its writer likes: what is not of the type that we write is not ours.
fn ours_or_nothing<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
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

/// The field `ttl` when it is there.
fn ttl_field<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TtlField, D::Error> {
    ours_or_nothing(deserializer).map(|seconds| seconds.map_or(TtlField::Other, TtlField::Number))
}

#[derive(Deserialize, Default)]
#[serde(remote = "Self")]
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
    Refusal::NotJson(error.to_string().chars().take(MAX_REASON_LEN).collect())
}

fn kind_of(message: Option<Text<'_>>) -> Result<MessageKind, Refusal> {
    let message = message.unwrap_or_default().0;
    let unknown = || Refusal::UnknownMessage(message.chars().take(MAX_MESSAGE_LEN).collect());
    MessageKind::of(&message).ok_or_else(unknown)
}

#[cfg(test)]
mod tests;
