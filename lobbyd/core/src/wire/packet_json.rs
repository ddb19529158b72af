//! Packets in JSON, as API and wire share them, made once when they change.

use std::borrow::Cow;
use std::ops::Range;

use lobby_client::Discovery;

use super::layout;

/// A packet in JSON without the value of its last field:
/// `{"hostname":"…","labels":[…],"last_check":`.
///
/// It is the only copy of the labels that a host keeps, and an unchanged keep-alive is recognised
/// by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PacketJson(Box<str>);

impl PacketJson {
    /// The JSON of a packet.
    pub(crate) fn new(packet: &Discovery) -> Self {
        let mut text = String::new();
        layout::write_packet(&packet.hostname, Some(&packet.labels), &mut text);
        Self(text.into_boxed_str())
    }

    /// The packet of a text that is one.
    pub(super) fn of_text(text: &str) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Its length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// What follows this packet in an envelope, from the value of `last_check` on, if the envelope
    /// begins with just this packet.
    pub(crate) fn suffix_if_same<'a>(&self, envelope: &'a [u8]) -> Option<&'a [u8]> {
        envelope.strip_prefix(layout::ENVELOPE_START.as_bytes())?.strip_prefix(self.0.as_bytes())
    }

    /// What stands before the first label.
    pub(crate) fn up_to_labels(&self) -> &str {
        &self.0[..self.labels_range().start]
    }

    /// What stands behind the last label.
    pub(crate) fn behind_labels(&self) -> &str {
        &self.0[self.labels_range().end..]
    }

    /// The labels in order, each in JSON, quotes included.
    pub(crate) fn json_labels(&self) -> JsonTexts<'_> {
        JsonTexts(&self.0[self.labels_range()])
    }

    fn labels_range(&self) -> Range<usize> {
        let hostname = JsonTexts(&self.0[layout::PACKET_START.len()..]).next();
        layout::labels_range(hostname.map_or(0, str::len), self.0.len())
    }

    /// The labels in order.
    pub(crate) fn labels(&self) -> impl Iterator<Item = Cow<'_, str>> + Clone {
        let texts = self.json_labels();
        let are_plain = memchr::memchr(b'\\', texts.0.as_bytes()).is_none();
        texts.map(move |json| if are_plain { within_quotes(json).into() } else { unquoted(json) })
    }
}

/// The host name in an envelope as lobbyd and lobby 1.x write it, if there is one without escapes
/// where it should be.
pub(crate) fn hostname_in(envelope: &[u8]) -> Option<&str> {
    let packet = envelope.strip_prefix(layout::ENVELOPE_START.as_bytes())?;
    let rest = packet.strip_prefix(layout::PACKET_START.as_bytes())?.strip_prefix(b"\"")?;
    std::str::from_utf8(&rest[..memchr::memchr(b'"', rest)?]).ok()
}

/// The value of a JSON text.
pub(crate) fn unquoted(json: &str) -> Cow<'_, str> {
    if json.contains('\\') {
        Cow::Owned(serde_json::from_str(json).unwrap_or_default())
    } else {
        Cow::Borrowed(within_quotes(json))
    }
}

fn within_quotes(json: &str) -> &str {
    &json[1..json.len() - 1]
}

/// Texts in JSON with commas in between.
#[derive(Debug, Clone, Default)]
pub(crate) struct JsonTexts<'a>(&'a str);

impl<'a> JsonTexts<'a> {
    /// The next text.
    pub(crate) fn peek(&self) -> Option<&'a str> {
        self.clone().next()
    }

    /// Passes over a text if it is the next one.
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
    use lobby_client::Label;
    use proptest::prelude::*;

    use super::*;
    use crate::testsuite::fixtures::{hi, instance, name, packet};

    #[test]
    fn the_json_lacks_only_the_time_and_the_closing_brace() {
        let text = PacketJson::new(&packet("a", &["b:2", "a:1"]));
        assert_eq!(text.as_str(), r#"{"hostname":"a","labels":["a:1","b:2"],"last_check":"#);
        assert_eq!(
            PacketJson::new(&packet("a", &[])).as_str(),
            r#"{"hostname":"a","labels":[],"last_check":"#
        );
    }

    #[test]
    fn an_envelope_of_the_same_packet_is_recognised_others_are_not() {
        let text = PacketJson::new(&packet("a", &["x"]));
        let envelope = hi(&packet("a", &["x"]), instance(0xff));
        let suffix = br#"0},"message":"hi","instance":"00000000000000ff"}"#;
        assert_eq!(text.suffix_if_same(&envelope), Some(&suffix[..]));
        assert_eq!(text.suffix_if_same(&hi(&packet("a", &["x", "y"]), instance(0xff))), None);
        assert_eq!(text.suffix_if_same(br#"{"message":"hi"}"#), None);
        assert_eq!(hostname_in(&envelope), Some("a"));
        assert_eq!(hostname_in(br#"{"message":"hi"}"#), None);
    }

    proptest! {
        #[test]
        fn labels_come_back_whatever_is_in_them(labels in prop::collection::vec("[ -~é\"\\\\,\\[\\]]{1,12}", 0..12)) {
            let labels: Vec<_> = labels.iter().filter_map(|label| Label::parse(label).ok()).collect();
            let packet = Discovery::new(name("h\"\\]"), labels);
            let text = PacketJson::new(&packet);
            let expected: Vec<_> = packet.labels.iter().map(Label::as_str).collect();
            prop_assert_eq!(text.labels().collect::<Vec<_>>(), expected);
            let whole: Discovery = serde_json::from_str(&format!("{}7}}", text.as_str())).unwrap();
            prop_assert_eq!(whole, Discovery { last_check: 7, ..packet });
        }
    }
}
