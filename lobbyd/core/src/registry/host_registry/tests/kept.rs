//! What a channel kept, and what it no longer keeps.

use super::*;
use crate::liveness::initial_sync::SyncState;
use crate::signing::keys::Keys;
use crate::signing::verifier::{PacketVerifier, VerifyMode};
use crate::testsuite::fixtures;
use crate::wire::envelope::{Message, MessageKind};

/// The driver whose channel keeps packets.
const KEEPING: usize = 1;

impl Fixture {
    /// A packet that the channel of the second driver has kept for so many seconds.
    fn kept(&mut self, payload: &[u8], second: u32, age: u32) -> Result<Applied, Refusal> {
        self.advance_to(second);
        let at = self.start + SECOND * second;
        let reception = Reception { driver_id: driver_id(KEEPING), ..received(at) };
        let accepted = self.registry.apply_payload(payload, reception.kept_for(SECOND * age));
        accepted.map(|accepted| accepted.applied)
    }

    fn labels_of(&self, hostname: &str) -> Vec<String> {
        let host = self.registry.known.get(hostname).unwrap();
        host.labels().map(Into::into).collect()
    }
}

fn payload(kind: MessageKind, hostname: &str, labels: &[&str]) -> Vec<u8> {
    Message::new(kind, &server(hostname, labels), fixtures::instance(0xa1)).encode(None)
}

#[test]
fn a_kept_packet_does_not_overwrite_what_was_said_since() {
    let mut lobby = Fixture::new();
    lobby.hi("a", &["new"], 20).unwrap();
    let old = payload(MessageKind::Hi, "a", &["old"]);
    assert_eq!(lobby.kept(&old, 21, 10), Ok(Applied::Unchanged));
    assert_eq!(lobby.labels_of("a"), ["new"]);
    let goodbye = payload(MessageKind::Goodbye, "a", &["old"]);
    assert_eq!(lobby.kept(&goodbye, 22, 10), Ok(Applied::Unchanged));
    assert_eq!(lobby.living(22), ["a"]);
    assert_eq!(lobby.registry.known.get("a").unwrap().last_check(), 1020, "no step back");
}

#[test]
fn a_kept_packet_counts_where_it_is_the_newest() {
    let mut lobby = Fixture::new();
    lobby.hi("a", &["old"], 1).unwrap();
    let new = payload(MessageKind::Hi, "a", &["new"]);
    assert!(matches!(lobby.kept(&new, 20, 5), Ok(Applied::Changed(_))));
    let newer = payload(MessageKind::Hi, "a", &["newer"]);
    assert!(matches!(lobby.kept(&newer, 21, 5), Ok(Applied::Changed(_))));
    assert_eq!(lobby.labels_of("a"), ["newer"]);
}

#[test]
fn an_old_kept_packet_through_a_further_driver_gives_no_new_ttl() {
    let mut lobby = Fixture::new();
    lobby.hi("a", &[], 0).unwrap();
    lobby.kept(&payload(MessageKind::Hi, "a", &[]), 25, 20).unwrap();
    assert_eq!(lobby.living(34), ["a"], "it was alive at the 5th second");
    assert!(lobby.living(35).is_empty());
}

#[test]
fn a_kept_packet_that_goes_is_a_goodbye_if_it_is_authentic() {
    let keys = Keys::parse("0123456789abcdef").unwrap();
    let mut lobby = Fixture::new();
    let verifier = PacketVerifier::new(VerifyMode::Enforce, keys.clone(), TTL, 100);
    lobby.registry = lobby.registry.verified(Some(verifier));
    let packet = server("a", &[]);
    let message = Message::new(MessageKind::Hi, &packet, fixtures::instance(0xa1));
    let signed = message.encode(Some(&keys.sign(&message, 1_000_000)));
    lobby.kept(&signed, 0, 0).unwrap();
    let unsigned = payload(MessageKind::Hi, "a", &[]);
    assert_eq!(
        lobby.registry.withdraw(&unsigned, driver_id(KEEPING)),
        Err(Refusal::Unsigned(name("a")))
    );
    assert_eq!(lobby.living(1), ["a"]);
    assert!(lobby.registry.withdraw(&signed, driver_id(KEEPING)).unwrap().is_some());
    assert!(lobby.living(1).is_empty());
}

#[test]
fn a_standstill_is_not_taken_for_listening() {
    let mut lobby = Fixture::new();
    let asked = lobby.start + SECOND * 60;
    let state = |lobby: &Fixture| lobby.registry.snapshot().sync_state(asked, asked);
    assert!(matches!(state(&lobby), SyncState::Pending(_)), "before it is noticed");
    assert!(lobby.registry.tick(asked).is_some());
    assert!(matches!(state(&lobby), SyncState::Pending(_)));
    assert!(!lobby.registry.snapshot().is_warm(asked + SECOND));
}
