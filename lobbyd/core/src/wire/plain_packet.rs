//! Plain packets: those that stand in an envelope just as they are kept, so that nothing of them
//! need be decoded.

use lobby_client::{HostName, Label};

use super::envelope::MAX_LABELS;
use super::layout::{ENVELOPE_START, LABELS, LAST_CHECK, PACKET_START};
use super::packet_json::PacketJson;

/// A packet as lobbyd writes it, without escapes: its labels are valid, sorted and unique.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PlainPacket<'p> {
    /// The host that it is about.
    pub(crate) hostname: HostName,
    /// The packet itself.
    pub(crate) text: PacketJson,
    /// What follows it in the envelope, from the value of `last_check` on.
    pub(crate) rest: &'p [u8],
}

impl<'p> PlainPacket<'p> {
    /// The packet of an envelope, if it is a plain one. Of any other, whatever is wrong with it,
    /// only a decoder can tell the meaning.
    pub(crate) fn read(envelope: &'p [u8]) -> Option<Self> {
        let packet = std::str::from_utf8(envelope).ok()?.strip_prefix(ENVELOPE_START)?;
        let (hostname, rest) = split_text(packet.strip_prefix(PACKET_START)?)?;
        let rest = rest.strip_prefix(LABELS.next)?.strip_prefix('[')?;
        let rest = match rest.strip_prefix(']') {
            Some(rest) => rest,
            None => behind_labels(rest)?,
        };
        let rest = rest.strip_prefix(LAST_CHECK.next)?;
        Some(Self {
            hostname: HostName::parse(hostname).ok()?,
            text: PacketJson::of_text(&packet[..packet.len() - rest.len()]),
            rest: rest.as_bytes(),
        })
    }
}

/// What follows the end of a list of one label or more.
fn behind_labels(mut list: &str) -> Option<&str> {
    let mut last = "";
    for _ in 0..MAX_LABELS {
        let (label, rest) = split_text(list)?;
        let is_next = last < label && Label::check(label).is_ok_and(|text| text == label);
        match rest.split_at_checked(1).filter(|_| is_next)? {
            (",", rest) => (last, list) = (label, rest),
            ("]", rest) => return Some(rest),
            _ => return None,
        }
    }
    None
}

/// A text without escapes and what follows it.
fn split_text(json: &str) -> Option<(&str, &str)> {
    let json = json.strip_prefix('"')?;
    let (text, rest) = json.split_at(memchr::memchr2(b'"', b'\\', json.as_bytes())?);
    Some((text, rest.strip_prefix('"')?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testsuite::fixtures::{hi, instance, packet};
    use crate::wire::envelope;

    /// The host name and the packet of an envelope, if it is plain.
    fn read(envelope: &[u8]) -> Option<(HostName, PacketJson)> {
        PlainPacket::read(envelope).map(|packet| (packet.hostname, packet.text))
    }

    #[test]
    fn what_lobbyd_writes_is_plain_but_for_escapes() {
        for labels in [&[][..], &["x"], &["město:Praha", "x", "y: z"]] {
            let packet = packet("a", labels);
            let envelope = hi(&packet, instance(7));
            let expected = (packet.hostname.clone(), PacketJson::new(&packet));
            assert_eq!(read(&envelope), Some(expected), "{labels:?}");
            let rest = PacketJson::new(&packet).suffix_if_same(&envelope);
            assert_eq!(PlainPacket::read(&envelope).map(|packet| packet.rest), rest);
        }
        assert_eq!(read(&hi(&packet("a", &["x\\"]), instance(7))), None);
        assert_eq!(read(&hi(&packet("a\"", &["x"]), instance(7))), None);
    }

    #[test]
    fn what_only_a_decoder_understands_is_not_plain() {
        let envelope = |packet: &str| format!(r#"{{"discovery":{packet},"message":"hi"}}"#);
        let of_labels = |labels: &str| {
            envelope(&format!(r#"{{"hostname":"a","labels":{labels},"last_check":0}}"#))
        };
        assert!(read(of_labels(r#"["x","y"]"#).as_bytes()).is_some());
        for odd in [
            "null",
            "[",
            r#"["x""#,
            r#"["x",]"#,
            r#"["x";"y"]"#,
            r#"["x", "y"]"#,
            r#"["y","x"]"#,
            r#"["x","x"]"#,
            r#"[" x"]"#,
            r#"[""]"#,
            r#"["x\t"]"#,
            "[\"x\u{7f}\"]",
            r#"["x",7]"#,
            r#"["x"]]"#,
        ] {
            assert_eq!(read(of_labels(odd).as_bytes()), None, "{odd}");
        }
        let many = |count: usize| {
            let labels: Vec<_> = (0..count).map(|number| format!("\"{number:04}\"")).collect();
            of_labels(&format!("[{}]", labels.join(",")))
        };
        assert!(read(many(MAX_LABELS).as_bytes()).is_some());
        assert_eq!(read(many(MAX_LABELS + 1).as_bytes()), None);
        for odd in [
            r#"{"labels":["x"],"hostname":"a","last_check":0}"#,
            r#"{"hostname":"","labels":["x"],"last_check":0}"#,
            r#"{"hostname":"a b","labels":["x"],"last_check":0}"#,
            r#"{"hostname":"a","labels":["x"]}"#,
        ] {
            assert_eq!(read(envelope(odd).as_bytes()), None, "{odd}");
        }
        assert_eq!(read(&[of_labels("[]").as_bytes(), b"\xff"].concat()), None);
    }

    proptest! {
        #[test]
        fn whatever_is_plain_is_decoded_to_the_same(
            labels in prop::collection::vec("[ -~é\\t]{0,4}", 0..6), at in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            let labels: Vec<_> = labels.iter().map(|label| format!("\"{label}\"")).collect();
            let mut payload = format!(r#"{{"discovery":{{"hostname":"a","labels":[{}],"last_check":0}},"message":"hi"}}"#, labels.join(",")).into_bytes();
            for is_altered in [false, true] {
                if is_altered {
                    *at.get_mut(&mut payload) = byte;
                }
                if let (Some(plain), Ok(decoded)) = (read(&payload), envelope::decode(&payload)) {
                    let discovery = decoded.discovery;
                    prop_assert_eq!(plain, (discovery.hostname.clone(), PacketJson::new(&discovery)));
                }
            }
        }
    }
}
