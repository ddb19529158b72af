//! Exceptions: all that may differ between the two programs, each with its reason.
//!
//! To add one, add an entry to [`EXCEPTIONS`]. `covers` says where it applies; `level` gets both
//! texts and returns them with what may differ made the same, and with all else as it was.
//! [`reworded`] serves a text that was changed on purpose, [`paired`] values that differ by nature.

use crate::compare::{PACKED, Place};
use crate::levels::{
    hex_after, http_date, near, near_millis, number, number_after, paired, rest_of_line_after,
    revision, reworded, reworded_all, rfc3339, with_address, without_log_head,
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
        reason: "A silent host goes at its moment instead of at the next sweep; that it goes, is compared.",
        covers: |place| place.part == "seconds to death",
        level: |old, new| paired(old, new, |text| number_after(text, ""), |_, _| true),
    },
    Exception {
        name: "deaths",
        reason: "Each host dies at a moment and in a revision of its own, instead of all at a sweep.",
        covers: |place| place.topic.starts_with("deaths: ") && place.part == "header etag",
        level: |old, new| paired(old, new, revision, |old, new| number(old) <= number(new)),
    },
    Exception {
        name: "packing",
        reason: "Long lists go to gzip in other pieces; what is unpacked of them is compared.",
        covers: |place| place.part == PACKED && place.topic == "large fleet",
        level: |_, _| Default::default(),
    },
    // From here on: what was changed on purpose. Whole answers are in `changes`.
    Exception {
        name: "problems",
        reason: "A fault that two groups of Prometheus have from the same label counts for each.",
        covers: |place| place.part == "body" && place.case.contains("/v1/status"),
        level: |old, new| {
            let problems = |text: &str| number_after(text, "\"prometheus_problems\":");
            paired(old, new, problems, |old, new| {
                let few = number(old).map(|old| old..old + 5);
                few.zip(number(new)).is_some_and(|(few, new)| few.contains(&new))
            })
        },
    },
    Exception {
        name: "settings",
        reason: "What is not valid, and what would be, is said in plain English.",
        covers: |place| place.part == "stderr" && place.topic == "lobbyd: settings",
        level: |old, new| reworded_all(old, new, SETTINGS),
    },
    Exception {
        name: "ttl",
        reason: "A packet says for how long it is good, in a field that older daemons ignore.",
        covers: |place| place.part == "wire" && place.topic.contains("rename"),
        level: |old, new| (old.to_owned(), new.replace(",\"ttl\":60", "")),
    },
    Exception {
        name: "listening",
        reason: "A name may have several addresses: the one that cannot be listened on is named.",
        covers: |place| place.part == "stderr" && place.topic == "lobbyd: settings",
        level: |old, new| (with_address(old).unwrap_or_else(|| old.to_owned()), new.to_owned()),
    },
    Exception {
        name: "lobbyctl --json",
        reason: "lobbyctl looks at what an answer is before it looks into it.",
        covers: |place| place.topic == "lobbyctl: odd servers" && place.part == "stderr",
        level: |old, new| reworded_all(old, new, ODD_ANSWERS),
    },
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

/// Texts of settings that are not valid, as they were and as they are.
const SETTINGS: &[(&str, &str)] = &[
    (
        " is no host: an IP address or a name is allowed\n",
        " is not a valid host: expected an IP address or a name\n",
    ),
    (
        " is no port: a whole number from 0 to 65535 is allowed\n",
        " is not a valid port: expected 0 to 65535\n",
    ),
    (
        " is no port: a whole number from 1 to 65535 is allowed\n",
        " is not a valid port: expected 1 to 65535\n",
    ),
    (
        " is no truth value: true, false, t, f, yes, no, y, n, 1 and 0 are allowed\n",
        " is not a valid truth value: expected true, false, t, f, yes, no, y, n, 1 or 0\n",
    ),
    (
        " is no host name: 1 to 253 bytes without white space and control characters are allowed\n",
        " is not a valid host name: expected 1 to 253 bytes without white space and control characters\n",
    ),
    (
        " is no label: 1 to 1024 bytes without control characters are allowed\n",
        " is not a valid label: expected 1 to 1024 bytes without control characters\n",
    ),
    (
        " is no file name: a bare name without / is allowed\n",
        " is not a valid file name: expected a bare name without /\n",
    ),
    (
        " is no list of drivers: NATS, Redis and Local are allowed, several of them comma separated\n",
        " is not a valid list of drivers: expected NATS, Redis or Local, or several of them, comma separated\n",
    ),
    (
        " is no number of seconds: a whole number from 0 to 31536000 is allowed\n",
        " is not a valid number of seconds: expected 0 to 31536000\n",
    ),
    (
        " is no number of seconds: a whole number from 1 to 31536000 is allowed\n",
        " is not a valid number of seconds: expected 1 to 31536000\n",
    ),
    (
        " is no count: a whole number from 1 to 4294967295 is allowed\n",
        " is not a valid count: expected 1 to 4294967295\n",
    ),
    (
        " is no database: a whole number from 0 to 4294967295 is allowed\n",
        " is not a valid database: expected 0 to 4294967295\n",
    ),
    (
        " is no channel: one or more characters other than white space are allowed\n",
        " is not a valid channel: expected one or more characters other than white space\n",
    ),
    (
        " is no subject: one or more characters other than white space are allowed\n",
        " is not a valid subject: expected one or more characters other than white space\n",
    ),
    (
        " is no subject: words joined by single dots, without the wildcards * and >, are allowed\n",
        " is not a valid subject: expected words joined by single dots, without the wildcards * and >\n",
    ),
    (
        " is no command line: every quote must be closed\n",
        " is not a valid command line: expected every quote to be closed\n",
    ),
    (
        " is no command line: a program with its arguments is allowed\n",
        " is not a valid command line: expected a program with its arguments\n",
    ),
    (
        " is no way to verify: off, warn or enforce is allowed\n",
        " is not a valid way to verify: expected off, warn or enforce\n",
    ),
    (
        " is no log level: error, warn, info, debug, trace or a filter such as info,async_nats=debug is allowed\n",
        " is not a valid log level: expected error, warn, info, debug, trace or a filter such as info,async_nats=debug\n",
    ),
    (
        " is no log format: text or json is allowed\n",
        " is not a valid log format: expected text or json\n",
    ),
    (" is not UTF-8: only UTF-8 text is allowed\n", " is not UTF-8: expected UTF-8 text\n"),
    (
        "TTL: 4 s is too short: more than KEEP_ALIVE, 5 s, is allowed\n",
        "TTL: 4 s is too short: expected more than KEEP_ALIVE, 5 s\n",
    ),
    (
        "TTL: 5 s is too short: more than KEEP_ALIVE, 5 s, is allowed\n",
        "TTL: 5 s is too short: expected more than KEEP_ALIVE, 5 s\n",
    ),
    (
        "TTL: 30 s is too short: more than KEEP_ALIVE, 30 s, is allowed\n",
        "TTL: 30 s is too short: expected more than KEEP_ALIVE, 30 s\n",
    ),
    (
        "TTL: 30 s is too short: more than KEEP_ALIVE, 60 s, is allowed\n",
        "TTL: 30 s is too short: expected more than KEEP_ALIVE, 60 s\n",
    ),
];

/// What lobbyctl says to an answer that is JSON and not an object, as it was and as it is.
const ODD_ANSWERS: &[(&str, &str)] = &[
    ("type: null, expected struct LoosePacket at", "type: null, expected an object at"),
    ("type: null, expected struct Status at", "type: null, expected an object at"),
    (
        "invalid length 0, expected struct LoosePacket with 3 elements at line 1 column 2",
        "invalid type: sequence, expected an object at line 1 column 0",
    ),
    (
        "invalid length 0, expected struct Status with 10 elements at line 1 column 2",
        "invalid type: sequence, expected an object at line 1 column 0",
    ),
];

/// Characters that show nothing and may act on a terminal; line ends, which lobbyctl writes itself,
/// are not among them.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{feff}' | '\u{7f}')
}
