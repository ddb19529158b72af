//! Proof that a packet was said by one of the lobby: HMAC-SHA-256 with a key that its members share.
//!
//! What is signed is a sequence of fields, each preceded by its length in bytes (8 bytes, big-endian), so that no two packets have the same
//! bytes: "lobby packet 1", the message, the host name, the instance, the timestamp in decimal digits, and each label, sorted and unique.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, Mac};
use lobby_client::Label;
use sha2::Sha256;

use crate::wire::envelope::{Envelope, Message, Signature};

/// The first field. A signature that was made with the same key for another purpose is none here.
const DOMAIN: &str = "lobby packet 1";

/// Fewest bytes of a key.
pub const MIN_KEY_LEN: usize = 16;

/// The keys of a lobby: the first signs, all verify. They never show.
#[derive(Clone)]
pub struct Keys {
    signing: Hmac<Sha256>,
    /// All of them, the signing one too.
    verifying: Arc<[Hmac<Sha256>]>,
}

/// Why a text holds no keys. It shows none of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeys {
    /// There are only blank lines.
    #[error("there is no key in it: one key a line, of at least {MIN_KEY_LEN} bytes, is allowed")]
    None,
    /// The key on this line, counted from 1, is easily guessed.
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
    /// How many there are.
    pub fn count(&self) -> usize {
        self.verifying.len()
    }

    /// Reads one key a line (PACKET_KEY_FILE), without the white space around it; blank lines do not count.
    ///
    /// # Errors
    /// When there is none, or one is shorter than [`MIN_KEY_LEN`].
    pub fn parse(text: &str) -> Result<Self, InvalidKeys> {
        let lines = text.lines().map(str::trim).enumerate().filter(|(_, key)| !key.is_empty());
        let keys: Vec<_> = lines.map(|(place, key)| parse_key(place + 1, key)).collect::<Result<_, _>>()?;
        let signing = keys.first().cloned().ok_or(InvalidKeys::None)?;
        Ok(Self { signing, verifying: keys.into() })
    }

    /// Signs what is said at that time, in milliseconds since the Unix epoch.
    pub fn sign(&self, statement: &Message<'_>, timestamp: u64) -> Signature {
        let code = authenticate(self.signing.clone(), statement, timestamp).finalize().into_bytes();
        Signature { timestamp, signature: code.iter().map(|byte| format!("{byte:02x}")).collect() }
    }

    /// Whether one of the keys signed what the envelope says. Takes the same time whatever the signature.
    pub fn verify(&self, envelope: &Envelope, seal: &Signature) -> bool {
        let Some(code) = from_hex(&seal.signature) else { return false };
        let statement = Message::of(envelope);
        let mut signatures = self.verifying.iter().map(|key| authenticate(key.clone(), &statement, seal.timestamp));
        signatures.any(|signature| signature.verify_slice(&code).is_ok())
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

fn authenticate(mut code: Hmac<Sha256>, statement: &Message<'_>, timestamp: u64) -> Hmac<Sha256> {
    let timestamp = timestamp.to_string();
    let head = [DOMAIN, statement.message(), statement.hostname.as_str(), statement.instance, &timestamp];
    let labels = statement.labels.unwrap_or_default().iter().map(Label::as_str);
    for field in head.into_iter().chain(labels) {
        code.update(&(field.len() as u64).to_be_bytes());
        code.update(field.as_bytes());
    }
    code
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| char::from(byte).to_digit(16).filter(|_| !byte.is_ascii_uppercase());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |[high, low]: &[u8; 2]| u8::try_from(digit(*high)? * 16 + digit(*low)?).ok();
    let bytes: Vec<u8> = pairs.iter().map(byte).collect::<Option<_>>()?;
    rest.is_empty().then_some(bytes)?.try_into().ok()
}

/// Signs packets with times that never repeat.
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

    /// Signs what is said now; `unix_millis` is the wall clock.
    pub fn sign(&mut self, statement: &Message<'_>, unix_millis: u64) -> Signature {
        self.last = self.after_last(unix_millis);
        self.keys.sign(statement, self.last)
    }

    /// The time, but later than the last one also if the clock stood still or was set back. Unless it was set back by more than TTL:
    /// who has the right time has not accepted those packets, and would not accept any more of their kind.
    fn after_last(&self, unix_millis: u64) -> u64 {
        let ahead = Duration::from_millis(self.last.saturating_sub(unix_millis));
        if ahead > self.ttl { unix_millis } else { unix_millis.max(self.last + 1) }
    }
}

#[cfg(test)]
mod tests;
