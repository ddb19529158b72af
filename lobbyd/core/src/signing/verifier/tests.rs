use super::*;
use crate::clock;
use crate::testsuite::fixtures::{self, instance, name, packet};
use crate::wire::envelope::{self, Envelope, Message, MessageKind};

const KEY: &str = "0123456789abcdef";
const NOON: u64 = 1_795_424_000_000;

fn verifier(mode: VerifyMode) -> PacketVerifier {
    PacketVerifier::new(mode, keys(KEY), Duration::from_secs(30), 10)
}

fn keys(text: &str) -> Keys {
    Keys::parse(text).unwrap()
}

fn hi(host: &str, sign: impl FnOnce(&Message<'_>) -> Option<Signature<'static>>) -> Envelope {
    let packet = packet(host, &[]);
    let message = Message::new(MessageKind::Hi, &packet, instance(7));
    envelope::decode(&message.encode(sign(&message).as_ref())).unwrap()
}

fn signed(host: &str, key: &str, timestamp: u64) -> Envelope {
    hi(host, |message| Some(keys(key).sign(message, timestamp)))
}

fn unsigned(host: &str) -> Envelope {
    hi(host, |_| None)
}

/// What becomes of a packet that comes at noon to a server of this name.
fn admit(
    verifier: &mut PacketVerifier,
    packet: &Envelope,
    own: Option<&HostName>,
) -> Result<Authenticity, Refusal> {
    let is_own = own == Some(&packet.discovery.hostname);
    let reception = fixtures::reception(clock::now(), NOON);
    verifier.admit(packet.signed_fields(), packet.signature.as_ref(), is_own, reception)
}

#[test]
fn a_signed_packet_is_accepted_and_its_replay_is_not() {
    for mode in [VerifyMode::Warn, VerifyMode::Enforce] {
        let mut verifier = verifier(mode);
        assert_eq!(admit(&mut verifier, &signed("a", KEY, NOON), None), Ok(Authenticity::Signed));
        assert_eq!(
            admit(&mut verifier, &signed("a", KEY, NOON), None),
            Err(Refusal::Replayed(name("a")))
        );
    }
}

#[test]
fn a_packet_without_signature_is_accepted_with_warn_only() {
    assert_eq!(
        admit(&mut verifier(VerifyMode::Warn), &unsigned("a"), None),
        Ok(Authenticity::Unsigned(name("a")))
    );
    assert_eq!(
        admit(&mut verifier(VerifyMode::Enforce), &unsigned("a"), None),
        Err(Refusal::Unsigned(name("a")))
    );
}

#[test]
fn an_invalid_signature_is_refused_and_not_remembered() {
    for mode in [VerifyMode::Warn, VerifyMode::Enforce] {
        let mut verifier = verifier(mode);
        let forged = signed("a", "another key of 27 characters", NOON + 10);
        assert_eq!(admit(&mut verifier, &forged, None), Err(Refusal::BadSignature(name("a"))));
        assert_eq!(admit(&mut verifier, &signed("a", KEY, NOON), None), Ok(Authenticity::Signed));
    }
}

#[test]
fn the_own_name_must_be_signed_like_any_other() {
    let (mut verifier, me) = (verifier(VerifyMode::Enforce), name("me"));
    assert_eq!(
        admit(&mut verifier, &unsigned("me"), Some(&me)),
        Err(Refusal::Unsigned(me.clone()))
    );
    let stale = admit(&mut verifier, &signed("me", KEY, NOON - 31_000), Some(&me));
    assert_eq!(stale.map_err(|refusal| refusal.reason()), Err("stale"));
}

#[test]
fn a_duplicate_of_the_own_name_may_have_a_clock_that_is_behind() {
    let (mut verifier, me) = (verifier(VerifyMode::Enforce), name("me"));
    for timestamp in [NOON, NOON - 5000] {
        assert_eq!(
            admit(&mut verifier, &signed("me", KEY, timestamp), Some(&me)),
            Ok(Authenticity::Signed)
        );
    }
}

#[test]
fn other_keys_count_from_the_change_on_and_replays_stay_known() {
    let (mut verifier, new) = (verifier(VerifyMode::Enforce), "another key of 27 characters");
    admit(&mut verifier, &signed("a", KEY, NOON), None).unwrap();
    verifier.use_keys(keys(&format!("{new}\n{KEY}")));
    assert_eq!(
        admit(&mut verifier, &signed("a", KEY, NOON), None),
        Err(Refusal::Replayed(name("a")))
    );
    assert_eq!(admit(&mut verifier, &signed("a", new, NOON + 1), None), Ok(Authenticity::Signed));
    verifier.use_keys(keys(new));
    assert_eq!(
        admit(&mut verifier, &signed("a", KEY, NOON + 2), None),
        Err(Refusal::BadSignature(name("a")))
    );
}
