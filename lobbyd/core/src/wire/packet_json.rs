//! A packet as the JSON text that the API and the wire share, made once when it changes.

use std::borrow::Cow;

use lobby_client::{Discovery, HostName, Label};
use serde::Serialize;

use crate::wire::envelope::{MAX_ENVELOPE_LEN, MAX_LABELS};

/// What stands before a packet in an envelope as lobbyd and the original write it.
const ENVELOPE_HEAD: &[u8] = br#"{"discovery":"#;

/// What stands before the host name in a packet.
const HOSTNAME_KEY: &str = r#"{"hostname":"#;

/// What stands between the host name and the labels.
const LABELS_KEY: &str = r#","labels":["#;

/// A packet without the value of its last field: `{"hostname":"…","labels":[…],"last_check":`.
///
/// It is the only copy of the labels that a record keeps, and it is what a keep-alive that says nothing new is recognised by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PacketJson(Box<str>);

impl PacketJson {
    /// What stands behind the labels.
    pub(crate) const LABELS_END: &str = "],\"last_check\":";

    /// Writes a packet.
    pub fn new(packet: &Discovery) -> Self {
        #[derive(Serialize)]
        struct Head<'a> {
            hostname: &'a HostName,
            labels: &'a [Label],
        }
        let head = Head { hostname: &packet.hostname, labels: &packet.labels };
        let mut text = serde_json::to_string(&head).unwrap_or_default();
        // Both brackets that close it, for the second of which there is more to come.
        text.truncate(text.len() - "]}".len());
        text.push_str(Self::LABELS_END);
        Self(text.into_boxed_str())
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// What follows the packet's unfinished text in an envelope, if the envelope begins with just this packet.
    pub fn suffix_if_same<'a>(&self, envelope: &'a [u8]) -> Option<&'a [u8]> {
        envelope.strip_prefix(ENVELOPE_HEAD)?.strip_prefix(self.0.as_bytes())
    }

    /// The text of the same host with other labels and what follows it, if an envelope begins with such a packet, written as lobbyd
    /// writes it: labels in order, none twice, nothing escaped. All others, whatever they are, are to be decoded.
    pub(crate) fn successor_in<'a>(&self, envelope: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let packet = envelope.strip_prefix(ENVELOPE_HEAD)?;
        let labels = packet.strip_prefix(self.up_to_labels().as_bytes())?;
        let tail = labels[plain_labels_len(labels)?..].strip_prefix(Self::LABELS_END.as_bytes())?;
        let text = std::str::from_utf8(&packet[..packet.len() - tail.len()]).ok()?;
        (envelope.len() <= MAX_ENVELOPE_LEN).then(|| (Self(text.into()), tail))
    }

    /// What stands before the labels.
    pub(crate) fn up_to_labels(&self) -> &str {
        let hostname = JsonTexts(&self.0[HOSTNAME_KEY.len()..]).next().map_or(0, str::len);
        &self.0[..HOSTNAME_KEY.len() + hostname + LABELS_KEY.len()]
    }

    /// The labels in order, each as its JSON text, quotes included.
    pub(crate) fn json_labels(&self) -> JsonTexts<'_> {
        let end = self.0.len() - Self::LABELS_END.len();
        JsonTexts(&self.0[self.up_to_labels().len()..end])
    }

    /// The labels in order.
    pub fn labels(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.json_labels().map(unquoted)
    }
}

/// The host name in an envelope as lobbyd and the original write it, if there is one without escapes where it should be.
pub fn hostname_in(envelope: &[u8]) -> Option<&str> {
    let rest = envelope.strip_prefix(ENVELOPE_HEAD)?.strip_prefix(HOSTNAME_KEY.as_bytes())?.strip_prefix(b"\"")?;
    std::str::from_utf8(&rest[..memchr::memchr(b'"', rest)?]).ok()
}

/// How long the list of labels is that a text begins with, if they are in order and nobody would write them otherwise.
fn plain_labels_len(list: &[u8]) -> Option<usize> {
    let (mut rest, mut before, mut count) = (list, &b""[..], 0);
    while let Some(label) = rest.strip_prefix(b"\"") {
        let end = memchr::memchr(b'"', label)?;
        let (label, behind) = (&label[..end], &label[end + 1..]);
        count += 1;
        if label <= before || !is_plain(label) || count > MAX_LABELS {
            return None;
        }
        if !behind.starts_with(b",\"") {
            return Some(list.len() - behind.len());
        }
        (rest, before) = (&behind[1..], label);
    }
    Some(0)
}

/// Whether a label stands in JSON and in the registry as it is.
fn is_plain(label: &[u8]) -> bool {
    // All bytes are looked at, which compilers make quicker than to stop at the first odd one.
    let plain = label.iter().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~') & (*byte != b'\\'));
    plain && label.len() <= Label::MAX_LEN && !label.starts_with(b" ") && !label.ends_with(b" ")
}

/// What a text says that JSON wrote.
pub(crate) fn unquoted(json: &str) -> Cow<'_, str> {
    if json.contains('\\') {
        Cow::Owned(serde_json::from_str(json).unwrap_or_default())
    } else {
        Cow::Borrowed(&json[1..json.len() - 1])
    }
}

/// Goes through texts in JSON with commas in between.
#[derive(Debug, Clone, Default)]
pub(crate) struct JsonTexts<'a>(&'a str);

impl<'a> JsonTexts<'a> {
    /// The text that comes next.
    pub(crate) fn peek(&self) -> Option<&'a str> {
        self.clone().next()
    }

    /// Passes over a text if it is the one that comes next.
    pub(crate) fn skip_text(&mut self, text: &str) -> bool {
        let same = self.0.starts_with(text);
        if same {
            self.pass_over(text.len());
        }
        same
    }

    fn pass_over(&mut self, len: usize) {
        self.0 = self.0.get(len + 1..).unwrap_or_default();
    }
}

impl<'a> Iterator for JsonTexts<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let bytes = self.0.as_bytes();
        let mut end = 1 + memchr::memchr2(b'"', b'\\', bytes.get(1..)?)?;
        while bytes[end] == b'\\' {
            end += 2 + memchr::memchr2(b'"', b'\\', bytes.get(end + 2..)?)?;
        }
        let text = &self.0[..=end];
        self.pass_over(text.len());
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::envelope::{self, MessageKind};

    fn packet(hostname: &str, labels: &[&str]) -> Discovery {
        Discovery::new(HostName::parse(hostname).unwrap(), labels.iter().map(|l| Label::parse(l).unwrap()).collect())
    }

    #[test]
    fn a_text_lacks_only_the_time_and_the_closing_brace() {
        let text = PacketJson::new(&packet("a", &["b:2", "a:1"]));
        assert_eq!(text.as_str(), r#"{"hostname":"a","labels":["a:1","b:2"],"last_check":"#);
        assert_eq!(PacketJson::new(&packet("a", &[])).as_str(), r#"{"hostname":"a","labels":[],"last_check":"#);
    }

    #[test]
    fn an_envelope_of_the_same_packet_is_recognised_and_of_another_is_not() {
        let text = PacketJson::new(&packet("a", &["x"]));
        let envelope = envelope::encode(MessageKind::Hi, &packet("a", &["x"]), "i1");
        assert_eq!(text.suffix_if_same(&envelope), Some(&br#"0},"message":"hi","instance":"i1"}"#[..]));
        assert_eq!(text.suffix_if_same(&envelope::encode(MessageKind::Hi, &packet("a", &["x", "y"]), "i1")), None);
        assert_eq!(text.suffix_if_same(br#"{"message":"hi"}"#), None);
        assert_eq!(hostname_in(&envelope), Some("a"));
        assert_eq!(hostname_in(br#"{"message":"hi"}"#), None);
    }

    #[test]
    fn a_successor_is_read_off_an_envelope_only_in_the_usual_form() {
        let text = PacketJson::new(&packet("a", &["x"]));
        let successor = |labels: &str| {
            let envelope =
                format!(r#"{{"discovery":{{"hostname":"a","labels":[{labels}],"last_check":0}},"message":"hi"}}"#);
            text.successor_in(envelope.as_bytes()).map(|(text, _)| text)
        };
        assert_eq!(successor(r#""b","c:d e""#), Some(PacketJson::new(&packet("a", &["b", "c:d e"]))));
        assert_eq!(successor(""), Some(PacketJson::new(&packet("a", &[]))));
        for odd in [
            r#""b","a""#,
            r#""a","a""#,
            r#""a", "b""#,
            r#""a","#,
            r#"" a""#,
            r#""a ""#,
            r#""""#,
            r#""\u0061""#,
            r#""é""#,
            "1",
            ",",
        ] {
            assert_eq!(successor(odd), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn a_successor_is_what_decoding_finds(
            labels in prop::collection::vec("[ -~é\"\\\\,\\[\\]]{1,6}", 0..5), junk in "[\\[\\]\"a,\\\\]{0,9}",
        ) {
            let packet = packet("a", &[]);
            for list in [serde_json::to_string(&labels).unwrap(), format!("[{junk}]")] {
                let envelope = format!(r#"{{"discovery":{{"hostname":"a","labels":{list},"last_check":0}},"message":"hi"}}"#);
                if let Some((text, tail)) = PacketJson::new(&packet).successor_in(envelope.as_bytes()) {
                    let decoded = envelope::decode(envelope.as_bytes()).unwrap();
                    prop_assert_eq!(&text, &PacketJson::new(&decoded.discovery));
                    prop_assert_eq!(text.suffix_if_same(envelope.as_bytes()), Some(tail));
                }
            }
        }

        #[test]
        fn labels_come_back_as_they_were_whatever_is_in_them(labels in prop::collection::vec("[ -~é\"\\\\,\\[\\]]{1,12}", 0..12)) {
            let labels: Vec<_> = labels.iter().filter_map(|label| Label::parse(label).ok()).collect();
            let packet = Discovery::new(HostName::parse("h\"\\]").unwrap(), labels);
            let text = PacketJson::new(&packet);
            let expected: Vec<_> = packet.labels.iter().map(Label::as_str).collect();
            prop_assert_eq!(text.labels().collect::<Vec<_>>(), expected);
            let whole: Discovery = serde_json::from_str(&format!("{}7}}", text.as_str())).unwrap();
            prop_assert_eq!(whole, Discovery { last_check: 7, ..packet });
        }
    }
}
