use std::time::Duration;

use lobby_client::Discovery;
use proptest::prelude::*;

use super::*;
use crate::clock;
use crate::liveness::initial_sync::InitialSync;
use crate::registry::host_registry::{Accepted, ChangeKind, HostRegistry, SenderNews};
use crate::select::selection::Selection;
use crate::testsuite::fixtures::{driver, goodbye, hi, instance, packet};

const SECOND: Duration = Duration::from_secs(1);
const TTL: Duration = Duration::from_secs(30);

/// The instances of the tests: the first is the smallest.
const ONE: u64 = 16;
const TWO: u64 = 32;
const THREE: u64 = 48;

/// A third party, which hears several daemons that go by the name `twin`.
struct Lobby {
    registry: HostRegistry,
    now: Instant,
    seen: u64,
    /// What changed, in order.
    changes: Vec<ChangeKind>,
    news: Vec<SenderNews>,
}

impl Lobby {
    fn new() -> Self {
        let now = clock::now();
        let sync = InitialSync::new(SECOND * 5, 2, now);
        let mut registry = HostRegistry::new("i".to_owned(), TTL, 100, sync, now);
        registry.link_opened(driver(0), now);
        registry.link_opened(driver(1), now);
        Self { registry, now, seen: 0, changes: Vec::new(), news: Vec::new() }
    }

    /// Two daemons that are known to be two.
    fn of_two() -> Self {
        let mut lobby = Self::new();
        for number in [ONE, TWO, ONE] {
            lobby.hi(number);
        }
        assert_eq!(lobby.registry.namesakes().count(), 1);
        (lobby.changes, lobby.news) = (Vec::new(), Vec::new());
        lobby
    }

    fn hear(&mut self, payload: &[u8], through: usize, age: Duration) {
        let driver_id = driver(through);
        let reception = Reception::fresh(driver_id, self.now, 0).kept_for(age);
        let Accepted { news, .. } = self.registry.apply_payload(payload, reception).unwrap();
        self.news.extend(news);
        self.look();
    }

    fn look(&mut self) {
        let snapshot = self.registry.snapshot();
        let changes = snapshot.changes_since(self.seen).unwrap();
        self.changes.extend(changes.map(|change| change.kind.clone()));
        self.seen = snapshot.revision();
    }

    fn hi(&mut self, number: u64) {
        self.hear(&hi(&twin(number), instance(number)), 0, Duration::ZERO);
    }

    fn goodbye(&mut self, number: u64) {
        self.hear(&goodbye(&twin(number), instance(number)), 0, Duration::ZERO);
    }

    fn pass(&mut self, time: Duration) {
        for _ in 0..time.as_secs() {
            self.now += SECOND;
            self.registry.tick(self.now);
            self.registry.sweep(self.now);
            self.look();
        }
    }

    /// The labels that the host has, if it is there.
    fn labels(&self) -> Option<String> {
        let snapshot = self.registry.snapshot();
        let hosts = snapshot.find(&Selection::All, self.now);
        hosts.first().map(|host| host.labels().collect::<Vec<_>>().join(","))
    }

    fn shows(&self, number: u64) -> bool {
        self.labels() == Some(format!("by:{number}"))
    }

    fn came_or_went(&self) -> usize {
        let is_other = |kind: &&ChangeKind| !matches!(kind, ChangeKind::Relabelled { .. });
        self.changes.iter().filter(is_other).count()
    }
}

/// The packet of an instance, which its label tells.
fn twin(number: u64) -> Discovery {
    packet("twin", &[&format!("by:{number}")])
}

#[test]
fn one_that_comes_back_proves_two_and_the_smaller_stands() {
    for order in [[ONE, TWO, ONE], [TWO, ONE, TWO]] {
        let mut lobby = Lobby::new();
        for number in order {
            lobby.hi(number);
        }
        assert!(lobby.shows(ONE));
        let instances = vec![instance(ONE), instance(TWO)];
        let told = SenderNews::Namesakes { host: twin(ONE).hostname, instances };
        assert_eq!(lobby.news, [SenderNews::Newcomer, SenderNews::Newcomer, told]);
        (lobby.changes, lobby.news) = (Vec::new(), Vec::new());
        for number in order.into_iter().cycle().take(20) {
            lobby.hi(number);
            lobby.pass(SECOND * 3);
        }
        assert_eq!((lobby.changes, lobby.news), (vec![], vec![]));
    }
}

#[test]
fn restarts_are_not_two() {
    let mut lobby = Lobby::new();
    for number in [ONE, TWO, THREE, 7, 99, 5] {
        lobby.hi(number);
        lobby.hi(number);
        assert!(lobby.shows(number), "the labels of the new run count at once");
        lobby.pass(SECOND * 4);
    }
    assert_eq!(lobby.registry.namesakes().count(), 0);
}

#[test]
fn packets_without_instance_and_kept_ones_prove_nothing() {
    let mut lobby = Lobby::new();
    let text = r#"{"discovery":{"hostname":"twin","labels":["old"]},"message":"hi"}"#;
    for _ in 0..5 {
        lobby.hi(ONE);
        lobby.hear(text.as_bytes(), 0, Duration::ZERO);
        lobby.hear(&hi(&twin(TWO), instance(TWO)), 0, SECOND);
    }
    assert_eq!(lobby.registry.namesakes().count(), 0);
    assert!(lobby.news.iter().all(|news| *news == SenderNews::Newcomer));
}

#[test]
fn a_late_packet_of_another_driver_is_no_second_daemon() {
    let mut lobby = Lobby::new();
    lobby.hi(ONE);
    lobby.hi(TWO);
    lobby.hear(&hi(&twin(ONE), instance(ONE)), 1, Duration::ZERO);
    assert!(lobby.shows(TWO) && lobby.registry.namesakes().count() == 0);
    lobby.hi(TWO);
    assert_eq!(lobby.registry.namesakes().count(), 0);
}

#[test]
fn two_that_speak_through_one_driver_each_are_known_soon() {
    let mut lobby = Lobby::new();
    for _ in 0..5 {
        lobby.hi(TWO);
        lobby.hear(&hi(&twin(ONE), instance(ONE)), 1, Duration::ZERO);
    }
    assert!(lobby.shows(ONE) && lobby.registry.namesakes().count() == 1);
}

#[test]
fn the_goodbye_of_the_other_removes_nothing() {
    let mut lobby = Lobby::of_two();
    lobby.goodbye(TWO);
    assert_eq!((lobby.changes.len(), lobby.registry.namesakes().count()), (0, 0));
    lobby.goodbye(ONE);
    assert_eq!(lobby.changes, [ChangeKind::Left]);
}

#[test]
fn at_the_goodbye_of_the_smaller_one_the_other_takes_over() {
    let mut lobby = Lobby::of_two();
    lobby.goodbye(ONE);
    assert!(lobby.shows(TWO) && lobby.came_or_went() == 0);
    lobby.goodbye(TWO);
    assert_eq!((lobby.labels(), lobby.came_or_went()), (None, 1));
}

#[test]
fn a_ttl_without_the_smaller_one_the_other_takes_over() {
    let mut lobby = Lobby::of_two();
    for second in 0..60 {
        lobby.hi(TWO);
        assert!(lobby.shows(if second < 30 { ONE } else { TWO }), "{second}");
        lobby.pass(SECOND);
    }
    assert_eq!((lobby.came_or_went(), lobby.registry.namesakes().count()), (0, 0));
}

#[test]
fn a_former_run_that_says_goodbye_late_removes_nothing() {
    let mut lobby = Lobby::new();
    lobby.hi(ONE);
    lobby.hi(TWO);
    lobby.goodbye(ONE);
    assert!(lobby.shows(TWO));
    lobby.goodbye(TWO);
    assert_eq!(lobby.labels(), None);
}

#[test]
fn a_goodbye_without_instance_removes_one_daemon_and_not_two() {
    let text = r#"{"discovery":{"hostname":"twin","labels":null},"message":"goodbye"}"#;
    let mut lobby = Lobby::of_two();
    lobby.hear(text.as_bytes(), 0, Duration::ZERO);
    assert!(lobby.shows(ONE));
    let mut lobby = Lobby::new();
    lobby.hi(ONE);
    lobby.hear(text.as_bytes(), 0, Duration::ZERO);
    assert_eq!(lobby.labels(), None);
}

#[test]
fn clones_that_take_turns_settle_on_the_smallest() {
    let mut lobby = Lobby::new();
    for round in 0..10 {
        let changes = lobby.changes.len();
        for number in 1..=5 {
            lobby.hi(number * ONE);
            lobby.pass(SECOND);
        }
        assert!(round < 2 || lobby.changes.len() == changes, "round {round}");
    }
    assert!(lobby.shows(ONE));
    assert_eq!(lobby.registry.namesakes().count(), 1);
}

#[test]
fn a_further_one_is_a_newcomer_too_until_there_are_too_many() {
    let mut lobby = Lobby::of_two();
    for number in 3..=20 {
        lobby.hi(number * ONE);
    }
    assert_eq!(lobby.news, vec![SenderNews::Newcomer; MOST_INSTANCES - 2]);
    for number in 1..=20 {
        lobby.hi(number * ONE);
    }
    assert_eq!(lobby.news.len(), MOST_INSTANCES - 2, "one that was forgotten is not greeted again");
    assert!(lobby.shows(ONE));
}

#[test]
fn beyond_the_bound_the_smallest_goes_on_to_stand() {
    let mut lobby = Lobby::of_two();
    for _ in 0..3 {
        for number in 1..=20 {
            lobby.hi(number * ONE);
            lobby.pass(SECOND);
        }
    }
    assert!(lobby.shows(ONE));
    assert_eq!(lobby.changes, []);
}

#[test]
fn instances_without_end_take_no_memory_without_end() {
    let mut lobby = Lobby::of_two();
    for number in 100..1000 {
        lobby.hi(number);
    }
    let most = lobby.registry.namesakes().map(|(_, instances)| instances.len()).max();
    assert!(most <= Some(MOST_INSTANCES), "{most:?}");
}

proptest! {
    #[test]
    fn whatever_two_daemons_do_the_host_is_there_while_one_is(
        steps in prop::collection::vec((any::<bool>(), 0..5_u64), 1..60),
    ) {
        let mut lobby = Lobby::of_two();
        for (is_smaller, seconds) in steps {
            lobby.hi(if is_smaller { ONE } else { TWO });
            lobby.pass(SECOND * seconds as u32);
            prop_assert_eq!(lobby.came_or_went(), 0);
            // Nobody of them was silent for TTL, or the silent one does not count any more.
            let changes = lobby.changes.len();
            prop_assert!(lobby.shows(ONE) || changes > 0);
        }
        let before = lobby.changes.len();
        for _ in 0..10 {
            lobby.hi(TWO);
            lobby.hi(ONE);
            lobby.pass(SECOND);
        }
        prop_assert!(lobby.shows(ONE), "the smaller one stands");
        prop_assert!(lobby.changes.len() <= before + 2, "it does not flap");
    }
}
