//! The TTL in a packet: for how long it is good, as its sender says.

use std::time::Duration;

/// The TTL that a packet tells: 1 second to 1 hour, in whole seconds. Its host expires that long
/// after it was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PacketTtl(u16);

impl PacketTtl {
    /// The longest one: nobody keeps a host alive for longer by one packet.
    pub const MAX: Self = Self(3600);

    /// The TTL of so many seconds, if it is a valid one.
    pub fn from_seconds(seconds: u64) -> Option<Self> {
        let seconds = u16::try_from(seconds).ok()?;
        (1..=Self::MAX.0).contains(&seconds).then_some(Self(seconds))
    }

    /// The shortest TTL that is not shorter than a duration, if there is one.
    pub fn covering(duration: Duration) -> Option<Self> {
        Self::from_seconds(duration.as_secs() + u64::from(duration.subsec_nanos() > 0))
    }

    /// The TTL in seconds.
    pub fn seconds(self) -> u64 {
        self.0.into()
    }

    /// The TTL as a duration.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.seconds())
    }

    /// The bits of a TTL, zero for none; 12 are enough.
    pub(crate) fn to_bits(ttl: Option<Self>) -> u64 {
        ttl.map_or(0, Self::seconds)
    }

    /// The TTL of these bits.
    pub(crate) fn from_bits(bits: u64) -> Option<Self> {
        Self::from_seconds(bits)
    }
}

/// The field `ttl` of a packet, as any writer may choose it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TtlField {
    /// It is not there: lobby 1.x does not tell.
    #[default]
    Absent,
    /// A whole number from 0 on.
    Number(u64),
    /// Anything else.
    Other,
}

impl TtlField {
    /// The TTL, if it is a valid one.
    pub fn valid(self) -> Option<PacketTtl> {
        self.number().and_then(PacketTtl::from_seconds)
    }

    /// Whether there is one that is not valid: it counts as none.
    pub fn is_invalid(self) -> bool {
        self != Self::Absent && self.valid().is_none()
    }

    /// The number, valid or not.
    pub fn number(self) -> Option<u64> {
        match self {
            Self::Number(seconds) => Some(seconds),
            Self::Absent | Self::Other => None,
        }
    }
}

impl From<Option<u64>> for TtlField {
    fn from(seconds: Option<u64>) -> Self {
        seconds.map_or(Self::Absent, Self::Number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ttl_has_a_second_to_an_hour() {
        for seconds in [1, 30, 3600] {
            assert_eq!(PacketTtl::from_seconds(seconds).map(PacketTtl::seconds), Some(seconds));
        }
        for seconds in [0, 3601, 65_537, 1_000_000_000_000_000_000, u64::MAX] {
            assert_eq!(PacketTtl::from_seconds(seconds), None, "{seconds}");
            assert!(TtlField::Number(seconds).is_invalid(), "{seconds}");
        }
        assert!(TtlField::Other.is_invalid() && !TtlField::Absent.is_invalid());
    }

    #[test]
    fn a_part_of_a_second_counts_as_a_whole_one() {
        let covering = |millis| PacketTtl::covering(Duration::from_millis(millis));
        let ttl = |seconds| PacketTtl::from_seconds(seconds);
        assert_eq!([covering(1), covering(1000), covering(1001)], [ttl(1), ttl(1), ttl(2)]);
        assert_eq!([covering(0), covering(3_600_001)], [None, None]);
    }

    #[test]
    fn bits_give_a_ttl_back() {
        for ttl in [None, PacketTtl::from_seconds(1), Some(PacketTtl::MAX)] {
            let bits = PacketTtl::to_bits(ttl);
            assert_eq!(PacketTtl::from_bits(bits), ttl);
            assert!(bits < 1 << 12);
        }
    }
}
