use proptest::prelude::*;

use super::*;
use crate::testsuite::fixtures::{goodbye, hi, instance, name, packet};
use crate::wire::instance_id::InstanceId;

fn text(envelope: Vec<u8>) -> String {
    String::from_utf8(envelope).unwrap()
}

fn reason(payload: &str) -> &'static str {
    decode(payload.as_bytes()).unwrap_err().reason()
}

#[test]
fn a_hi_is_written_as_lobby_1_writes_it() {
    let packet = packet("node-a", &["service:smtp", "public_ip4:1.2.3.4", "public_ip6:2a03::1"]);
    let expected = r#"{"discovery":{"hostname":"node-a","labels":["public_ip4:1.2.3.4","public_ip6:2a03::1","service:smtp"],"last_check":0},"message":"hi","instance":"00000000000000a1"}"#;
    assert_eq!(text(hi(&packet, instance(0xa1))), expected);
}

#[test]
fn no_labels_are_an_empty_list_and_a_former_name_has_null() {
    let expected =
        r#"{"discovery":{"hostname":"node-b","labels":[],"last_check":0},"message":"goodbye"}"#;
    assert_eq!(text(goodbye(&packet("node-b", &[]), InstanceId::UNNAMED)), expected);
    let hostname = &name("vm");
    let (kind, instance) = (MessageKind::Goodbye, instance(0xa1));
    let message = Message { kind, hostname, labels: None, instance, ttl: None };
    let expected = r#"{"discovery":{"hostname":"vm","labels":null,"last_check":0},"message":"goodbye","instance":"00000000000000a1"}"#;
    assert_eq!(text(message.encode(None)), expected);
}

#[test]
fn other_writers_may_leave_out_add_repeat_and_disorder() {
    let read = decode(br#"{"v":1,"message":"hi","discovery":{"labels":["b"," a ","b"],"x":{"y":[]},"hostname":"n"}}"#);
    assert_eq!(
        read,
        Ok(Envelope {
            kind: MessageKind::Hi,
            discovery: packet("n", &["a", "b"]),
            instance: None,
            signature: None,
            ttl: TtlField::Absent
        })
    );
    let read = decode(br#"{"discovery":{"hostname":"n","labels":null},"message":"goodbye"}"#);
    assert_eq!(
        read,
        Ok(Envelope {
            kind: MessageKind::Goodbye,
            discovery: packet("n", &[]),
            instance: None,
            signature: None,
            ttl: TtlField::Absent
        })
    );
}

#[test]
fn an_instance_that_is_not_valid_is_ignored() {
    for instance in ["null", "5", "{}", "[\"a\"]", "\"\"", "\"\\u001b[2J\"", "\"\\u202ea\""] {
        let payload =
            format!(r#"{{"discovery":{{"hostname":"n"}},"message":"hi","instance":{instance}}}"#);
        assert_eq!(
            decode(payload.as_bytes()).map(|envelope| envelope.instance),
            Ok(None),
            "{instance}"
        );
    }
}

#[test]
fn a_signature_stands_behind_the_fields_of_lobby_1() {
    let packet = packet("n", &[]);
    let (timestamp, code) = (1_795_424_000_123, Some("ab".into()));
    let signature = Signature { timestamp, code, code2: None };
    let encoded = Message::new(MessageKind::Hi, &packet, instance(0xa1)).encode(Some(&signature));
    let expected = r#"{"discovery":{"hostname":"n","labels":[],"last_check":0},"message":"hi","instance":"00000000000000a1","timestamp":1795424000123,"signature":"ab"}"#;
    assert_eq!(std::str::from_utf8(&encoded), Ok(expected));
    assert_eq!(decode(&encoded).map(|envelope| envelope.signature), Ok(Some(signature)));
}

#[test]
fn timestamps_and_signatures_in_other_forms_are_ignored() {
    let signature = |timestamp, code: &'static str| {
        Some(Signature { timestamp, code: Some(code.into()), code2: None })
    };
    for (fields, expected) in [
        (r#""timestamp":5"#, None),
        (r#""timestamp":"2026-11-23","signature":{"by":"x"}"#, None),
        (r#""signature":null"#, None),
        (r#""signature":"x","timestamp":-5"#, signature(0, "x")),
        (r#""signature":"x","timestamp":1.5"#, signature(0, "x")),
        (r#""signature":"x","timestamp":[7]"#, signature(0, "x")),
        (r#""signature":"\u0078","timestamp":7"#, signature(7, "x")),
    ] {
        let payload = format!(r#"{{"discovery":{{"hostname":"n"}},"message":"hi",{fields}}}"#);
        assert_eq!(
            decode(payload.as_bytes()).map(|envelope| envelope.signature),
            Ok(expected),
            "{fields}"
        );
    }
}

#[test]
fn ttl_and_second_signature_stand_behind_the_first_one() {
    let packet = packet("n", &[]);
    let signature = Signature { timestamp: 7, code: Some("ab".into()), code2: Some("cd".into()) };
    let message = Message::new(MessageKind::Hi, &packet, InstanceId::UNNAMED);
    let message = message.lasting(PacketTtl::from_seconds(30));
    let expected = r#"{"discovery":{"hostname":"n","labels":[],"last_check":0},"message":"hi","timestamp":7,"signature":"ab","ttl":30,"signature2":"cd"}"#;
    let encoded = message.encode(Some(&signature));
    assert_eq!(std::str::from_utf8(&encoded), Ok(expected));
    let read = decode(&encoded).unwrap();
    assert_eq!((read.ttl, read.signature), (TtlField::Number(30), Some(signature)));
}

#[test]
fn a_ttl_in_another_form_counts_as_none() {
    for odd in ["0", "3601", "1000000000000000000"] {
        let payload = format!(r#"{{"discovery":{{"hostname":"n"}},"message":"hi","ttl":{odd}}}"#);
        let ttl = decode(payload.as_bytes()).unwrap().ttl;
        assert_eq!((ttl.valid(), ttl.is_invalid()), (None, true), "{odd}");
    }
    for odd in ["-30", "1.5", "30.0", "1e18", "\"30\"", "null", "[30]", "{}", "true"] {
        let payload = format!(r#"{{"discovery":{{"hostname":"n"}},"message":"hi","ttl":{odd}}}"#);
        assert_eq!(decode(payload.as_bytes()).map(|read| read.ttl), Ok(TtlField::Other), "{odd}");
    }
}

#[test]
fn the_ttl_is_told_without_decoding_what_lobbyd_writes() {
    let ours = |labels, end| {
        format!(
            r#"{{"discovery":{{"hostname":"a","labels":[{labels}],"last_check":0}},"message":"hi"{end}"#
        )
    };
    let written = ours(r#""x:1""#, r#","instance":"7","ttl":30}"#);
    assert!(Trailer::of_envelope(written.as_bytes()).is_some());
    let foreign = [
        ours(r#""}","{""#, r#","ttl":30}"#),
        ours("", r#","ttl":30,"x":{"y":1,"last_check":0}}"#),
        ours("", r#", "ttl":30}"#),
        ours("", r#"}"#).replacen('{', r#"{"ttl":30,"#, 1),
        r#"{"discovery":{"hostname":"a"},"ttl":30,"x":{"y":1,"last_check":0},"message":"hi"}"#
            .to_owned(),
        r#"{"discovery":{"hostname":"a","x":{"y":1,"last_check":0}},"message":"hi","ttl":30}"#
            .to_owned(),
    ];
    for payload in foreign {
        assert_eq!(Trailer::of_envelope(payload.as_bytes()), None, "{payload}");
        assert_eq!(told_ttl(payload.as_bytes()), PacketTtl::from_seconds(30), "{payload}");
    }
    assert_eq!(told_ttl(ours("", r#","ttl":3601}"#).as_bytes()), None);
    assert_eq!(told_ttl(b"not a packet"), None);
}

#[test]
fn each_fault_has_its_reason() {
    assert_eq!(reason("garbage"), "not_json");
    assert_eq!(reason(r#"{"discovery":{"hostname":5},"message":"hi"}"#), "not_json");
    assert_eq!(reason(r#"{"message":"hi"}"#), "no_hostname");
    assert_eq!(reason(r#"{"discovery":{"hostname":""},"message":"hi"}"#), "no_hostname");
    assert_eq!(reason(r#"{"discovery":{"hostname":"a b"},"message":"hi"}"#), "bad_hostname");
    assert_eq!(
        reason(r#"{"discovery":{"hostname":"a","labels":["a\u0000"]},"message":"hi"}"#),
        "bad_label"
    );
    assert_eq!(reason(r#"{"discovery":{"hostname":"a"},"message":"HI"}"#), "unknown_message");
    assert_eq!(reason(&" ".repeat(MAX_ENVELOPE_LEN + 1)), "too_large");
    let labels: Vec<_> = (0..1025).map(|n| format!("{n}")).collect();
    let labels = serde_json::to_string(&labels).unwrap();
    assert_eq!(
        reason(&format!(r#"{{"discovery":{{"hostname":"a","labels":{labels}}},"message":"hi"}}"#)),
        "too_many_labels"
    );
}

#[test]
fn an_array_is_never_taken_for_an_object() {
    for array in [
        r#"[["a",["x"]],"hi"]"#,
        r#"[{"hostname":"a"},"hi",null,null,null]"#,
        r#"{"discovery":["a",["x"]],"message":"hi"}"#,
        r#"{"discovery":[],"message":"hi"}"#,
    ] {
        assert_eq!(reason(array), "not_json", "{array}");
        let told = decode(array.as_bytes()).unwrap_err().to_string();
        assert!(told.contains("expected an object"), "{told}");
    }
}

#[test]
fn a_field_that_stands_twice_is_refused() {
    for twice in [
        r#"{"discovery":{"hostname":"a"},"message":"goodbye","message":"hi"}"#,
        r#"{"discovery":{"hostname":"a"},"discovery":{"hostname":"a"},"message":"hi"}"#,
        r#"{"discovery":{"hostname":"b","hostname":"a"},"message":"hi"}"#,
        r#"{"discovery":{"hostname":"a","labels":[],"labels":["x"]},"message":"hi"}"#,
        r#"{"discovery":{"hostname":"a"},"message":"hi","instance":"i","instance":"j"}"#,
    ] {
        assert_eq!(reason(twice), "not_json", "{twice}");
    }
}

#[test]
fn a_refusal_for_its_labels_names_the_host() {
    let empty_label = r#"{"discovery":{"hostname":"old-1","labels":[""]},"message":"hi"}"#;
    let told = decode(empty_label.as_bytes()).unwrap_err().to_string();
    assert_eq!(told, "host old-1: a label must not be empty");
    let labels = vec!["x"; MAX_LABELS + 1].join("\",\"");
    let too_many =
        format!(r#"{{"discovery":{{"hostname":"old-1","labels":["{labels}"]}},"message":"hi"}}"#);
    let told = decode(too_many.as_bytes()).unwrap_err().to_string();
    assert_eq!(told, "host old-1: 1025 labels are too many: at most 1024 are allowed");
}

#[test]
fn nesting_without_end_is_refused_and_not_followed() {
    let payload = format!(r#"{{"x":{}"#, "[".repeat(100_000));
    assert_eq!(reason(&payload), "not_json");
}

proptest! {
    #[test]
    fn whatever_is_encoded_is_decoded_to_the_same(hostname in "[^\\s\\p{Cc}]{1,60}", labels in prop::collection::vec("[^\\p{Cc}]{1,40}", 0..20)) {
        let labels = labels.iter().filter_map(|label| Label::parse(label).ok()).collect();
        let discovery = Discovery::new(name(&hostname), labels);
        let decoded = decode(&hi(&discovery, instance(0xa1)));
        let instance = Instance::parse("00000000000000a1");
        prop_assert_eq!(decoded, Ok(Envelope { kind: MessageKind::Hi, discovery, instance, signature: None, ttl: TtlField::Absent }));
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(payload in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode(&payload);
    }
}

#[test]
fn a_complaint_does_not_repeat_a_packet_at_length() {
    let payload = format!(r#"{{"discovery":"{}"}}"#, "A".repeat(200_000));
    assert!(decode(payload.as_bytes()).unwrap_err().to_string().len() < 300);
}
