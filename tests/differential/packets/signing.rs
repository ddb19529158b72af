//! Signatures of packets, made and checked by the written rule and not by the product's code.

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// The first field of what is signed.
const DOMAIN: &str = "lobby packet 1";

/// What is signed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signed<'a> {
    pub(crate) message: &'a str,
    pub(crate) hostname: &'a str,
    pub(crate) instance: &'a str,
    /// In milliseconds since the Unix epoch.
    pub(crate) timestamp: u64,
    /// Sorted, without repetitions.
    pub(crate) labels: &'a [String],
}

/// The signature with a key, in hexadecimal digits.
pub(crate) fn sign(key: &str, signed: Signed<'_>) -> String {
    let mut code =
        Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
    let timestamp = signed.timestamp.to_string();
    let head = [DOMAIN, signed.message, signed.hostname, signed.instance, &timestamp];
    for field in head.into_iter().chain(signed.labels.iter().map(String::as_str)) {
        code.update(&(field.len() as u64).to_be_bytes());
        code.update(field.as_bytes());
    }
    code.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether an envelope bears the right signature of this key.
pub(crate) fn is_right(key: &str, envelope: &[u8]) -> bool {
    let Ok(envelope) = serde_json::from_slice::<serde_json::Value>(envelope) else { return false };
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let labels = envelope["discovery"]["labels"].as_array().cloned().unwrap_or_default();
    let labels: Vec<String> = labels.iter().map(text).collect();
    let expected = sign(
        key,
        Signed {
            message: &text(&envelope["message"]),
            hostname: &text(&envelope["discovery"]["hostname"]),
            instance: &text(&envelope["instance"]),
            timestamp: envelope["timestamp"].as_u64().unwrap_or_default(),
            labels: &labels,
        },
    );
    envelope["signature"] == expected
}
