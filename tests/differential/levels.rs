//! Levelling: taking what may differ out of two texts.

use std::ops::Range;

/// Seconds by which two times of the same event may differ.
const APART: i64 = 5;

/// Makes a text that was changed on purpose the same: what says `from` in the old program must
/// say `to` in the new one.
pub(crate) fn reworded(old: &str, new: &str, from: &str, to: &str) -> (String, String) {
    (old.replace(from, to), new.to_owned())
}

/// As [`reworded`], for several texts.
pub(crate) fn reworded_all(old: &str, new: &str, words: &[(&str, &str)]) -> (String, String) {
    let old = words.iter().fold(old.to_owned(), |old, (from, to)| old.replace(from, to));
    (old, new.to_owned())
}

/// An error about listening on HOST and PORT with the address that it is about.
pub(crate) fn with_address(text: &str) -> Option<String> {
    let (before, rest) = text.split_once("cannot listen on HOST ")?;
    let (place, why) = rest.split_once(": ")?;
    let address = place.replace(" PORT ", ":");
    Some(format!("{before}cannot listen on HOST {place}: {address}: {why}"))
}

/// Makes values the same that differ and may: the first one found in the old text and the first
/// in the new one, then the second ones, and so on. Where the numbers of values differ, nothing
/// is changed.
pub(crate) fn paired(
    old: &str,
    new: &str,
    find: impl Fn(&str) -> Option<Range<usize>>,
    may_differ: impl Fn(&str, &str) -> bool,
) -> (String, String) {
    let (old_spans, new_spans) = (all(old, &find), all(new, &find));
    let (mut levelled_old, mut levelled_new) = (old.to_owned(), new.to_owned());
    if old_spans.len() != new_spans.len() {
        return (levelled_old, levelled_new);
    }
    for (one, other) in old_spans.into_iter().zip(new_spans).rev() {
        let (a, b) = (&old[one.clone()], &new[other.clone()]);
        if a != b && may_differ(a, b) {
            levelled_old.replace_range(one, "*");
            levelled_new.replace_range(other, "*");
        }
    }
    (levelled_old, levelled_new)
}

/// All values in a text, from left to right.
fn all(text: &str, find: &impl Fn(&str) -> Option<Range<usize>>) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(span) = find(&text[from..]) {
        let span = from + span.start..from + span.end;
        from = span.end;
        found.push(span);
    }
    found
}

/// The digits after a marker, which a space may follow.
pub(crate) fn number_after(text: &str, marker: &str) -> Option<Range<usize>> {
    let mut from = 0;
    loop {
        let start = from + text[from..].find(marker)? + marker.len();
        let start = start + usize::from(text[start..].starts_with(' '));
        let digits = text[start..].bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 {
            return Some(start..start + digits);
        }
        if start >= text.len() || marker.is_empty() {
            return None;
        }
        from = start;
    }
}

/// The revision in an ETag: the number before the last one.
pub(crate) fn revision(text: &str) -> Option<Range<usize>> {
    let end = text.rfind('-')?;
    let start = text[..end].rfind('-')? + 1;
    Some(start..end)
}

/// A number, as far as it is one.
pub(crate) fn number(text: &str) -> Option<u64> {
    text.parse().ok()
}

/// As many lower-case hexadecimal digits as wanted, after a marker.
pub(crate) fn hex_after(text: &str, marker: &str, wanted: usize) -> Option<Range<usize>> {
    let mut from = 0;
    loop {
        let start = from + text[from..].find(marker)? + marker.len();
        let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text[start..].bytes().take_while(is_hex).count() == wanted {
            return Some(start..start + wanted);
        }
        from = start;
    }
}

/// What stands between a marker and the end of the line.
pub(crate) fn rest_of_line_after(text: &str, marker: &str) -> Option<Range<usize>> {
    let start = text.find(marker)? + marker.len();
    let len = text[start..].find('\n')?;
    Some(start..start + len)
}

/// A date of HTTP: `Thu, 26 Nov 2026 13:00:00 GMT`.
pub(crate) fn http_date(text: &str) -> Option<Range<usize>> {
    (text.len() == 29 && text.ends_with(" GMT")).then_some(0..text.len())
}

/// A moment such as `2026-11-26T13:00:00Z`.
pub(crate) fn rfc3339(text: &str) -> Option<Range<usize>> {
    let fits = |bytes: &[u8]| {
        bytes.iter().zip(b"dddd-dd-ddTdd:dd:ddZ").all(|(byte, form)| match form {
            b'd' => byte.is_ascii_digit(),
            other => byte == other,
        })
    };
    let start = text.as_bytes().windows(20).position(fits)?;
    Some(start..start + 20)
}

/// Lines of a log without what stands around their error.
pub(crate) fn without_log_head(text: &str) -> String {
    let error = |line: &str| {
        let json = line
            .split_once("\"error\":")
            .map(|(_, rest)| rest.split_once(",\"target\"").map_or(rest, |(e, _)| e));
        json.or_else(|| line.find("error=").map(|at| &line[at..])).unwrap_or(line).to_owned()
    };
    text.lines().map(|line| error(line) + "\n").collect()
}

/// Whether two times in seconds may be of the same event.
pub(crate) fn near(one: &str, other: &str) -> bool {
    apart(one, other).is_some_and(|apart| apart <= APART)
}

/// As [`near`], in milliseconds.
pub(crate) fn near_millis(one: &str, other: &str) -> bool {
    apart(one, other).is_some_and(|apart| apart <= APART * 1000)
}

fn apart(one: &str, other: &str) -> Option<i64> {
    Some((one.parse::<i64>().ok()? - other.parse::<i64>().ok()?).abs())
}
