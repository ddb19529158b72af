use lobby_client::{HostName, Label};
use proptest::prelude::*;

use super::*;
use crate::testsuite::fixtures::{instance, labels, name};
use crate::wire::envelope;

const KEY: &str = "0123456789abcdef";
const TTL: Duration = Duration::from_secs(30);

fn keys(text: &str) -> Keys {
    Keys::parse(text).unwrap()
}

fn hi<'a>(hostname: &'a HostName, labels: &'a [Label]) -> Message<'a> {
    let (kind, instance) = (MessageKind::Hi, instance(0xa1));
    Message { kind, hostname, labels: Some(labels), instance, ttl: None }
}

fn ttl(seconds: u64) -> Option<PacketTtl> {
    PacketTtl::from_seconds(seconds)
}

/// Sends a message over the wire, changed by `alter` on its way, and verifies what arrives.
fn arrives(
    signing: &Keys,
    verifying: &Keys,
    message: &Message<'_>,
    alter: impl Fn(String) -> String,
) -> bool {
    let encoded = message.encode(Some(&signing.sign(message, 1_795_424_000_123)));
    let envelope = envelope::decode(alter(String::from_utf8(encoded).unwrap()).as_bytes()).unwrap();
    verifying.verify(envelope.signed_fields(), envelope.signature.as_ref().unwrap())
}

/// Made with hmac of Python, so that other writers can sign too.
#[test]
fn signatures_are_these() {
    let (host, rack) = (name("žluť"), labels(&["rack:1", "service:web"]));
    let message = Message { instance: instance(0x00c0_ffee_00c0_ffee), ..hi(&host, &rack) };
    let signature = keys(KEY).sign(&message, 1_795_424_000_123);
    let expected = "4213a85f77628d2a389323448623a227fbcaca3988219d177bc54ff48a194ac0";
    assert_eq!((signature.code.as_deref(), signature.code2), (Some(expected), None));
    let signature = keys(KEY).sign(&message.lasting(ttl(30)), 1_795_424_000_123);
    assert_eq!(signature.code.as_deref(), Some(expected), "it does not cover the TTL");
    let expected2 = "2737630c1d89c9644d4852994cf0b116413266a9aa002a74f8c11f6f958ce074";
    assert_eq!(signature.code2.as_deref(), Some(expected2));
    let code = "5157585b13082f40e51a251697c30f3283cf5a2b39c72d5e1a5adefb15c44e44".into();
    let (kind, hostname, labels) = (MessageKind::Goodbye, &name("vm"), [""; 0].iter());
    let fields = SignedFields { kind, hostname, instance: "i1", ttl: None, labels };
    let signature = Signature { timestamp: 1_795_424_000_124, code: Some(code), code2: None };
    assert!(keys(KEY).verify(fields, &signature));
}

#[test]
fn what_was_signed_is_verified_after_the_way_over_the_wire() {
    let (host, rack) = (name("web1"), labels(&["rack:1"]));
    assert!(arrives(&keys(KEY), &keys(KEY), &hi(&host, &rack), |text| text));
    let goodbye = Message { kind: MessageKind::Goodbye, labels: None, ..hi(&host, &[]) };
    assert!(arrives(&keys(KEY), &keys(KEY), &goodbye, |text| text), "labels null");
}

#[test]
fn whatever_is_changed_on_the_way_breaks_the_signature() {
    let (host, rack) = (name("web1"), labels(&["rack:1", "x"]));
    for (from, to) in [
        ("\"hi\"", "\"goodbye\""),
        ("web1", "web2"),
        ("rack:1", "rack:2"),
        (",\"x\"", ""),
        ("a1\"", "a2\""),
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
fn the_second_signature_decides_where_there_is_one() {
    let host = name("web1");
    let arrives = |from: &str, to: &str| {
        let alter = |text: String| {
            assert!(text.contains(from), "{from} in {text}");
            text.replace(from, to)
        };
        arrives(&keys(KEY), &keys(KEY), &hi(&host, &[]).lasting(ttl(30)), alter)
    };
    assert!(arrives("\"signature\":\"", "\"signature\":\"0"), "the first one no longer counts");
    assert!(arrives("\"signature\"", "\"other\""), "nor need it be there");
    for (from, to) in [
        ("\"signature2\":\"", "\"signature2\":\"0"),
        ("\"ttl\":30", "\"ttl\":31"),
        ("\"ttl\":30", "\"ttl\":\"30\""),
        ("\"ttl\":30,", ""),
        ("web1", "web2"),
        ("\"hi\"", "\"goodbye\""),
    ] {
        assert!(!arrives(from, to), "{from} -> {to}");
    }
}

#[test]
fn a_signature_of_one_version_is_not_valid_in_the_other() {
    let host = name("web1");
    let message = hi(&host, &[]).lasting(ttl(30));
    let Signature { timestamp, code, code2 } = keys(KEY).sign(&message, 1000);
    let envelope = envelope::decode(&message.encode(None)).unwrap();
    let verifies = |code, code2| {
        let signature = Signature { timestamp, code, code2 };
        keys(KEY).verify(envelope.signed_fields(), &signature)
    };
    assert!(verifies(code.clone(), None) && verifies(None, code2.clone()));
    assert!(!verifies(code2, None) && !verifies(None, code) && !verifies(None, None));
}

#[test]
fn what_means_the_same_has_the_same_signature() {
    let (host, rack) = (name("web1"), labels(&["a", "b"]));
    let reorder = |text: String| {
        text.replace(r#"["a","b"],"last_check":0"#, r#"["b"," a ","b"],"last_check":7,"more":[]"#)
    };
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
fn at_every_step_of_a_change_of_keys_daemons_accept_each_other() {
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
fn white_space_around_keys_and_blank_lines_do_not_count() {
    let (host, spaced) = (name("a"), keys(&format!("\n  {KEY}-1 \r\n\n\t\n# {KEY}\n")));
    assert!(arrives(&spaced, &keys(&format!("{KEY}-1")), &hi(&host, &[]), |text| text));
    assert!(
        arrives(&keys(&format!("# {KEY}")), &spaced, &hi(&host, &[]), |text| text),
        "there are no comments"
    );
}

#[test]
fn a_missing_or_short_key_is_refused_by_line_and_never_shown() {
    assert_eq!(Keys::parse(" \n\n").unwrap_err(), InvalidKeys::None);
    let error = Keys::parse(&format!("{KEY}\n\nhush\n")).unwrap_err();
    assert_eq!(error, InvalidKeys::TooShort { line: 3, len: 4 });
    let expected =
        "the key on line 3 has 4 bytes: at least 16 are allowed, for example 64 hexadecimal digits";
    assert_eq!(error.to_string(), expected);
    assert_eq!(format!("{:?}", keys(KEY)), "***");
}

fn times(clock: &[u64]) -> Vec<u64> {
    let (host, mut signer) = (name("a"), Signer::new(keys(KEY), TTL));
    clock.iter().map(|millis| signer.sign(&hi(&host, &[]), *millis).timestamp).collect()
}

#[test]
fn times_go_on_when_the_clock_stands_still_or_is_set_back() {
    assert_eq!(times(&[1000, 1000, 2000, 1500, 1600, 2010]), [1000, 1001, 2000, 2001, 2002, 2010]);
}

#[test]
fn the_time_of_a_clock_that_was_far_ahead_counts_when_corrected() {
    assert_eq!(times(&[3_600_000, 1000, 1000]), [3_600_000, 1000, 1001]);
}

prop_compose! {
    fn messages()(
        kind in prop_oneof![Just(MessageKind::Hi), Just(MessageKind::Goodbye)],
        host in "[ab]{1,2}",
        instance in 2_u64..5,
        labels in prop::collection::btree_set("[ab]{1,2}", 0..4),
        timestamp in 0_u64..3,
        seconds in 1_u64..3,
    ) -> (MessageKind, HostName, u64, Vec<Label>, u64, u64) {
        let labels = labels.iter().map(|label| Label::parse(label).unwrap()).collect();
        (kind, name(&host), instance, labels, timestamp, seconds)
    }
}

type Fields = (MessageKind, HostName, u64, Vec<Label>, u64, u64);

fn code2((kind, hostname, number, labels, timestamp, seconds): &Fields) -> String {
    let (kind, labels, instance) = (*kind, Some(&labels[..]), instance(*number));
    let message = Message { kind, hostname, labels, instance, ttl: ttl(*seconds) };
    keys(KEY).sign(&message, *timestamp).code2.unwrap().into_owned()
}

proptest! {
    #[test]
    fn only_what_is_the_same_has_the_same_signature(one in messages(), other in messages()) {
        prop_assert_eq!(one == other, code2(&one) == code2(&other));
    }

    #[test]
    fn no_text_is_a_signature_by_chance(code in "[0-9a-fA-F]{62,66}|.{0,70}") {
        let envelope = envelope::decode(br#"{"discovery":{"hostname":"a"},"message":"hi"}"#).unwrap();
        for codes in [[Some(code.clone()), None], [None, Some(code)]] {
            let [code, code2] = codes.map(|code| code.map(Into::into));
            let signature = Signature { timestamp: 1, code, code2 };
            prop_assert!(!keys(KEY).verify(envelope.signed_fields(), &signature));
        }
    }

    #[test]
    fn a_signature_in_capital_letters_is_invalid(timestamp: u64) {
        let host = name("a");
        let signature = keys(KEY).sign(&hi(&host, &[]), timestamp);
        let envelope = envelope::decode(&hi(&host, &[]).encode(Some(&signature))).unwrap();
        prop_assert!(keys(KEY).verify(envelope.signed_fields(), &signature));
        let capital = signature.code.clone().map(|code| code.to_uppercase().into());
        let capital = Signature { code: capital, ..signature.clone() };
        prop_assert_eq!(keys(KEY).verify(envelope.signed_fields(), &capital), capital == signature);
    }

    // The clock goes back by less than TTL, also from a time that each packet has pushed on by 1
    // ms.
    #[test]
    fn times_never_repeat_unless_the_clock_is_set_back_by_ttl(clock in prop::collection::vec(100_000_u64..129_900, 1..50)) {
        let times = times(&clock);
        prop_assert!(times.is_sorted_by(|earlier, later| earlier < later), "{:?}", times);
    }
}
