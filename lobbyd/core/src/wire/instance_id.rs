//! Who says a packet, as the end of its envelope tells without being decoded.

/// What follows a packet's text in a hi, up to who says it.
const HI: &[u8] = br#"0},"message":"hi""#;

/// What stands before and behind the instance.
const INSTANCE: (&[u8], &[u8]) = (br#","instance":""#, br#""}"#);

/// Digits of an instance.
const DIGITS: usize = 16;

/// Which run of which daemon says hi: the number that lobbyd puts into its packets, in the form in which it does so, or none, as the
/// original does. Whoever writes otherwise is to be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InstanceId(u64);

impl InstanceId {
    /// The original. No instance that is taken for one has this number.
    const UNNAMED: Self = Self(1);

    /// Who says hi in an envelope that ends so.
    pub(crate) fn of_hi(end: &[u8]) -> Option<Self> {
        let rest = end.strip_prefix(HI)?;
        if rest == b"}" {
            return Some(Self::UNNAMED);
        }
        let (before, behind) = INSTANCE;
        Self::parse(rest.strip_prefix(before)?.strip_suffix(behind)?)
    }

    fn parse(instance: &[u8]) -> Option<Self> {
        let digit = |number: u64, byte: &u8| match byte {
            b'0'..=b'9' => Some(number << 4 | u64::from(byte - b'0')),
            b'a'..=b'f' => Some(number << 4 | u64::from(byte - b'a' + 10)),
            _ => None,
        };
        let number = instance.iter().try_fold(0, digit)?;
        (instance.len() == DIGITS && number > Self::UNNAMED.0).then_some(Self(number))
    }

    /// The sender as a number, zero for none.
    pub(crate) fn to_number(sender: Option<Self>) -> u64 {
        sender.map_or(0, |Self(number)| number)
    }
}

#[cfg(test)]
mod tests {
    use lobby_client::{Discovery, HostName};
    use proptest::prelude::*;

    use super::*;
    use crate::wire::envelope::{self, MessageKind};
    use crate::wire::packet_json::PacketJson;

    fn of(verb: MessageKind, instance: &str) -> Option<InstanceId> {
        let packet = Discovery::new(HostName::parse("a").unwrap(), vec![]);
        InstanceId::of_hi(PacketJson::new(&packet).suffix_if_same(&envelope::encode(verb, &packet, instance)).unwrap())
    }

    #[test]
    fn only_a_hi_in_the_usual_form_tells_its_sender() {
        assert_eq!(of(MessageKind::Hi, "00000000000000ff"), Some(InstanceId(255)));
        assert_eq!(InstanceId::of_hi(br#"0},"message":"hi"}"#), Some(InstanceId::UNNAMED));
        assert_eq!(of(MessageKind::Goodbye, "00000000000000ff"), None);
        for odd in [
            "",
            "ff",
            "00000000000000FF",
            "000000000000000g",
            "0000000000000001",
            "0000000000000000",
            "000000000000000000ff",
        ] {
            assert_eq!(of(MessageKind::Hi, odd), None, "{odd}");
        }
        for odd in ["1},\"message\":\"hi\"}", "0},\"message\":\"hi\",\"x\":1}", "0},\"message\":\"hi\"} "] {
            assert_eq!(InstanceId::of_hi(odd.as_bytes()), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn different_instances_are_different_senders(a in 2..u64::MAX, b in 2..u64::MAX) {
            let [first, second] = [a, b].map(|instance| of(MessageKind::Hi, &format!("{instance:016x}")));
            prop_assert!(first.is_some() && second.is_some());
            prop_assert_eq!(first == second, a == b);
        }
    }
}
