//! The page about the wire format says what the program does.

use lobby_core::signing::keys::Keys;
use lobby_core::wire::envelope::{self, Message, Refusal};
use lobby_core::wire::instance::Instance;
use lobby_core::wire::instance_id::InstanceId;

use super::page::{Page, unquoted};

const PAGE: &str = "docs/internals/wire-format.md";

/// `accepted`, or the reason why not.
fn outcome(payload: &str) -> &'static str {
    envelope::decode(payload.as_bytes()).as_ref().map_or_else(Refusal::reason, |_| "accepted")
}

#[test]
fn payloads_become_what_the_table_says() {
    for row in Page::read(PAGE).table("| payload | outcome |") {
        assert_eq!(outcome(unquoted(&row[0])), row[1], "{}", row[0]);
    }
}

#[test]
fn the_envelopes_shown_are_as_lobbyd_writes_them() {
    for shown in Page::read(PAGE).blocks("json") {
        let decoded = envelope::decode(shown.trim_end().as_bytes()).unwrap();
        let instance = InstanceId::of(decoded.instance.as_ref().map(Instance::as_str)).unwrap();
        let written = Message::new(decoded.kind, &decoded.discovery, instance)
            .lasting(decoded.ttl.valid())
            .encode(decoded.signature.as_ref());
        assert_eq!(String::from_utf8(written).unwrap() + "\n", shown);
    }
}

#[test]
fn the_signature_shown_is_right() {
    let page = Page::read(PAGE);
    let (_, rest) = page.text.split_once("with the key `").unwrap();
    let keys = Keys::parse(rest.split('`').next().unwrap()).unwrap();
    let decoded = envelope::decode(page.blocks("json")[1].trim_end().as_bytes()).unwrap();
    assert!(keys.verify(decoded.signed_fields(), decoded.signature.as_ref().unwrap()));
}
