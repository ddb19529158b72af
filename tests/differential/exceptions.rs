//! Exceptions: all that may differ between the two programs, each with its reason.
//!
//! To add one, add an entry to [`EXCEPTIONS`]. `covers` says where it applies; `level` gets both
//! texts and returns them with what may differ made the same, and with all else as it was.
//! [`reworded`] serves a text that was changed on purpose, [`paired`] values that differ by nature.

use crate::compare::Place;
use crate::levels::{
    hex_after, http_date, near, near_millis, number_after, paired, rest_of_line_after, reworded,
    rfc3339, without_log_head,
};

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
pub(crate) static EXCEPTIONS: &[Exception] = &[
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
            paired(&old, &new, |text| rest_of_line_after(text, " for "), |_, _| true)
        },
    },
    Exception {
        name: "instance",
        reason: "Each run of a daemon draws a number of its own.",
        covers: |place| matches!(place.part, "body" | "stdout" | "wire"),
        level: |old, new| {
            let (old, new) =
                paired(old, new, |text| hex_after(text, "\"instance\":\"", 16), |_, _| true);
            let (old, new) =
                paired(&old, &new, |text| hex_after(text, "\"instance\": \"", 16), |_, _| true);
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
        level: |old, new| {
            paired(old, new, |text| number_after(text, "\"timestamp\":"), near_millis)
        },
    },
    Exception {
        name: "signature",
        reason: "It follows from instance and time; each is checked with the key instead.",
        covers: |place| place.part == "wire",
        level: |old, new| {
            paired(old, new, |text| hex_after(text, "\"signature\":\"", 64), |_, _| true)
        },
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
    // From here on: what was changed on purpose.
    Exception {
        name: "lobbyctl invisible",
        reason: "lobbyctl no longer prints foreign characters that act on a terminal, unless as JSON.",
        covers: |place| {
            place.topic.contains("lobbyctl")
                && place.part == "stdout"
                && !place.case.contains("json")
        },
        level: |old, new| (old.replace(is_invisible, ""), new.to_owned()),
    },
    Exception {
        name: "lobbyctl unreachable",
        reason: "lobbyctl says in words why a daemon cannot be reached.",
        covers: |place| place.topic.contains("lobbyctl") && place.part == "stderr",
        level: |old, new| {
            let refused = "connection refused: is lobbyd running there?";
            let (old, new) = reworded(old, new, "Connection refused (os error 111)", refused);
            reworded(
                &old,
                &new,
                ": Failed resolving hostname: ",
                ": the host name cannot be resolved: ",
            )
        },
    },
    Exception {
        name: "lobbyctl TERM",
        reason: "lobbyctl knows a dumb terminal, and its help says so.",
        covers: |place| {
            place.topic.contains("lobbyctl") && matches!(place.part, "stdout" | "stderr")
        },
        level: |old, new| {
            reworded(old, new, "as if the output were no terminal", "as where TERM is dumb")
        },
    },
];

/// Characters that show nothing and may act on a terminal; line ends, which lobbyctl writes itself,
/// are not among them.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{feff}' | '\u{7f}')
}
