use proptest::prelude::*;

use super::*;
use crate::clock;
use crate::liveness::initial_sync::InitialSync;
use crate::liveness::reception::Reception;
use crate::registry::host_registry::HostRegistry;
use crate::select::selection::Selection;
use crate::signing::keys::Keys;
use crate::signing::verifier::{PacketVerifier, VerifyMode};
use crate::sync::piece::{InvalidPiece, Line};
use crate::testsuite::fixtures::{driver, goodbye, hi, instance, name, packet};
use crate::wire::envelope::{Message, MessageKind, Refusal};
use crate::wire::packet_ttl::PacketTtl;

const SECOND: Duration = Duration::from_secs(1);
const TTL: Duration = Duration::from_secs(30);
const NOON: u64 = 1_795_424_000_000;

fn keys() -> Keys {
    Keys::parse("0123456789abcdef").unwrap()
}

/// A daemon in a lobby, and a clock that the test sets.
struct Daemon {
    registry: HostRegistry,
    start: Instant,
    second: u32,
}

impl Daemon {
    fn new(verify: Option<VerifyMode>, max_servers: usize, start: Instant) -> Self {
        let verifier = verify.map(|mode| PacketVerifier::new(mode, keys(), TTL, max_servers));
        let initial_sync = InitialSync::new(SECOND * 5, 2, start);
        let mut registry = HostRegistry::new("i".to_owned(), TTL, max_servers, initial_sync, start)
            .verified(verifier);
        registry.link_opened(driver(0), start);
        registry.link_opened(driver(1), start);
        Self { registry, start, second: 0 }
    }

    fn at(&mut self, second: u32) -> Reception {
        while self.second < second {
            self.second += 1;
            self.registry.tick(self.start + SECOND * self.second);
            self.registry.expire(self.start + SECOND * self.second);
        }
        let now = self.start + SECOND * second;
        Reception::fresh(driver(0), now, NOON + 1000 * u64::from(second))
    }

    fn hear(&mut self, payload: &[u8], second: u32) {
        let reception = self.at(second);
        self.registry.apply_payload(payload, reception).unwrap();
    }

    /// What it answers a newcomer, in pieces.
    fn answer(&mut self, second: u32, max_len: usize) -> Vec<Vec<u8>> {
        let now = self.at(second).at;
        let mut answer =
            Answer::new(Arc::new(self.registry.snapshot()), driver(0), None, max_len, now);
        std::iter::from_fn(|| answer.next_piece()).collect()
    }

    /// Takes in an answer, each age changed by a lie. Returns the refusals, and the end.
    fn learn(
        &mut self,
        pieces: &[Vec<u8>],
        second: u32,
        lie: impl Fn(Duration) -> Duration,
    ) -> (Vec<Refusal>, Option<(usize, usize)>) {
        let (mut refusals, mut end) = (Vec::new(), None);
        for line in pieces.iter().flat_map(|piece| piece::parse(piece).unwrap()) {
            match line {
                Line::Packet { age, payload } => {
                    let reception = self.at(second).kept_for(lie(age));
                    refusals.extend(self.registry.apply_retold(payload, reception).err());
                }
                Line::End { told, left_out } => end = Some((told, left_out)),
                Line::Busy => panic!("it is not busy"),
            }
        }
        (refusals, end)
    }

    /// The living hosts, each with its labels.
    fn list(&mut self, second: u32) -> Vec<String> {
        let now = self.at(second).at;
        let snapshot = self.registry.snapshot();
        let text = |host: &Arc<Host>| {
            format!("{} {}", host.name(), host.labels().collect::<Vec<_>>().join(","))
        };
        snapshot.find(&Selection::All, now).into_iter().map(text).collect()
    }

    /// The second at which a host is gone.
    fn gone(&mut self, host: &str) -> u32 {
        while self.registry.is_known(host) {
            let next = self.second + 1;
            self.at(next);
        }
        self.second
    }
}

fn same(age: Duration) -> Duration {
    age
}

fn lasting(host: &str, labels: &[&str], seconds: u64, signed_at: Option<u32>) -> Vec<u8> {
    let packet = packet(host, labels);
    let message = Message::new(MessageKind::Hi, &packet, instance(0xa1));
    let message = message.lasting(PacketTtl::from_seconds(seconds));
    let timestamp = |second: u32| NOON + 1000 * u64::from(second);
    let signature = signed_at.map(|second| keys().sign(&message, timestamp(second)));
    message.encode(signature.as_ref())
}

#[test]
fn a_newcomer_knows_all_and_each_lives_its_remaining_time() {
    let start = clock::now();
    let [mut warm, mut newcomer] = [start, start].map(|start| Daemon::new(None, 100, start));
    warm.hear(&lasting("a", &["x", "\"y\\"], 100, None), 0);
    warm.hear(&hi(&packet("b", &[]), instance(0xa1)), 10);
    warm.hear(
        br#"{"discovery":{"hostname":"c","labels":["z"],"last_check":0},"message":"hi"}"#,
        20,
    );
    let pieces = warm.answer(20, MAX_PIECE_LEN);
    assert_eq!(newcomer.learn(&pieces, 20, same), (vec![], Some((3, 0))));
    assert_eq!(newcomer.list(20), warm.list(20));
    assert_eq!(["b", "c", "a"].map(|host| newcomer.gone(host)), [40, 50, 100]);
}

#[test]
fn what_cannot_be_told_is_left_out_and_counted() {
    let mut warm = Daemon::new(None, 100, clock::now());
    warm.hear(br#"{"message":"hi","discovery":{"hostname":"a"}}"#, 0);
    warm.hear(br#"{"discovery":{"hostname":"b","labels":[],"last_check":0},"message":"hi","signature":"odd"}"#, 0);
    warm.hear(&hi(&packet("c", &["a label that takes some room in it"]), instance(0xa1)), 0);
    let told = warm.answer(0, MAX_PIECE_LEN);
    assert!(String::from_utf8(told.concat()).unwrap().ends_with("\nend 2 1\n"));
    assert_eq!(warm.answer(0, 80), [b"end 0 3\n"]);
}

#[test]
fn the_own_packet_comes_first_and_the_own_host_does_not() {
    let mut warm = Daemon::new(None, 100, clock::now());
    warm.registry.set_own(packet("me", &[]), 1000);
    let (now, snapshot) = (warm.at(3).at, Arc::new(warm.registry.snapshot()));
    let mut answer = Answer::new(snapshot, driver(0), Some((SECOND, b"own")), MAX_PIECE_LEN, now);
    assert_eq!(answer.next_piece().unwrap(), b"1000 own\nend 1 0\n");
    assert_eq!(answer.next_piece(), None);
}

#[test]
fn hosts_of_another_driver_are_not_told() {
    let mut warm = Daemon::new(None, 100, clock::now());
    warm.hear(&hi(&packet("a", &[]), instance(0xa1)), 0);
    let reception = Reception { driver_id: driver(1), ..warm.at(0) };
    warm.registry.apply_payload(&hi(&packet("b", &[]), instance(0xa2)), reception).unwrap();
    let told = String::from_utf8(warm.answer(0, MAX_PIECE_LEN).concat()).unwrap();
    assert!(told.contains("\"a\"") && told.ends_with("\nend 1 0\n"), "{told}");
}

#[test]
fn all_are_heard_when_each_was_heard_since() {
    let mut daemon = Daemon::new(None, 100, clock::now());
    let has_heard_all = |daemon: &mut Daemon, since: u32, second: u32| {
        let (since, now) = (daemon.start + SECOND * since, daemon.at(second).at);
        daemon.registry.snapshot().has_heard_all_since(driver(0), since, now)
    };
    assert!(has_heard_all(&mut daemon, 0, 0), "there is nobody");
    daemon.hear(&hi(&packet("a", &[]), instance(0xa1)), 5);
    daemon.hear(&hi(&packet("b", &[]), instance(0xa2)), 10);
    assert!(has_heard_all(&mut daemon, 5, 20) && !has_heard_all(&mut daemon, 6, 20));
    daemon.hear(&hi(&packet("a", &[]), instance(0xa1)), 25);
    assert!(has_heard_all(&mut daemon, 10, 30));
    assert!(has_heard_all(&mut daemon, 11, 40), "one of them is dead");
}

#[test]
fn nothing_newer_is_replaced_and_what_is_older_is() {
    let start = clock::now();
    let [mut warm, mut other] = [start, start].map(|start| Daemon::new(None, 100, start));
    warm.hear(&hi(&packet("a", &["old"]), instance(0xa1)), 0);
    warm.hear(&hi(&packet("b", &["new"]), instance(0xa1)), 10);
    other.hear(&hi(&packet("a", &["new"]), instance(0xa1)), 10);
    other.hear(&hi(&packet("b", &["old"]), instance(0xa1)), 0);
    let pieces = warm.answer(10, MAX_PIECE_LEN);
    other.learn(&pieces, 10, same);
    assert_eq!(other.list(10), ["a new", "b new"]);
    assert_eq!((other.gone("a"), other.gone("b")), (40, 40));
}

#[test]
fn where_signatures_count_nobody_is_invented() {
    let start = clock::now();
    let mut warm = Daemon::new(None, 100, start);
    warm.hear(&lasting("a", &["x"], 100, Some(0)), 0);
    warm.hear(&lasting("b", &["x"], 100, None), 0);
    let mut newcomer = Daemon::new(Some(VerifyMode::Enforce), 100, start);
    let pieces = warm.answer(60, MAX_PIECE_LEN);
    let (refusals, end) = newcomer.learn(&pieces, 60, same);
    assert_eq!((refusals, end), (vec![Refusal::Unsigned(name("b"))], Some((2, 0))));
    let text = String::from_utf8(pieces.concat()).unwrap();
    let forged = vec![text.replace("\"x\"", "\"y\"").into_bytes()];
    let (refusals, _) = Daemon::new(Some(VerifyMode::Enforce), 100, start).learn(&forged, 60, same);
    assert!(refusals.contains(&Refusal::BadSignature(name("a"))), "{refusals:?}");
    assert_eq!(newcomer.list(60), ["a x"]);
    newcomer.hear(&lasting("a", &["x"], 100, Some(61)), 61);
    assert_eq!(newcomer.gone("a"), 161);
}

#[test]
fn a_liar_about_ages_keeps_nobody_alive_and_kills_nobody() {
    let start = clock::now();
    for verify in [None, Some(VerifyMode::Enforce)] {
        let mut warm = Daemon::new(verify, 100, start);
        warm.hear(&lasting("a", &[], 3600, Some(0)), 0);
        warm.hear(&lasting("b", &[], 40, Some(0)), 0);
        let pieces = warm.answer(10, MAX_PIECE_LEN);
        for lie in [Duration::ZERO, SECOND * 9999] {
            let mut newcomer = Daemon::new(verify, 100, start);
            newcomer.hear(&lasting("b", &[], 40, Some(9)), 9);
            newcomer.learn(&pieces, 10, |_| lie);
            assert_eq!(newcomer.gone("b"), 49, "it is neither killed nor kept");
            let longest = if verify.is_some() { 3600 } else { 3610 };
            assert!(newcomer.gone("a") <= longest, "{verify:?} {lie:?}");
        }
    }
}

#[test]
fn a_goodbye_a_namesake_and_a_host_too_many_change_nothing() {
    let start = clock::now();
    let mut newcomer = Daemon::new(None, 1, start);
    newcomer.registry.set_own(packet("me", &["mine"]), 1000);
    newcomer.hear(&hi(&packet("a", &[]), instance(0xa1)), 0);
    let mut piece = Vec::new();
    for payload in [
        goodbye(&packet("a", &[]), instance(0xa1)),
        hi(&packet("me", &["other"]), instance(0xa2)),
        hi(&packet("b", &[]), instance(0xa3)),
    ] {
        piece::packet_line(0, &payload, &mut piece);
    }
    let (refusals, end) = newcomer.learn(&[piece], 5, same);
    assert_eq!((refusals, end), (vec![Refusal::RegistryFull(1)], None));
    assert_eq!(newcomer.list(5), ["a ", "me mine"]);
    assert_eq!(newcomer.registry.duplicate(), None);
}

proptest! {
    #[test]
    fn every_lobby_is_told_in_pieces_that_fit(
        hosts in prop::collection::btree_map("[a-zé\"]{1,12}", prop::collection::vec("[ -~é]{1,60}", 0..6), 0..40),
        max_len in 300..3000_usize, signed: bool, ttl in prop::option::of(1..3600_u64),
    ) {
        let start = clock::now();
        let [mut warm, mut newcomer] = [start, start].map(|start| Daemon::new(signed.then_some(VerifyMode::Enforce), 100, start));
        for (host, labels) in &hosts {
            let labels: Vec<_> = labels.iter().map(|label| label.trim()).filter(|label| !label.is_empty()).collect();
            let packet = packet(host, &labels);
            let message = Message::new(MessageKind::Hi, &packet, instance(0xa1)).lasting(ttl.and_then(PacketTtl::from_seconds));
            warm.hear(&message.encode(signed.then(|| keys().sign(&message, NOON)).as_ref()), 0);
        }
        let pieces = warm.answer(0, max_len);
        prop_assert!(pieces.iter().all(|piece| piece.len() <= max_len));
        let (refusals, end) = newcomer.learn(&pieces, 0, same);
        let (told, left_out) = end.unwrap();
        prop_assert_eq!((refusals, told + left_out), (vec![], hosts.len()));
        prop_assert_eq!(newcomer.list(0).len(), told);
        if left_out == 0 {
            prop_assert_eq!(newcomer.list(0), warm.list(0));
        }
    }
}

#[test]
fn a_piece_that_is_too_large_is_not_read() {
    let piece = vec![b' '; MAX_PIECE_LEN + 1];
    assert_eq!(piece::parse(&piece), Err(InvalidPiece::TooLarge(MAX_PIECE_LEN + 1)));
}
