//! The layout: every literal of an envelope as lobbyd writes it.
//!
//! ```text
//! {"discovery":{"hostname":"…","labels":[…],"last_check":0},"message":"hi","instance":"…","timestamp":…,"signature":"…","ttl":…,"signature2":"…"}
//! |------------ packet ------------------------------------|------------------- trailer -----------------------------------------------|
//! ```
//!
//! Encoder, [`PacketJson`](super::packet_json::PacketJson) and the fast path, which recognises a
//! keep-alive without decoding it, are all made from this file. A new field of the envelope is a
//! constant, a field of [`Trailer`] and a line in [`Trailer::visit`]; writing and recognising
//! follow. The decoder needs it only if the field is used.

use std::borrow::Cow;
use std::ops::Range;

use lobby_client::{HostName, Label};
use memchr::memmem;
use serde::Serialize;

use super::instance_id::InstanceId;

/// A field of a JSON object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    /// What stands before its value if it is the first one of its object.
    pub first: &'static str,
    /// What stands before its value if there is a field before it.
    pub next: &'static str,
}

macro_rules! field {
    ($name:literal) => {
        Field { first: concat!("{\"", $name, "\":"), next: concat!(",\"", $name, "\":") }
    };
}

const DISCOVERY: Field = field!("discovery");
const HOSTNAME: Field = field!("hostname");
pub(crate) const LABELS: Field = field!("labels");
pub(crate) const LAST_CHECK: Field = field!("last_check");
const MESSAGE: Field = field!("message");
const INSTANCE: Field = field!("instance");
const TIMESTAMP: Field = field!("timestamp");
const SIGNATURE: Field = field!("signature");
const TTL: Field = field!("ttl");
const SIGNATURE2: Field = field!("signature2");

/// The message of a host that is here.
pub(crate) const HI: &str = "hi";

/// The message of a host that leaves.
pub(crate) const GOODBYE: &str = "goodbye";

/// The signature of an envelope and when it was made. Each code is an HMAC-SHA-256 in lower-case
/// hexadecimal digits; at least one of them is there, and the second one counts if it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature<'a> {
    /// The sender's wall clock, in milliseconds since the Unix epoch; 0 if it does not tell.
    pub timestamp: u64,
    /// That of the first version, which does not cover the TTL.
    pub code: Option<Cow<'a, str>>,
    /// That of the second version, which does.
    pub code2: Option<Cow<'a, str>>,
}

impl<'a> Signature<'a> {
    /// The signature of these codes, if there is one.
    pub(crate) fn of<T: Into<Cow<'a, str>>>(
        timestamp: Option<u64>,
        code: Option<T>,
        code2: Option<T>,
    ) -> Option<Self> {
        let is_there = code.is_some() || code2.is_some();
        is_there.then(|| Self {
            timestamp: timestamp.unwrap_or_default(),
            code: code.map(T::into),
            code2: code2.map(T::into),
        })
    }

    /// Whether the code that counts covers the TTL.
    pub fn covers_ttl(&self) -> bool {
        self.code2.is_some()
    }
}

/// What an envelope begins with, up to the packet.
pub(crate) const ENVELOPE_START: &str = DISCOVERY.first;

/// What a packet begins with, up to the host name.
pub(crate) const PACKET_START: &str = HOSTNAME.first;

/// The value of `last_check` in an envelope, where only the receiver knows it, and the end of the
/// packet.
const PACKET_END: &str = "0}";

/// Writes a packet up to the value of `last_check`, its last field.
pub(crate) fn write_packet(hostname: &HostName, labels: Option<&[Label]>, text: &mut String) {
    text.reserve(packet_len(hostname, labels));
    text.push_str(PACKET_START);
    write_text(hostname.as_str(), text);
    text.push_str(LABELS.next);
    match labels {
        Some(labels) => write_list(labels, text),
        None => text.push_str("null"),
    }
    text.push_str(LAST_CHECK.next);
}

/// The length of a packet without escapes, in bytes. What is kept of it then needs no shrinking,
/// which would leave a hole in the memory behind each.
fn packet_len(hostname: &HostName, labels: Option<&[Label]>) -> usize {
    let text_len = |text: &str| text.len() + "\"\"".len();
    let list_len = |labels: &[Label]| match labels {
        [] => "[]".len(),
        _ => 1 + labels.iter().map(|label| text_len(label.as_str()) + ",".len()).sum::<usize>(),
    };
    let labels_len = labels.map_or("null".len(), list_len);
    let fields_len = PACKET_START.len() + LABELS.next.len() + LAST_CHECK.next.len();
    fields_len + text_len(hostname.as_str()) + labels_len
}

fn write_list(labels: &[Label], text: &mut String) {
    let mut before = '[';
    for label in labels {
        text.push(before);
        write_text(label.as_str(), text);
        before = ',';
    }
    text.push_str(if labels.is_empty() { "[]" } else { "]" });
}

/// Writes a text in JSON.
fn write_text(value: &str, text: &mut String) {
    let is_escaped = |byte: u8| byte < b' ' || matches!(byte, b'"' | b'\\');
    if value.bytes().any(is_escaped) {
        text.push_str(&json(value));
        return;
    }
    text.push('"');
    text.push_str(value);
    text.push('"');
}

/// Where the labels stand in a packet with a host name of that length in JSON and a list of labels,
/// the brackets not included.
pub(crate) fn labels_range(hostname_len: usize, packet_len: usize) -> Range<usize> {
    let start = PACKET_START.len() + hostname_len + LABELS.next.len() + "[".len();
    start..packet_len - LAST_CHECK.next.len() - "]".len()
}

/// What no envelope holds but those of one instance.
pub(crate) fn instance_mark(instance: &str) -> String {
    format!("{}{}", INSTANCE.next, json(instance))
}

/// What follows the packet in an envelope, from the value of `last_check` on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Trailer<'a> {
    /// The message: [`HI`] or [`GOODBYE`].
    pub message: Option<&'a str>,
    /// The run of the daemon that sent it.
    pub instance: Option<&'a str>,
    /// When it was signed, in milliseconds since the Unix epoch.
    pub timestamp: Option<u64>,
    /// The signature.
    pub signature: Option<&'a str>,
    /// For how long the packet is good, in seconds.
    pub ttl: Option<u64>,
    /// The signature of the second version.
    pub signature2: Option<&'a str>,
}

/// Visits the fields of a trailer in the order in which they are written.
trait Visitor<'a> {
    /// A text. `None` ends the visit.
    fn text(&mut self, field: Field, value: &mut Option<&'a str>) -> Option<()>;

    /// A number. `None` ends the visit.
    fn number(&mut self, field: Field, value: &mut Option<u64>) -> Option<()>;
}

impl<'a> Trailer<'a> {
    /// The fields of the envelope, this once: they are written and recognised by this list.
    fn visit(&mut self, visitor: &mut impl Visitor<'a>) -> Option<()> {
        visitor.text(MESSAGE, &mut self.message)?;
        visitor.text(INSTANCE, &mut self.instance)?;
        visitor.number(TIMESTAMP, &mut self.timestamp)?;
        visitor.text(SIGNATURE, &mut self.signature)?;
        visitor.number(TTL, &mut self.ttl)?;
        visitor.text(SIGNATURE2, &mut self.signature2)
    }

    /// Writes the trailer behind the packet, and so ends the envelope.
    pub(crate) fn write(mut self, envelope: &mut String) {
        envelope.push_str(PACKET_END);
        // A writer visits all fields.
        self.visit(&mut Writer(envelope));
        envelope.push('}');
    }

    /// The trailer, if it is one that [`Self::write`] may have written, without a text that needs
    /// escapes. Of any other, whatever it holds, only a decoder can tell the meaning.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = FieldReader(bytes.strip_prefix(PACKET_END.as_bytes())?);
        let mut trailer = Self::default();
        trailer.visit(&mut reader)?;
        (reader.0 == b"}").then_some(trailer)
    }

    /// The trailer of an envelope whose packet is not looked at: if the envelope is JSON, what
    /// [`Self::read`] gives where the packet ends. None where a brace stands in the packet.
    pub(crate) fn of_envelope(bytes: &'a [u8]) -> Option<Self> {
        let bytes = bytes.strip_prefix(ENVELOPE_START.as_bytes())?;
        let (packet, rest) = bytes.split_at(memmem::find(bytes, LAST_CHECK.next.as_bytes())?);
        let is_whole = memchr::memchr(b'}', packet).is_none();
        Self::read(&rest[LAST_CHECK.next.len()..]).filter(|_| is_whole)
    }
}

impl<'a> Trailer<'a> {
    /// The sender of a hi, if it is one, in a form in which lobbyd or lobby 1.x writes it.
    pub(crate) fn sender_of_hi(&self) -> Option<InstanceId> {
        InstanceId::of(self.instance).filter(|_| self.message == Some(HI))
    }

    /// The signature and its time.
    pub(crate) fn signature(&self) -> Option<Signature<'a>> {
        Signature::of(self.timestamp, self.signature, self.signature2)
    }
}

struct Writer<'t>(&'t mut String);

impl Writer<'_> {
    fn write(&mut self, field: Field, value: Option<impl Serialize>) {
        if let Some(value) = value {
            self.0.push_str(field.next);
            self.0.push_str(&json(&value));
        }
    }
}

impl<'a> Visitor<'a> for Writer<'_> {
    fn text(&mut self, field: Field, value: &mut Option<&'a str>) -> Option<()> {
        self.write(field, *value);
        Some(())
    }

    fn number(&mut self, field: Field, value: &mut Option<u64>) -> Option<()> {
        self.write(field, *value);
        Some(())
    }
}

/// Reads fields off the bytes that are left.
struct FieldReader<'a>(&'a [u8]);

impl<'a> FieldReader<'a> {
    /// Reads a field whose value `split` takes off the bytes; a field that does not come next is
    /// absent.
    fn read<T>(
        &mut self,
        field: Field,
        value: &mut Option<T>,
        split: impl FnOnce(&'a [u8]) -> Option<(T, &'a [u8])>,
    ) -> Option<()> {
        if let Some(bytes) = self.0.strip_prefix(field.next.as_bytes()) {
            let (read, rest) = split(bytes)?;
            (*value, self.0) = (Some(read), rest);
        }
        Some(())
    }
}

impl<'a> Visitor<'a> for FieldReader<'a> {
    fn text(&mut self, field: Field, value: &mut Option<&'a str>) -> Option<()> {
        self.read(field, value, split_text)
    }

    fn number(&mut self, field: Field, value: &mut Option<u64>) -> Option<()> {
        self.read(field, value, split_number)
    }
}

/// A text without escapes and what follows it.
fn split_text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let bytes = bytes.strip_prefix(b"\"")?;
    let (text, rest) = bytes.split_at(memchr::memchr(b'"', bytes)?);
    let escaped = text.iter().any(|byte| *byte == b'\\' || *byte < b' ');
    let text = std::str::from_utf8(text).ok().filter(|_| !escaped)?;
    Some((text, &rest[1..]))
}

/// A number as it is written and what follows it.
fn split_number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = bytes.split_at(digits);
    let canonical = !number.starts_with(b"0") || number == b"0";
    let number = std::str::from_utf8(number).ok()?.parse().ok()?;
    canonical.then_some((number, rest))
}

/// A text, a list of texts or a number in JSON.
fn json(value: &(impl Serialize + ?Sized)) -> String {
    // Only what is neither can fail.
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    fn written(trailer: Trailer<'_>) -> String {
        let mut text = String::new();
        trailer.write(&mut text);
        text
    }

    #[test]
    fn fields_stand_in_their_order_and_absent_ones_nowhere() {
        let hi = Trailer { message: Some(HI), ..Trailer::default() };
        assert_eq!(written(hi), r#"0},"message":"hi"}"#);
        let signed =
            Trailer { instance: Some("i"), timestamp: Some(7), signature: Some("ab"), ..hi };
        assert_eq!(
            written(signed),
            r#"0},"message":"hi","instance":"i","timestamp":7,"signature":"ab"}"#
        );
        let lasting = Trailer { ttl: Some(30), signature2: Some("cd"), ..hi };
        assert_eq!(written(lasting), r#"0},"message":"hi","ttl":30,"signature2":"cd"}"#);
    }

    #[test]
    fn the_length_of_a_packet_is_known_before_it_is_written() {
        let hostname = HostName::parse("a.example.com").unwrap();
        let labels = ["b", "c:1", "é"].map(|label| Label::parse(label).unwrap());
        for labels in [None, Some(&labels[..0]), Some(&labels[..1]), Some(&labels)] {
            let mut text = String::new();
            write_packet(&hostname, labels, &mut text);
            assert_eq!((text.len(), text.capacity()), (packet_len(&hostname, labels), text.len()));
        }
    }

    #[test]
    fn what_is_not_written_like_this_is_not_read() {
        for odd in [
            "",
            "0}",
            r#"1},"message":"hi"}"#,
            r#"0},"message":"hi"} "#,
            r#"0},"message":"hi","x":1}"#,
            r#"0},"message": "hi"}"#,
            r#"0},"message":"h\u0069"}"#,
            r#"0},"message":5}"#,
            r#"0},"message":"hi","instance":null}"#,
            "0},\"message\":\"hi\",\"instance\":\"a\tb\"}",
            r#"0},"message":"hi","timestamp":007}"#,
            r#"0},"message":"hi","timestamp":+7}"#,
            r#"0},"message":"hi","timestamp":}"#,
            r#"0},"message":"hi","timestamp":1.5}"#,
            r#"0},"message":"hi","timestamp":18446744073709551616}"#,
            r#"0},"message":"hi","signature":"ab","timestamp":7}"#,
            r#"0},"message":"hi","signature":"ab","signature":"ab"}"#,
            r#"0},"message":"hi","ttl":-1}"#,
            r#"0},"message":"hi","ttl":1.5}"#,
            r#"0},"message":"hi","ttl":"30"}"#,
            r#"0},"message":"hi","ttl":30,"signature":"ab"}"#,
        ] {
            assert_eq!(Trailer::read(odd.as_bytes()), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_unless_it_needs_escapes(
            message in option::of("[a-zé]{0,8}"),
            instance in option::of("[ -~é]{0,20}"),
            timestamp in option::of(any::<u64>()),
            [signature, signature2] in prop::array::uniform2(option::of("[0-9a-f\\\\\"]{0,64}")),
            ttl in option::of(any::<u64>()),
        ) {
            let plain = |text: &Option<String>| !text.as_ref().is_some_and(|text| text.contains(['"', '\\']));
            let trailer = Trailer {
                message: message.as_deref(), instance: instance.as_deref(), timestamp,
                signature: signature.as_deref(), ttl, signature2: signature2.as_deref(),
            };
            let text = written(trailer);
            let expected = (plain(&instance) && plain(&signature) && plain(&signature2)).then_some(trailer);
            prop_assert_eq!(Trailer::read(text.as_bytes()), expected, "{}", text);
        }
    }
}
