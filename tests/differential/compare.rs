//! Comparison of what two programs showed in the same case.

use std::collections::BTreeSet;

use crate::changes::up_to_date;
use crate::exceptions::{EXCEPTIONS, Exception};
use crate::observation::Observation;

/// The part that holds a body as it was packed. Two packed bodies must be equal only where the
/// unpacked ones are.
pub(crate) const PACKED: &str = "packed body";

/// Where something was seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// The row of the report, such as `NATS: routes`.
    pub(crate) topic: &'a str,
    /// What was done, such as `GET /v1/status`.
    pub(crate) case: &'a str,
    /// The part that was looked at, such as `body` or `header etag`.
    pub(crate) part: &'a str,
}

/// The result of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Every byte is the same.
    Equal,
    /// The exceptions of these names account for all that differs.
    Excused(BTreeSet<&'static str>),
    /// These parts differ, and no exception accounts for it.
    Unexplained(Vec<Difference>),
}

/// A part that differs, with what exceptions cover taken out of both texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) part: String,
    pub(crate) old: Option<String>,
    pub(crate) new: Option<String>,
}

/// Compares two observations under the exceptions of this run.
pub(crate) fn compare(topic: &str, case: &str, old: &Observation, new: &Observation) -> Verdict {
    compare_under(EXCEPTIONS, topic, case, old, new)
}

fn compare_under(
    exceptions: &[Exception],
    topic: &str,
    case: &str,
    old: &Observation,
    new: &Observation,
) -> Verdict {
    let (mut used, mut differences) = (BTreeSet::new(), Vec::new());
    let old = &up_to_date(case, old, new, &mut used);
    for part in all_parts(old, new) {
        if part == PACKED && !are_packed_alike(old, new) {
            continue;
        }
        let place = Place { topic, case, part };
        let mut texts = [old.part(part), new.part(part)].map(|text| text.map(str::to_owned));
        apply(exceptions, place, &mut texts, &mut used);
        let [old, new] = texts;
        if old != new {
            differences.push(Difference { part: part.to_owned(), old, new });
        }
    }
    match (differences.is_empty(), used.is_empty()) {
        (false, _) => Verdict::Unexplained(differences),
        (true, false) => Verdict::Excused(used),
        (true, true) => Verdict::Equal,
    }
}

/// Whether packing must have made the same of both bodies. Whether each is packed, a header tells.
fn are_packed_alike(old: &Observation, new: &Observation) -> bool {
    let [both_packed, alike] = [PACKED, "body"].map(|part| old.part(part) == new.part(part));
    alike && (both_packed || [old, new].iter().all(|seen| seen.part(PACKED).is_some()))
}

/// The parts of both, each once.
fn all_parts<'a>(old: &'a Observation, new: &'a Observation) -> Vec<&'a str> {
    let mut parts: Vec<&str> = old.names().collect();
    parts.extend(new.names().filter(|name| old.part(name).is_none()));
    parts
}

/// Takes what exceptions cover out of two texts that differ.
fn apply(
    exceptions: &[Exception],
    place: Place<'_>,
    texts: &mut [Option<String>; 2],
    used: &mut BTreeSet<&'static str>,
) {
    for exception in exceptions.iter().filter(|exception| (exception.covers)(place)) {
        let [Some(old), Some(new)] = &*texts else { return };
        if old == new {
            return;
        }
        let levelled = (exception.level)(old, new);
        if (&levelled.0, &levelled.1) != (old, new) {
            used.insert(exception.name);
            *texts = [Some(levelled.0), Some(levelled.1)];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http;

    const REPLY: &str = "HTTP/1.1 200 OK\r\ncontent-length: 60\r\ncontent-type: application/json\r\n\
        etag: W/\"00000000000000aa-7-1\"\r\ndate: Thu, 26 Nov 2026 13:00:00 GMT\r\n\r\n\
        [{\"hostname\":\"a\",\"labels\":[\"x:1\"],\"last_check\":1795424503}]\n";

    fn reply(text: &str) -> Observation {
        http::observe(text.as_bytes(), true)
    }

    fn verdict(old: &Observation, new: &Observation) -> Verdict {
        compare("test", "GET /", old, new)
    }

    /// The names of the parts that differ without an excuse.
    fn unexplained(old: &Observation, new: &Observation) -> Vec<String> {
        match verdict(old, new) {
            Verdict::Unexplained(differences) => differences.into_iter().map(|d| d.part).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_same_is_equal() {
        assert_eq!(verdict(&reply(REPLY), &reply(REPLY)), Verdict::Equal);
    }

    #[test]
    fn a_changed_body_is_reported() {
        let new = reply(&REPLY.replace("x:1", "x:2"));
        assert_eq!(unexplained(&reply(REPLY), &new), ["body"]);
    }

    #[test]
    fn a_changed_status_line_is_reported() {
        let new = reply(&REPLY.replace("200 OK", "201 Created"));
        assert_eq!(unexplained(&reply(REPLY), &new), ["status line"]);
    }

    #[test]
    fn a_changed_and_a_missing_header_are_reported() {
        let changed = reply(&REPLY.replace("application/json", "text/json"));
        assert_eq!(unexplained(&reply(REPLY), &changed), ["header content-type"]);
        let missing = reply(&REPLY.replace("content-type: application/json\r\n", ""));
        assert_eq!(unexplained(&reply(REPLY), &missing), ["headers", "header content-type"]);
    }

    #[test]
    fn a_changed_exit_status_is_reported() {
        let old = Observation::default().with("exit status", "0").with("stdout", "a\n");
        let new = Observation::default().with("exit status", "1").with("stdout", "a\n");
        assert_eq!(unexplained(&old, &new), ["exit status"]);
    }

    #[test]
    fn a_changed_wire_byte_is_reported() {
        let packet = r#"{"discovery":{"hostname":"a","labels":[],"last_check":0},"message":"hi","instance":"00000000000000aa"}"#;
        let old = Observation::default().with("wire", packet);
        let new = Observation::default().with("wire", packet.replace("00aa", "00ab"));
        assert_eq!(verdict(&old, &new), Verdict::Excused(BTreeSet::from(["instance"])));
        for (from, to) in
            [("\"hi\"", "\"ho\""), ("k\":0", "k\":1"), ("}", " }"), ("\"00000000000000aa", "\"0")]
        {
            let new = Observation::default().with("wire", packet.replacen(from, to, 1));
            assert_eq!(unexplained(&old, &new), ["wire"], "{to}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_told_apart() {
        let old = Observation::default().with("wire", b"\xff");
        let new = Observation::default().with("wire", b"\xfe");
        assert_eq!(unexplained(&old, &new), ["wire"]);
    }

    #[test]
    fn times_a_moment_apart_are_excused_and_others_are_not() {
        let near =
            reply(&REPLY.replace("1795424503", "1795424504").replace("13:00:00", "13:00:01"));
        assert_eq!(
            verdict(&reply(REPLY), &near),
            Verdict::Excused(BTreeSet::from(["date", "last_check"]))
        );
        let far = reply(&REPLY.replace("1795424503", "1795424603"));
        assert_eq!(unexplained(&reply(REPLY), &far), ["body"]);
        let none = reply(&REPLY.replace("1795424503", "0"));
        assert_eq!(unexplained(&reply(REPLY), &none), ["body"]);
    }

    #[test]
    fn an_etag_may_differ_in_its_instance_only() {
        let other = reply(&REPLY.replace("00aa-7", "00ab-7"));
        assert_eq!(
            verdict(&reply(REPLY), &other),
            Verdict::Excused(BTreeSet::from(["etag instance"]))
        );
        let revision = reply(&REPLY.replace("00aa-7", "00ab-8"));
        assert_eq!(unexplained(&reply(REPLY), &revision), ["header etag"]);
    }

    #[test]
    fn a_spoilt_part_is_reported() {
        for part in ["body", "header content-type", "status line"] {
            let mut new = reply(REPLY);
            assert!(new.spoil(part));
            assert_eq!(unexplained(&reply(REPLY), &new), [part]);
        }
    }

    #[test]
    fn a_wilful_change_is_excused_where_it_is_meant_to_be() {
        let exception = Exception {
            name: "words",
            reason: "a test",
            covers: |place| place.part == "stderr",
            level: |old, new| {
                crate::levels::reworded(old, new, "is no port", "is not a valid port")
            },
        };
        let old = Observation::default().with("stderr", "x is no port");
        let new = Observation::default().with("stderr", "x is not a valid port");
        let verdict =
            |old, new| compare_under(std::slice::from_ref(&exception), "test", "", old, new);
        assert_eq!(verdict(&old, &new), Verdict::Excused(BTreeSet::from(["words"])));
        assert!(matches!(verdict(&new, &old), Verdict::Unexplained(_)));
        let elsewhere =
            [&old, &new].map(|o| Observation::default().with("stdout", o.part("stderr").unwrap()));
        assert!(matches!(verdict(&elsewhere[0], &elsewhere[1]), Verdict::Unexplained(_)));
    }
}
