//! The instance of a daemon: which of its runs sent a packet.

use std::fmt;

/// Digits of an instance.
const DIGITS: usize = 16;

/// A run of a daemon, by the random number that lobbyd puts into its packets. Other writers may use
/// any other text for it, or none, as lobby 1.x does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId(u64);

impl InstanceId {
    /// A daemon that does not tell, like lobby 1.x. No other instance has this number.
    pub const UNNAMED: Self = Self(1);

    /// The instance of a random number. The two least ones are reserved, and give another one.
    pub fn new(number: u64) -> Self {
        Self(if number > Self::UNNAMED.0 { number } else { u64::MAX - number })
    }

    /// The instance that a packet tells, or `None` if it is in a form in which lobbyd does not
    /// write it.
    pub fn of(instance: Option<&str>) -> Option<Self> {
        instance.map_or(Some(Self::UNNAMED), Self::parse)
    }

    fn parse(text: &str) -> Option<Self> {
        let digit = |number: u64, byte: &u8| match byte {
            b'0'..=b'9' => Some(number << 4 | u64::from(byte - b'0')),
            b'a'..=b'f' => Some(number << 4 | u64::from(byte - b'a' + 10)),
            _ => None,
        };
        let number = text.as_bytes().iter().try_fold(0, digit)?;
        (text.len() == DIGITS && number > Self::UNNAMED.0).then_some(Self(number))
    }

    /// The text in packets; `None` for [`Self::UNNAMED`].
    pub fn text(self) -> Option<String> {
        (self != Self::UNNAMED).then(|| self.to_string())
    }

    /// The instance that a packet names, if it does so in the form of lobbyd.
    pub fn named(instance: Option<&str>) -> Option<Self> {
        instance.and_then(Self::parse)
    }

    /// The instance of a number, that of [`Self::UNNAMED`] too, unless it is zero.
    pub(crate) fn known_from_number(number: u64) -> Option<Self> {
        (number > 0).then_some(Self(number))
    }

    /// The instance of a number, unless that is zero or of [`Self::UNNAMED`].
    pub(crate) fn from_number(number: u64) -> Option<Self> {
        Some(Self(number)).filter(|instance| *instance > Self::UNNAMED)
    }

    /// The instance as a number, zero for none.
    pub(crate) fn to_number(instance: Option<Self>) -> u64 {
        instance.map_or(0, |Self(number)| number)
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0DIGITS$x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_form_of_lobbyd_and_none_at_all_are_instances() {
        assert_eq!(InstanceId::of(Some("00000000000000ff")), Some(InstanceId(255)));
        assert_eq!(InstanceId::of(None), Some(InstanceId::UNNAMED));
        for odd in [
            "",
            "ff",
            "00000000000000FF",
            "000000000000000g",
            "0000000000000001",
            "0000000000000000",
            "000000000000000000ff",
        ] {
            assert_eq!(InstanceId::of(Some(odd)), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn every_number_gives_an_instance_that_is_read_back(number in prop_oneof![0..3_u64, any::<u64>()]) {
            let instance = InstanceId::new(number);
            prop_assert!(instance != InstanceId::UNNAMED && InstanceId::to_number(Some(instance)) != 0);
            prop_assert_eq!(InstanceId::of(instance.text().as_deref()), Some(instance));
        }

        #[test]
        fn different_numbers_are_different_instances(a in 2..u64::MAX - 1, b in 2..u64::MAX - 1) {
            prop_assert_eq!(InstanceId::new(a) == InstanceId::new(b), a == b);
        }
    }
}
