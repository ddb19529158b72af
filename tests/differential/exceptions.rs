//! Exceptions: all that may differ between the two programs, each with its reason.
//!
//! To add one, add an entry to [`EXCEPTIONS`]. `covers` says where it applies; `level` gets both
//! texts and returns them with what may differ made the same, and with all else as it was.
//! [`reworded`] serves a text that was changed on purpose, [`paired`] values that differ by nature.

use std::ops::Range;

use crate::compare::Place;

/// Seconds by which two times of the same event may differ.
const APART: i64 = 5;

/// A difference that is meant to be, or that cannot be avoided.
pub(crate) struct Exception {
    /// Its name in the report.
    pub(crate) name: &'static str,
    /// Why this may differ, in a sentence.
    pub(crate) reason: &'static str,
    /// Whether it applies here.
    pub(crate) covers: fn(Place<'_>) -> bool,
    /// The old and the new text without what may differ.
    pub(crate) level: fn(&str, &str) -> (String, String),
}

/// All that may differ.
pub(crate) static EXCEPTIONS: [Exception; 10] = [
    Exception {
        name: "date",
        reason: "The two answers are given one after the other.",
        covers: |place| place.part.starts_with("header date"),
        level: |old, new| paired(old, new, http_date, |_, _| true),
    },
    Exception {
        name: "last_check",
        reason: "Each daemon counts whole seconds of its own when it hears a packet.",
        covers: |place| matches!(place.part, "body" | "stdout" | "callback input"),
        level: |old, new| paired(old, new, |text| number_after(text, "\"last_check\":"), near),
    },
    Exception {
        name: "status times",
        reason: "The two daemons are started and asked one after the other.",
        covers: |place| matches!(place.part, "body" | "stdout" | "status"),
        level: |old, new| {
            let fields = ["\"started\":", "\"now\":", "\"since\":", "\"last_seen\":"];
            fields.iter().fold((old.to_owned(), new.to_owned()), |(old, new), field| {
                paired(&old, &new, |text| number_after(text, field), near)
            })
        },
    },
    Exception {
        name: "lobbyctl times",
        reason: "As the times of the status, written for people: a date, or how long a link is up.",
        covers: |place| place.part == "stdout" && place.case.contains("status"),
        level: |old, new| {
            let (old, new) = paired(old, new, rfc3339, |_, _| true);
            paired(&old, &new, |text| word_after(text, " for "), |_, _| true)
        },
    },
    Exception {
        name: "instance",
        reason: "Each run of a daemon draws a number of its own.",
        covers: |place| matches!(place.part, "body" | "stdout" | "wire"),
        level: |old, new| {
            let (old, new) = paired(old, new, |text| hex_after(text, "\"instance\":\"", 16), |_, _| true);
            let (old, new) = paired(&old, &new, |text| hex_after(text, "\"instance\": \"", 16), |_, _| true);
            paired(&old, &new, |text| hex_after(text, "  instance   ", 16), |_, _| true)
        },
    },
    Exception {
        name: "etag instance",
        reason: "An ETag begins with the instance; revision and number of hosts are compared.",
        covers: |place| place.part == "header etag",
        level: |old, new| paired(old, new, |text| hex_after(text, "W/\"", 16), |_, _| true),
    },
    Exception {
        name: "packet time",
        reason: "Signed packets carry the time; it is read back when the signature is checked.",
        covers: |place| place.part == "wire",
        level: |old, new| paired(old, new, |text| number_after(text, "\"timestamp\":"), near_millis),
    },
    Exception {
        name: "signature",
        reason: "It follows from instance and time; each is checked with the key instead.",
        covers: |place| place.part == "wire",
        level: |old, new| paired(old, new, |text| hex_after(text, "\"signature\":\"", 64), |_, _| true),
    },
    Exception {
        name: "log line",
        reason: "A start that fails late is logged: time and target of the line are not compared.",
        covers: |place| place.part == "stderr" && place.topic == "lobbyd: settings",
        level: |old, new| (without_log_head(old), without_log_head(new)),
    },
    Exception {
        name: "moment of death",
        reason: "When a silent host is swept is better from issue 8 on; that it is, is compared.",
        covers: |place| place.part == "seconds to death",
        level: |old, new| paired(old, new, |text| number_after(text, ""), |_, _| true),
    },
];

/// Makes a text that was changed on purpose the same: what says `from` in the old program must
/// say `to` in the new one.
#[cfg_attr(not(test), expect(dead_code, reason = "no text was changed on purpose yet"))]
pub(crate) fn reworded(old: &str, new: &str, from: &str, to: &str) -> (String, String) {
    (old.replace(from, to), new.to_owned())
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
fn number_after(text: &str, marker: &str) -> Option<Range<usize>> {
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

/// As many lower-case hexadecimal digits as wanted, after a marker.
fn hex_after(text: &str, marker: &str, wanted: usize) -> Option<Range<usize>> {
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
fn word_after(text: &str, marker: &str) -> Option<Range<usize>> {
    let start = text.find(marker)? + marker.len();
    let len = text[start..].find('\n')?;
    Some(start..start + len)
}

/// A date of HTTP: `Thu, 26 Nov 2026 13:00:00 GMT`.
fn http_date(text: &str) -> Option<Range<usize>> {
    (text.len() == 29 && text.ends_with(" GMT")).then_some(0..text.len())
}

/// A moment such as `2026-11-26T13:00:00Z`.
fn rfc3339(text: &str) -> Option<Range<usize>> {
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
fn without_log_head(text: &str) -> String {
    let error = |line: &str| {
        let json =
            line.split_once("\"error\":").map(|(_, rest)| rest.split_once(",\"target\"").map_or(rest, |(e, _)| e));
        json.or_else(|| line.find("error=").map(|at| &line[at..])).unwrap_or(line).to_owned()
    };
    text.lines().map(|line| error(line) + "\n").collect()
}

fn near(one: &str, other: &str) -> bool {
    apart(one, other).is_some_and(|apart| apart <= APART)
}

fn near_millis(one: &str, other: &str) -> bool {
    apart(one, other).is_some_and(|apart| apart <= APART * 1000)
}

fn apart(one: &str, other: &str) -> Option<i64> {
    Some((one.parse::<i64>().ok()? - other.parse::<i64>().ok()?).abs())
}
