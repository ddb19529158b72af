use lobby_client::{HostName, Label};
use proptest::prelude::*;

use super::*;
use crate::wire::envelope::{self, MessageKind};

const KEY: &str = "0123456789abcdef";
const TTL: Duration = Duration::from_secs(30);

fn keys(text: &str) -> Keys {
    Keys::parse(text).unwrap()
}

fn name(text: &str) -> HostName {
    HostName::parse(text).unwrap()
}

fn labels(texts: &[&str]) -> Vec<Label> {
    texts.iter().map(|text| Label::parse(text).unwrap()).collect()
}

fn hi<'a>(hostname: &'a HostName, labels: &'a [Label]) -> Message<'a> {
    Message { verb: MessageKind::Hi, hostname, labels: Some(labels), instance: "i1" }
}

/// Sends a statement over the wire, changed by `alter` on its way, and verifies what arrives.
fn arrives(signing: &Keys, verifying: &Keys, statement: &Message<'_>, alter: impl Fn(String) -> String) -> bool {
    let written = envelope::write(statement, Some(&signing.sign(statement, 1_795_424_000_123)));
    let envelope = envelope::decode(alter(String::from_utf8(written).unwrap()).as_bytes()).unwrap();
    verifying.verify(&envelope, envelope.seal.as_ref().unwrap())
}

/// Made with hmac of Python, so that other writers can sign too.
#[test]
fn signatures_are_these() {
    let (host, rack) = (name("žluť"), labels(&["rack:1", "service:web"]));
    let statement = Message { instance: "00c0ffee00c0ffee", ..hi(&host, &rack) };
    let seal = keys(KEY).sign(&statement, 1_795_424_000_123);
    assert_eq!(seal.signature, "4213a85f77628d2a389323448623a227fbcaca3988219d177bc54ff48a194ac0");
    let vm = name("vm");
    let farewell = Message { verb: MessageKind::Goodbye, hostname: &vm, labels: None, instance: "i1" };
    let seal = keys(KEY).sign(&farewell, 1_795_424_000_124);
    assert_eq!(seal.signature, "5157585b13082f40e51a251697c30f3283cf5a2b39c72d5e1a5adefb15c44e44");
}

#[test]
fn what_was_signed_is_verified_after_the_way_over_the_wire() {
    let (host, rack) = (name("web1"), labels(&["rack:1"]));
    assert!(arrives(&keys(KEY), &keys(KEY), &hi(&host, &rack), |text| text));
    let farewell = Message { verb: MessageKind::Goodbye, labels: None, ..hi(&host, &[]) };
    assert!(arrives(&keys(KEY), &keys(KEY), &farewell, |text| text), "labels null");
}

#[test]
fn whatever_is_changed_on_the_way_breaks_the_signature() {
    let (host, rack) = (name("web1"), labels(&["rack:1", "x"]));
    for (from, to) in [
        ("\"hi\"", "\"goodbye\""),
        ("web1", "web2"),
        ("rack:1", "rack:2"),
        (",\"x\"", ""),
        ("i1", "i2"),
        ("1795424000123", "1795424000124"),
        ("\"timestamp\"", "\"other\""),
        ("\"signature\":\"", "\"signature\":\"0"),
        ("\"signature\":\"", "\"x\":\"\",\"signature\":\"\",\"y\":\""),
    ] {
        let alter = |text: String| {
            assert!(text.contains(from), "{from} in {text}");
            text.replace(from, to)
        };
        assert!(!arrives(&keys(KEY), &keys(KEY), &hi(&host, &rack), alter), "{from} -> {to}");
    }
}

#[test]
fn what_means_the_same_has_the_same_signature() {
    let (host, rack) = (name("web1"), labels(&["a", "b"]));
    let reorder =
        |text: String| text.replace(r#"["a","b"],"last_check":0"#, r#"["b"," a ","b"],"last_check":7,"more":[]"#);
    assert!(arrives(&keys(KEY), &keys(KEY), &hi(&host, &rack), reorder));
    assert!(arrives(&keys(KEY), &keys(KEY), &hi(&host, &[]), |text| text.replace("[]", "null")));
}

#[test]
fn the_first_key_signs_and_all_verify() {
    let (host, both) = (name("a"), keys(&format!("{KEY}\n{KEY}-new")));
    let (old, new) = (keys(KEY), keys(&format!("{KEY}-new")));
    assert!(arrives(&both, &old, &hi(&host, &[]), |text| text));
    assert!(!arrives(&both, &new, &hi(&host, &[]), |text| text));
    assert!(arrives(&old, &both, &hi(&host, &[]), |text| text));
    assert!(arrives(&new, &both, &hi(&host, &[]), |text| text));
}

#[test]
fn at_no_step_of_a_change_of_keys_do_two_daemons_fail_to_understand_each_other() {
    let (old, new, host) = (KEY, "another key of 27 characters", name("a"));
    let steps = [old.to_owned(), format!("{old}\n{new}"), format!("{new}\n{old}"), new.to_owned()];
    for pair in steps.windows(2) {
        for (signing, verifying) in [(&pair[0], &pair[1]), (&pair[1], &pair[0])] {
            assert!(
                arrives(&keys(signing), &keys(verifying), &hi(&host, &[]), |text| text),
                "{signing} to {verifying}"
            );
        }
    }
}

#[test]
fn keys_are_read_without_the_white_space_around_them_and_without_blank_lines() {
    let (host, spaced) = (name("a"), keys(&format!("\n  {KEY}-1 \r\n\n\t\n# {KEY}\n")));
    assert!(arrives(&spaced, &keys(&format!("{KEY}-1")), &hi(&host, &[]), |text| text));
    assert!(arrives(&keys(&format!("# {KEY}")), &spaced, &hi(&host, &[]), |text| text), "there are no comments");
}

#[test]
fn no_key_and_a_short_key_are_refused_by_line_and_never_shown() {
    assert_eq!(Keys::parse(" \n\n").unwrap_err(), InvalidKeys::None);
    let error = Keys::parse(&format!("{KEY}\n\nhush\n")).unwrap_err();
    assert_eq!(error, InvalidKeys::TooShort { line: 3, len: 4 });
    let expected = "the key on line 3 has 4 bytes: at least 16 are allowed, for example 64 hexadecimal digits";
    assert_eq!(error.to_string(), expected);
    assert_eq!(format!("{:?}", keys(KEY)), "***");
}

fn times(clock: &[u64]) -> Vec<u64> {
    let (host, mut signer) = (name("a"), Signer::new(keys(KEY), TTL));
    clock.iter().map(|millis| signer.sign(&hi(&host, &[]), *millis).timestamp).collect()
}

#[test]
fn times_go_on_also_when_the_clock_stands_still_or_is_set_back() {
    assert_eq!(times(&[1000, 1000, 2000, 1500, 1600, 2010]), [1000, 1001, 2000, 2001, 2002, 2010]);
}

#[test]
fn a_clock_that_was_far_ahead_and_is_corrected_is_believed_again() {
    assert_eq!(times(&[3_600_000, 1000, 1000]), [3_600_000, 1000, 1001]);
}

prop_compose! {
    fn statements()(
        verb in prop_oneof![Just(MessageKind::Hi), Just(MessageKind::Goodbye)],
        host in "[ab]{1,2}",
        instance in "[ab]{0,2}",
        labels in prop::collection::btree_set("[ab]{1,2}", 0..4),
        timestamp in 0_u64..3,
    ) -> (MessageKind, HostName, String, Vec<Label>, u64) {
        (verb, name(&host), instance, labels.iter().map(|label| Label::parse(label).unwrap()).collect(), timestamp)
    }
}

fn signature(
    (verb, hostname, instance, labels, timestamp): &(MessageKind, HostName, String, Vec<Label>, u64),
) -> String {
    let statement = Message { verb: *verb, hostname, labels: Some(labels), instance };
    keys(KEY).sign(&statement, *timestamp).signature
}

proptest! {
    #[test]
    fn only_what_is_the_same_has_the_same_signature(one in statements(), other in statements()) {
        prop_assert_eq!(one == other, signature(&one) == signature(&other));
    }

    #[test]
    fn no_text_is_a_signature_by_chance(signature in "[0-9a-fA-F]{62,66}|.{0,70}") {
        let envelope = envelope::decode(br#"{"discovery":{"hostname":"a"},"message":"hi"}"#).unwrap();
        let seal = Signature { timestamp: 1, signature };
        prop_assert!(!keys(KEY).verify(&envelope, &seal));
    }

    #[test]
    fn a_signature_in_capital_letters_is_none(timestamp: u64) {
        let host = name("a");
        let seal = keys(KEY).sign(&hi(&host, &[]), timestamp);
        let envelope = envelope::decode(&envelope::write(&hi(&host, &[]), Some(&seal))).unwrap();
        prop_assert!(keys(KEY).verify(&envelope, &seal));
        let capital = Signature { signature: seal.signature.to_uppercase(), ..seal.clone() };
        prop_assert_eq!(keys(KEY).verify(&envelope, &capital), capital == seal);
    }

    #[test]
    fn times_never_repeat_while_the_clock_is_not_set_back_by_more_than_ttl(clock in prop::collection::vec(100_000_u64..130_000, 1..50)) {
        let times = times(&clock);
        prop_assert!(times.is_sorted_by(|earlier, later| earlier < later), "{:?}", times);
    }
}
