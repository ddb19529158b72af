//! The period of validity of a certificate, read from its DER form.

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// From when to when a certificate is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub begin: CertificateTime,
    /// The last second.
    pub end: CertificateTime,
}

/// A moment that a certificate names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateTime {
    /// Seconds since the Unix epoch.
    pub unix_seconds: i64,
    /// Its day, as in 2026-11-26.
    pub day: String,
}

impl Validity {
    /// The period of a certificate; `None` if the bytes are not a certificate.
    pub fn of(certificate: &[u8]) -> Option<Self> {
        let (certificate, _) = element(certificate, SEQUENCE)?;
        let (fields, _) = element(certificate, SEQUENCE)?;
        let rest = element(fields, VERSION).map_or(fields, |(_, rest)| rest);
        let (_serial_number, rest) = element(rest, INTEGER)?;
        let (_algorithm, rest) = element(rest, SEQUENCE)?;
        let (_issuer, rest) = element(rest, SEQUENCE)?;
        let (period, _) = element(rest, SEQUENCE)?;
        let (begin, rest) = time(period)?;
        let (end, _) = time(rest)?;
        Some(Self { begin, end })
    }
}

/// The content of an element with this tag, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let (len, rest) = length(rest)?;
    (*first == tag).then(|| rest.split_at_checked(len))?
}

/// The length that begins here, and what follows it.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    match first {
        0..=0x7f => Some((usize::from(*first), rest)),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x0f))?;
            Some((digits.iter().fold(0, |len, digit| len << 8 | usize::from(*digit)), rest))
        }
        _ => None,
    }
}

/// The moment that begins here, and what follows it.
fn time(bytes: &[u8]) -> Option<(CertificateTime, &[u8])> {
    if let Some((text, rest)) = element(bytes, GENERALIZED_TIME) {
        return Some((moment(std::str::from_utf8(text).ok()?)?, rest));
    }
    let (text, rest) = element(bytes, UTC_TIME)?;
    let text = std::str::from_utf8(text).ok()?;
    // RFC 5280, section 4.1.2.5.1.
    let century = if text < "50" { "20" } else { "19" };
    Some((moment(&format!("{century}{text}"))?, rest))
}

/// The moment of a text such as 20261126161500Z.
fn moment(text: &str) -> Option<CertificateTime> {
    let digits = text.strip_suffix('Z').filter(|digits| digits.len() == 14)?;
    let number = |from: usize, to: usize| digits.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let seconds = number(8, 10)? * 3600 + number(10, 12)? * 60 + number(12, 14)?;
    let unix_seconds = days_since_epoch(year, month, day) * 86_400 + seconds;
    Some(CertificateTime { unix_seconds, day: format!("{year:04}-{month:02}-{day:02}") })
}

/// Days since the Unix epoch in the Gregorian calendar. A year is counted from March, so that a
/// leap day is its last.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    // The days of March to July are 31, 30, 31, 30, 31, and so they go on.
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> i64 {
        moment(text).unwrap().unix_seconds
    }

    #[test]
    fn days_are_counted_over_leap_years() {
        assert_eq!(seconds("19700101000000Z"), 0);
        assert_eq!(seconds("20000229235959Z"), 951_868_799);
        assert_eq!(seconds("20000301000000Z"), 951_868_800);
        assert_eq!(seconds("20261126161500Z"), 1_795_709_700);
        assert_eq!(seconds("99991231235959Z"), 253_402_300_799);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "Z", "20261126161500", "2026112616150Z", "2026112616150xZ", "žžžžžžžZ"]
        {
            assert_eq!(moment(text), None, "{text}");
        }
    }

    #[test]
    fn the_period_is_found_in_both_forms_of_time() {
        let short = |tag, content: &[u8]| [&[tag, content.len() as u8], content].concat();
        let begin = short(UTC_TIME, b"500101000000Z");
        let end = short(GENERALIZED_TIME, b"20500101000000Z");
        let fields = [
            short(VERSION, &short(INTEGER, &[2])),
            short(INTEGER, &[1]),
            short(SEQUENCE, b""),
            short(SEQUENCE, b""),
            short(SEQUENCE, &[begin, end].concat()),
        ];
        let certificate = short(SEQUENCE, &short(SEQUENCE, &fields.concat()));
        let Validity { begin, end } = Validity::of(&certificate).unwrap();
        assert_eq!((begin.day.as_str(), end.day.as_str()), ("1950-01-01", "2050-01-01"));
        for len in 0..certificate.len() {
            assert_eq!(Validity::of(&certificate[..len]), None, "{len}");
        }
    }
}
