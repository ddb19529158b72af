use std::time::Duration;

use lobby_client::Discovery;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::*;
use crate::clock;
use crate::liveness::initial_sync::InitialSync;
use crate::signing::keys::Keys;
use crate::signing::verifier::{PacketVerifier, VerifyMode};
use crate::testsuite::fixtures::{
    driver, goodbye, hi, instance, lasting_hi, name, packet, reception,
};
use crate::wire::envelope::Message;

const TTL: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);
const NOON: u64 = 1_795_424_000_000;

fn keys() -> Keys {
    Keys::parse("0123456789abcdef").unwrap()
}

/// A registry with one driver, and a clock that the test sets.
struct Fixture {
    registry: HostRegistry,
    start: Instant,
    second: u32,
}

impl Fixture {
    fn new(verify: Option<VerifyMode>) -> Self {
        Self::starting(verify, clock::now())
    }

    fn starting(verify: Option<VerifyMode>, start: Instant) -> Self {
        let verifier = verify.map(|mode| PacketVerifier::new(mode, keys(), TTL, 100));
        let initial_sync = InitialSync::new(SECOND * 5, 1, start);
        let mut registry =
            HostRegistry::new("me".to_owned(), TTL, 100, initial_sync, start).verified(verifier);
        registry.link_opened(driver(0), start);
        Self { registry, start, second: 0 }
    }

    /// Lets the time pass second by second, as a daemon that works does.
    fn at(&mut self, second: u32) -> Reception {
        while self.second < second {
            self.second += 1;
            self.registry.tick(self.start + SECOND * self.second);
        }
        reception(self.start + SECOND * second, NOON + 1000 * u64::from(second))
    }

    fn apply(&mut self, payload: &[u8], second: u32) -> Result<Accepted, Refusal> {
        let reception = self.at(second);
        self.registry.apply_payload(payload, reception)
    }

    fn changes(&mut self, payload: &[u8], second: u32) -> Option<ChangeKind> {
        match self.apply(payload, second).unwrap().applied {
            Applied::Changed(change) => Some(change.kind.clone()),
            _ => None,
        }
    }

    /// Whether a payload is recognised as the keep-alive of a host without being decoded.
    fn recognises(&self, payload: &[u8]) -> bool {
        let now = self.start + SECOND * self.second;
        match_known(&self.registry.known, &self.registry.liveness, payload, now).is_some()
    }
}

fn signed(packet: &Discovery, number: u64, second: u32) -> Vec<u8> {
    let message = Message::new(MessageKind::Hi, packet, instance(number));
    message.encode(Some(&keys().sign(&message, NOON + 1000 * u64::from(second))))
}

#[test]
fn a_keep_alive_is_recognised_without_decoding() {
    let (mut lobby, x, y) = (Fixture::new(None), packet("a", &["x"]), packet("a", &["y"]));
    let [first, second] = [instance(0xa1), instance(0xa2)];
    lobby.changes(&hi(&x, first), 0).unwrap();
    assert!(lobby.recognises(&hi(&x, first)));
    assert!(!lobby.recognises(&hi(&x, second)) && !lobby.recognises(&hi(&y, first)));
    assert!(!lobby.recognises(&goodbye(&x, first)));
    assert_eq!(lobby.changes(&hi(&x, first), 25), None);
    assert_eq!(lobby.changes(&hi(&x, second), 54), None, "it was restarted");
    assert!(lobby.recognises(&hi(&x, second)));
    let relabelled =
        ChangeKind::Relabelled { added: Box::new(["y".into()]), removed: Box::new(["x".into()]) };
    assert_eq!(lobby.changes(&hi(&y, second), 55), Some(relabelled));
    assert!(lobby.recognises(&hi(&y, second)));
    lobby.at(85);
    assert!(!lobby.recognises(&hi(&y, second)), "it has expired, and joins anew");
}

#[test]
fn a_signed_keep_alive_is_recognised_with_keys_and_without() {
    let a = packet("a", &["x", "\"y\\"]);
    for verify in [None, Some(VerifyMode::Warn), Some(VerifyMode::Enforce)] {
        let mut lobby = Fixture::new(verify);
        lobby.changes(&signed(&a, 0xa1, 0), 0).unwrap();
        assert!(lobby.recognises(&signed(&a, 0xa1, 5)));
        let expected =
            if verify.is_some() { Authenticity::Signed } else { Authenticity::Unchecked };
        let accepted = Accepted {
            applied: Applied::Unchanged,
            authenticity: expected,
            news: None,
            invalid_ttl: None,
        };
        assert_eq!(lobby.apply(&signed(&a, 0xa1, 5), 5), Ok(accepted));
    }
}

#[test]
fn a_keep_alive_with_a_ttl_is_recognised_and_renews_by_it() {
    let a = packet("a", &["x"]);
    for verify in [None, Some(VerifyMode::Warn), Some(VerifyMode::Enforce)] {
        let mut lobby = Fixture::new(verify);
        let lasting = |second: u32, seconds| {
            let message = Message::new(MessageKind::Hi, &a, instance(0xa1));
            let message = message.lasting(PacketTtl::from_seconds(seconds));
            message.encode(Some(&keys().sign(&message, NOON + 1000 * u64::from(second))))
        };
        lobby.changes(&lasting(0, 300), 0).unwrap();
        assert!(lobby.recognises(&lasting(200, 60)));
        assert_eq!(lobby.changes(&lasting(200, 60), 200), None);
        assert!(lobby.registry.deadline(lobby.start).unwrap() <= lobby.start + SECOND * 260);
        lobby.at(259);
        assert_eq!(lobby.registry.expire(lobby.start + SECOND * 259), []);
        lobby.at(260);
        assert_eq!(lobby.registry.expire(lobby.start + SECOND * 260).len(), 1);
    }
}

/// The second at which a host expires that sent this at noon.
fn expiry(lobby: &mut Fixture, payload: &[u8]) -> u32 {
    lobby.apply(payload, 0).unwrap();
    while lobby.registry.size().hosts > 0 {
        let next = lobby.second + 1;
        lobby.at(next);
        lobby.registry.expire(lobby.start + SECOND * next);
    }
    lobby.second
}

#[test]
fn where_signatures_count_a_ttl_without_one_is_not_believed() {
    let a = packet("a", &[]);
    let first_only = String::from_utf8(signed(&a, 0xa1, 0)).unwrap();
    let added = first_only.replace("\"}", "\",\"ttl\":100}").into_bytes();
    for (verify, expected) in
        [(None, 100), (Some(VerifyMode::Warn), 30), (Some(VerifyMode::Enforce), 30)]
    {
        assert_eq!(expiry(&mut Fixture::new(verify), &added), expected, "{verify:?}");
    }
    let unsigned = lasting_hi(&a, instance(0xa1), PacketTtl::from_seconds(100));
    assert_eq!(expiry(&mut Fixture::new(Some(VerifyMode::Warn)), &unsigned), 100);
}

#[test]
fn an_invalid_ttl_is_told_and_counts_as_none() {
    let known = String::from_utf8(hi(&packet("a", &[]), instance(0xa1))).unwrap();
    for odd in ["0", "-1", "1.5", "1000000000000000000", "\"30\"", "3601"] {
        let payload = known.replace("\"}", &format!("\",\"ttl\":{odd}}}")).into_bytes();
        let mut lobby = Fixture::new(None);
        for second in [0, 1] {
            let told = lobby.apply(&payload, second).unwrap().invalid_ttl;
            assert_eq!(told, Some(name("a")), "{odd}");
        }
        let mut lobby = Fixture::new(None);
        assert_eq!(expiry(&mut lobby, &payload), 30, "{odd}");
    }
}

#[test]
fn a_duplicate_of_the_own_name_lasts_as_long_as_it_says() {
    let mut lobby = Fixture::new(None);
    lobby.registry.set_own(packet("me", &[]), 1000);
    let other = lasting_hi(&packet("me", &[]), instance(0xa1), PacketTtl::from_seconds(100));
    lobby.apply(&other, 0).unwrap();
    for (second, expected) in [(99, true), (100, false)] {
        lobby.at(second);
        lobby.registry.sweep(lobby.start + SECOND * second);
        assert_eq!(lobby.registry.duplicate().is_some(), expected);
    }
}

#[test]
fn a_recognised_keep_alive_is_verified_like_any_other() {
    let (mut lobby, a) = (Fixture::new(Some(VerifyMode::Enforce)), packet("a", &["x"]));
    lobby.changes(&signed(&a, 0xa1, 0), 0).unwrap();
    let altered = String::from_utf8(signed(&a, 0xa1, 5)).unwrap().replace("000,", "001,");
    for (payload, refusal) in [
        (signed(&a, 0xa1, 0), Refusal::Replayed(name("a"))),
        (hi(&a, instance(0xa1)), Refusal::Unsigned(name("a"))),
        (altered.into_bytes(), Refusal::BadSignature(name("a"))),
    ] {
        assert!(lobby.recognises(&payload), "{}", String::from_utf8_lossy(&payload));
        assert_eq!(lobby.apply(&payload, 5), Err(refusal));
    }
    assert_eq!(lobby.registry.sweep(lobby.start + SECOND * 6), []);
    lobby.at(30);
    let expired = lobby.registry.sweep(lobby.start + SECOND * 30);
    assert!(expired.iter().all(|change| change.kind == ChangeKind::Expired));
    assert_eq!(expired.len(), 1, "none renewed it");
}

#[test]
fn with_warn_unsigned_packets_are_told_recognised_or_not() {
    let (mut lobby, a) = (Fixture::new(Some(VerifyMode::Warn)), packet("a", &["x"]));
    for second in [0, 1] {
        let authenticity = lobby.apply(&hi(&a, instance(0xa1)), second).unwrap().authenticity;
        assert_eq!(authenticity, Authenticity::Unsigned(name("a")));
    }
}

#[test]
fn own_packets_and_those_in_another_form_are_always_decoded() {
    let mut lobby = Fixture::new(None);
    lobby.registry.set_own(packet("me", &["x"]), 1000);
    let own = hi(&packet("me", &["x"]), instance(0xa1));
    let foreign = br#"{"message":"hi","discovery":{"hostname":"a","labels":["x"]}}"#;
    for payload in [&own[..], &foreign[..]] {
        lobby.apply(payload, 0).unwrap();
        assert!(!lobby.recognises(payload));
    }
}

#[test]
fn an_envelope_that_is_too_large_is_refused_though_recognised() {
    let many: Vec<_> = (0..1000).map(|number| format!("{number:0255}")).collect();
    let many = packet("a", &many.iter().map(String::as_str).collect::<Vec<_>>());
    let mut lobby = Fixture::new(None);
    let short = hi(&many, instance(0xa1));
    lobby.changes(&short, 0).unwrap();
    let mut long = signed(&many, 0xa1, 1);
    assert!(short.len() <= MAX_ENVELOPE_LEN);
    long.truncate(long.len() - "\"}".len());
    long.resize(MAX_ENVELOPE_LEN - 1, b'0');
    long.extend(b"\"}");
    assert_eq!(lobby.apply(&long, 1), Err(Refusal::TooLarge(MAX_ENVELOPE_LEN + 1)));
}

/// What is done to a packet on its way, from the start or from the end: damage, and forms in which
/// other writers write the same.
fn altered(payload: &[u8], alteration: u8, at: prop::sample::Index, byte: u8) -> Vec<u8> {
    let text = String::from_utf8_lossy(payload).into_owned();
    let index = at.index(payload.len());
    match alteration {
        0 => [&payload[..index], &[byte], &payload[index + 1..]].concat(),
        1 => payload[..index].to_vec(),
        2 => text.replace("\"last_check\":0", "\"last_check\":7").into_bytes(),
        3 => text.replace("},\"message\"", "}, \"message\"").into_bytes(),
        4 => text.replace("\"instance\"", "\"x\":null,\"instance\"").into_bytes(),
        5 => text.replace("\"hi\"", "\"h\\u0069\"").into_bytes(),
        6 => text.replace("\"timestamp\":1", "\"timestamp\":2").into_bytes(),
        7 => text.replace("[\"x\"", "[\"x\",\"x\"").into_bytes(),
        8 => [payload, b" "].concat(),
        9 => text.replace("\"ttl\":", "\"ttl\":1").into_bytes(),
        10 => text.replace("\"ttl\":", "\"ttl\":-").into_bytes(),
        11 => text.replace("\"signature2\"", "\"x\"").into_bytes(),
        12 => text.replace("\"signature\"", "\"y\"").into_bytes(),
        13 => text.replace("\"ttl\":", "\"z\":").into_bytes(),
        _ => payload.to_vec(),
    }
}

/// A packet of one of four hosts, of which one is this server, as it comes in: mostly as it was
/// written and as the one before.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let host = prop_oneof![6 => Just("a"), 2 => Just("b"), 1 => Just("c\""), 1 => Just("me")];
    let labels =
        prop_oneof![6 => Just(&["x", "y\\"][..]), 1 => Just(&["x"][..]), 1 => Just(&[][..])];
    let kind = prop_oneof![19 => Just(MessageKind::Hi), 1 => Just(MessageKind::Goodbye)];
    let instance = prop_oneof![40 => Just(instance(0xa1)), 1 => Just(instance(0xa2)), 3 => Just(InstanceId::UNNAMED)];
    let ttl = prop_oneof![2 => Just(None), 4 => Just(Some(30)), 1 => (1..60_u64).prop_map(Some)];
    let message = (host, labels, kind, instance, prop::option::of(0..40_u64), ttl);
    let alteration = (0..36_u8, any::<prop::sample::Index>(), any::<u8>());
    (message, alteration).prop_map(
        |((host, labels, kind, instance, signed, ttl), (alteration, at, byte))| {
            let packet = packet(host, labels);
            let message = Message::new(kind, &packet, instance);
            let message = message.lasting(ttl.and_then(PacketTtl::from_seconds));
            let signature = signed.map(|second| keys().sign(&message, NOON + 1000 * second));
            altered(&message.encode(signature.as_ref()), alteration, at, byte)
        },
    )
}

/// All that can be seen of a registry, the times included.
fn everything(Fixture { registry, .. }: &Fixture) -> String {
    let host = |host: &Arc<Host>| {
        format!(
            "{} {} {:?}\n",
            host.text().as_str(),
            host.last_check(),
            host.no_expiry_before(0, &registry.liveness)
        )
    };
    let hosts: String = registry.hosts.sorted().map(host).collect();
    format!("{hosts}{} {:?}", registry.revision, registry.duplicate())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_registry_with_the_fast_path_ends_as_one_without(
        verify in prop::sample::select(vec![None, Some(VerifyMode::Warn), Some(VerifyMode::Enforce)]),
        packets in prop::collection::vec((payload(), 0..3_u32), 0..60),
    ) {
        let (start, mut second) = (clock::now(), 0);
        let [mut fast, mut slow] = [start, start].map(|start| Fixture::starting(verify, start));
        for lobby in [&mut fast, &mut slow] {
            lobby.registry.set_own(packet("me", &["x"]), 1000);
        }
        for (payload, pause) in packets {
            second += pause;
            let (quick, reception) = (fast.apply(&payload, second), slow.at(second));
            prop_assert_eq!(quick, slow.registry.decode_and_apply(&payload, reception), "{}", String::from_utf8_lossy(&payload));
            prop_assert_eq!(fast.registry.sweep(reception.at), slow.registry.sweep(reception.at));
            prop_assert_eq!(everything(&fast), everything(&slow));
        }
    }
}

#[test]
fn many_packets_of_that_comparison_are_recognised() {
    let (mut runner, mut lobby) = (TestRunner::deterministic(), Fixture::new(None));
    let payloads = (0..1000).map(|_| payload().new_tree(&mut runner).unwrap().current());
    let recognised = payloads.enumerate().filter(|(number, payload)| {
        if number % 50 == 0 {
            // Of two daemons of one name nothing is recognised.
            lobby = Fixture::new(None);
        }
        let recognised = lobby.recognises(payload);
        lobby.apply(payload, 0).ok();
        recognised
    });
    let recognised = recognised.count();
    assert!(recognised > 100, "{recognised} of 1,000");
}
