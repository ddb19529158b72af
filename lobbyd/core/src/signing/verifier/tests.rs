use super::*;
use crate::clock;
use crate::liveness::connectivity::DriverId;
use crate::wire::envelope::{self, Message, MessageKind, Signature};

const KEY: &str = "0123456789abcdef";
const NOON: u64 = 1_795_424_000_000;

fn guard(verify: VerifyMode) -> PacketVerifier {
    PacketVerifier::new(verify, keys(KEY), Duration::from_secs(30), 10)
}

fn keys(text: &str) -> Keys {
    Keys::parse(text).unwrap()
}

fn name(text: &str) -> HostName {
    HostName::parse(text).unwrap()
}

fn hi(host: &str, seal: impl FnOnce(&Message<'_>) -> Option<Signature>) -> Envelope {
    let hostname = &name(host);
    let statement = Message { verb: MessageKind::Hi, hostname, labels: Some(&[]), instance: "i1" };
    envelope::decode(&envelope::write(&statement, seal(&statement).as_ref())).unwrap()
}

fn signed(host: &str, key: &str, timestamp: u64) -> Envelope {
    hi(host, |statement| Some(keys(key).sign(statement, timestamp)))
}

fn unsigned(host: &str) -> Envelope {
    hi(host, |_| None)
}

fn now() -> Arrival {
    Arrival { driver_id: DriverId::new(0).unwrap(), at: clock::now(), unix_millis: NOON, kept: false }
}

#[test]
fn a_signed_packet_is_believed_and_its_replay_is_not() {
    for verify in [VerifyMode::Warn, VerifyMode::Enforce] {
        let mut guard = guard(verify);
        assert_eq!(guard.admit(&signed("a", KEY, NOON), None, now()), Ok(Authenticity::Signature));
        assert_eq!(guard.admit(&signed("a", KEY, NOON), None, now()), Err(Refusal::Replayed(name("a"))));
    }
}

#[test]
fn a_packet_without_signature_is_believed_with_warn_only() {
    assert_eq!(guard(VerifyMode::Warn).admit(&unsigned("a"), None, now()), Ok(Authenticity::Nothing));
    assert_eq!(guard(VerifyMode::Enforce).admit(&unsigned("a"), None, now()), Err(Refusal::Unsigned(name("a"))));
}

#[test]
fn a_wrong_signature_is_never_believed_and_not_remembered() {
    for verify in [VerifyMode::Warn, VerifyMode::Enforce] {
        let mut guard = guard(verify);
        let forged = signed("a", "another key of 27 characters", NOON + 10);
        assert_eq!(guard.admit(&forged, None, now()), Err(Refusal::BadSignature(name("a"))));
        assert_eq!(guard.admit(&signed("a", KEY, NOON), None, now()), Ok(Authenticity::Signature));
    }
}

#[test]
fn the_own_name_must_be_signed_like_any_other() {
    let (mut guard, me) = (guard(VerifyMode::Enforce), name("me"));
    assert_eq!(guard.admit(&unsigned("me"), Some(&me), now()), Err(Refusal::Unsigned(me.clone())));
    let stale = guard.admit(&signed("me", KEY, NOON - 31_000), Some(&me), now());
    assert_eq!(stale.map_err(|refusal| refusal.reason()), Err("stale"));
}

#[test]
fn a_duplicate_of_the_own_name_is_heard_also_if_its_clock_is_behind() {
    let (mut guard, me) = (guard(VerifyMode::Enforce), name("me"));
    for timestamp in [NOON, NOON - 5000] {
        assert_eq!(guard.admit(&signed("me", KEY, timestamp), Some(&me), now()), Ok(Authenticity::Signature));
    }
}

#[test]
fn other_keys_are_used_from_the_change_on_and_replays_stay_known() {
    let (mut guard, new) = (guard(VerifyMode::Enforce), "another key of 27 characters");
    guard.admit(&signed("a", KEY, NOON), None, now()).unwrap();
    guard.use_keys(keys(&format!("{new}\n{KEY}")));
    assert_eq!(guard.admit(&signed("a", KEY, NOON), None, now()), Err(Refusal::Replayed(name("a"))));
    assert_eq!(guard.admit(&signed("a", new, NOON + 1), None, now()), Ok(Authenticity::Signature));
    guard.use_keys(keys(new));
    assert_eq!(guard.admit(&signed("a", KEY, NOON + 2), None, now()), Err(Refusal::BadSignature(name("a"))));
}
