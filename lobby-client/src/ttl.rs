//! The time of a label that ends, as the API and lobbyctl take it.

use std::time::Duration;

/// Shortest time.
pub const MIN_TTL: Duration = Duration::from_secs(1);

/// Longest time: a year.
pub const MAX_TTL: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The time of a label: a whole number of seconds or, with the unit behind it, of minutes, hours or
/// days. `None` if the text is something else, or not within [`MIN_TTL`] and [`MAX_TTL`].
pub fn parse_ttl(text: &str) -> Option<Duration> {
    let (digits, unit) = match text.as_bytes().last()? {
        b's' => (&text[..text.len() - 1], 1),
        b'm' => (&text[..text.len() - 1], 60),
        b'h' => (&text[..text.len() - 1], 60 * 60),
        b'd' => (&text[..text.len() - 1], 24 * 60 * 60),
        _ => (text, 1),
    };
    let digits = Some(digits).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let ttl = Duration::from_secs(digits.parse::<u64>().ok()?.checked_mul(unit)?);
    Some(ttl).filter(|ttl| (MIN_TTL..=MAX_TTL).contains(ttl))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_lease_has_a_unit_and_bounds() {
        for (text, seconds) in [
            ("1", 1),
            ("60s", 60),
            ("5m", 300),
            ("12h", 43_200),
            ("365d", 31_536_000),
            ("31536000", 31_536_000),
        ] {
            assert_eq!(parse_ttl(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "s",
            "0",
            "0s",
            "366d",
            "31536001",
            "-1",
            "+1",
            "1.5h",
            "1 h",
            "1w",
            "1H",
            "ž",
            "99999999999999999999d",
            "99999999999999999d",
        ] {
            assert_eq!(parse_ttl(text), None, "{text}");
        }
    }
}
