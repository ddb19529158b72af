//! Keys: HMAC-SHA-256 proves that a packet comes from a member of the lobby.
//!
//! A signature covers a sequence of fields, each preceded by its length in bytes (8 bytes,
//! big-endian), so that no two packets have the same bytes: the domain "lobby packet 1", the
//! message, the host name, the instance, the timestamp in decimal digits, and each label,
//! sorted and unique.
//!
//! # The second version
//! What a signature covers never changes under one domain: a daemon of before would refuse the
//! packet as altered. A packet with a TTL carries a second signature in another field of the
//! envelope, which daemons of before ignore like any unknown one. Its domain is "lobby packet 2",
//! and the TTL in decimal digits stands behind the timestamp. Writers sign twice as long as there
//! are readers of before; a reader that knows the second version goes by it alone.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, Mac};
use lobby_client::{HostName, Label};
use sha2::Sha256;

use crate::signing::proof::{from_hex, to_hex};
use crate::wire::envelope::{Envelope, Message, MessageKind, Signature};
use crate::wire::instance::Instance;
use crate::wire::packet_ttl::PacketTtl;

/// A version of the signature: which fields it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SignatureVersion {
    First,
    /// The TTL, too.
    Second,
}

impl SignatureVersion {
    /// The first field. A signature made with the same key for another purpose, or in another
    /// version, is not valid here.
    fn domain(self) -> &'static str {
        match self {
            Self::First => "lobby packet 1",
            Self::Second => "lobby packet 2",
        }
    }
}

/// What is signed for a fingerprint, which no packet can begin with, and the bytes of one.
const FINGERPRINT_DOMAIN: &[u8] = b"lobby key";
const FINGERPRINT_LEN: usize = 4;

/// Room for the signed bytes of a usual packet.
const USUAL_LEN: usize = 1024;

/// Fewest bytes of a key.
pub const MIN_KEY_LEN: usize = 16;

/// The keys of a lobby: the first signs, all verify. They are never printed.
#[derive(Clone)]
pub struct Keys {
    signing: Hmac<Sha256>,
    /// All of them, the signing one first.
    verifying: Arc<[Hmac<Sha256>]>,
}

/// The reason why a text holds no keys. It shows none of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeys {
    /// All lines are blank.
    #[error("there is no key in it: one key a line, of at least {MIN_KEY_LEN} bytes, is allowed")]
    None,
    /// The key on this line, counted from 1, is too short to be safe.
    #[error(
        "the key on line {line} has {len} bytes: at least {MIN_KEY_LEN} are allowed, for example 64 hexadecimal digits"
    )]
    TooShort {
        /// Number of the line.
        line: usize,
        /// Length in bytes.
        len: usize,
    },
}

impl Keys {
    /// The number of keys.
    pub fn count(&self) -> usize {
        self.verifying.len()
    }

    /// Reads one key a line (PACKET_KEY_FILE), without the white space around it; blank lines do
    /// not count.
    ///
    /// # Errors
    /// When all lines are blank, or a key is shorter than [`MIN_KEY_LEN`].
    pub fn parse(text: &str) -> Result<Self, InvalidKeys> {
        let lines = text.lines().map(str::trim).enumerate().filter(|(_, key)| !key.is_empty());
        let keys: Vec<_> =
            lines.map(|(place, key)| parse_key(place + 1, key)).collect::<Result<_, _>>()?;
        let signing = keys.first().cloned().ok_or(InvalidKeys::None)?;
        Ok(Self { signing, verifying: keys.into() })
    }

    /// Fingerprints of the keys, the signing one first: two daemons with the same key have the
    /// same. They say no more of a key than each signed packet does.
    pub fn fingerprints(&self) -> Vec<String> {
        let fingerprint = |key: &Hmac<Sha256>| {
            let mut hmac = key.clone();
            hmac.update(FINGERPRINT_DOMAIN);
            let code = hmac.finalize().into_bytes();
            code.iter().take(FINGERPRINT_LEN).map(|byte| format!("{byte:02x}")).collect()
        };
        self.verifying.iter().map(fingerprint).collect()
    }

    /// Signs a message at that time, in milliseconds since the Unix epoch; one with a TTL in both
    /// versions.
    pub fn sign(&self, message: &Message<'_>, timestamp: u64) -> Signature<'static> {
        let (labels, instance) =
            (message.labels.unwrap_or_default(), message.instance.text().unwrap_or_default());
        let fields = SignedFields {
            kind: message.kind,
            hostname: message.hostname,
            instance: &instance,
            ttl: message.ttl.map(PacketTtl::seconds),
            labels: labels.iter(),
        };
        let code = |version| self.code(&fields.clone().bytes(version, timestamp)).into();
        let code2 = message.ttl.map(|_| code(SignatureVersion::Second));
        Signature { timestamp, code: Some(code(SignatureVersion::First)), code2 }
    }

    fn code(&self, bytes: &[u8]) -> String {
        let mut hmac = self.signing.clone();
        hmac.update(bytes);
        to_hex(&hmac.finalize().into_bytes())
    }

    /// Whether a signature of these fields was made with one of the keys; if there are two, the
    /// second one decides. Takes the same time whatever the signature.
    pub fn verify<L: AsRef<str>>(
        &self,
        fields: SignedFields<'_, impl Iterator<Item = L>>,
        signature: &Signature<'_>,
    ) -> bool {
        let (version, code) = match &signature.code2 {
            Some(code) => (SignatureVersion::Second, Some(code)),
            None => (SignatureVersion::First, signature.code.as_ref()),
        };
        let Some(code) = code.and_then(|code| from_hex(code)) else { return false };
        let bytes = fields.bytes(version, signature.timestamp);
        self.verifying.iter().any(|key| {
            let mut hmac = key.clone();
            hmac.update(&bytes);
            hmac.verify_slice(&code).is_ok()
        })
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

fn parse_key(line: usize, key: &str) -> Result<Hmac<Sha256>, InvalidKeys> {
    let too_short = InvalidKeys::TooShort { line, len: key.len() };
    // HMAC itself takes keys of any length.
    let key = Some(key.as_bytes()).filter(|key| key.len() >= MIN_KEY_LEN);
    key.and_then(|key| Hmac::new_from_slice(key).ok()).ok_or(too_short)
}

impl Envelope {
    /// What its signature must cover.
    pub fn signed_fields(&self) -> SignedFields<'_, impl Iterator<Item = &Label>> {
        let Self { kind, discovery, instance, ttl, .. } = self;
        let instance = instance.as_ref().map_or("", Instance::as_str);
        SignedFields {
            kind: *kind,
            hostname: &discovery.hostname,
            instance,
            ttl: ttl.number(),
            labels: discovery.labels.iter(),
        }
    }
}

/// The fields of a packet that a signature covers, beside the timestamp.
#[derive(Debug, Clone)]
pub struct SignedFields<'a, L> {
    /// The kind of the message.
    pub kind: MessageKind,
    /// The host that it is about.
    pub hostname: &'a HostName,
    /// The run of the daemon that sent it; empty for none.
    pub instance: &'a str,
    /// The number in the field `ttl`, valid or not, if there is one. The first version does not
    /// cover it.
    pub ttl: Option<u64>,
    /// The host's labels, sorted and unique.
    pub labels: L,
}

impl<'a, L: AsRef<str>, I: Iterator<Item = L>> SignedFields<'a, I> {
    fn bytes(self, version: SignatureVersion, timestamp: u64) -> Vec<u8> {
        let (mut bytes, timestamp) = (Vec::with_capacity(USUAL_LEN), timestamp.to_string());
        let (domain, kind) = (version.domain(), self.kind.word());
        for field in [domain, kind, self.hostname.as_str(), self.instance, &timestamp] {
            push_field(&mut bytes, field);
        }
        if version == SignatureVersion::Second {
            let ttl = self.ttl.map(|seconds| seconds.to_string());
            push_field(&mut bytes, &ttl.unwrap_or_default());
        }
        for label in self.labels {
            push_field(&mut bytes, label.as_ref());
        }
        bytes
    }
}

fn push_field(bytes: &mut Vec<u8>, field: &str) {
    bytes.extend((field.len() as u64).to_be_bytes());
    bytes.extend(field.as_bytes());
}

/// The signer of a daemon's packets: its times never repeat.
#[derive(Debug)]
pub struct Signer {
    keys: Keys,
    ttl: Duration,
    last: u64,
}

impl Signer {
    /// `ttl` is the age at which peers no longer accept a packet.
    pub fn new(keys: Keys, ttl: Duration) -> Self {
        Self { keys, ttl, last: 0 }
    }

    /// Signs with other keys from now on.
    pub fn use_keys(&mut self, keys: Keys) {
        self.keys = keys;
    }

    /// Signs a message now; `unix_millis` is the wall clock.
    pub fn sign(&mut self, message: &Message<'_>, unix_millis: u64) -> Signature<'static> {
        self.last = self.after_last(unix_millis);
        self.keys.sign(message, self.last)
    }

    /// The time, but later than the last one also if the clock stood still or was set back. After a
    /// correction by more than TTL it is the time again: peers with the right time have refused
    /// the packets before it, and would refuse all that follow on them.
    fn after_last(&self, unix_millis: u64) -> u64 {
        let ahead = Duration::from_millis(self.last.saturating_sub(unix_millis));
        if ahead > self.ttl { unix_millis } else { unix_millis.max(self.last + 1) }
    }
}

#[cfg(test)]
mod tests;
