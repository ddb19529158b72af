use lobby_client::Label;

use super::*;
use crate::clock;
use crate::liveness::reception::Reception;
use crate::select::selection::Selection;
use crate::wire::envelope::Refusal;

const TTL: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);

/// A registry with two drivers, both up since the start, and a clock that the test sets.
struct Fixture {
    registry: HostRegistry,
    start: Instant,
    second: u32,
}

impl Fixture {
    fn new() -> Self {
        Self::holding_at_most(100)
    }

    fn holding_at_most(max_servers: usize) -> Self {
        let start = clock::now();
        let mut registry = HostRegistry::new(
            "i1".to_owned(),
            TTL,
            max_servers,
            InitialSync::new(SECOND * 5, 2, start),
            start,
        );
        registry.link_opened(driver_id(0), start);
        registry.link_opened(driver_id(1), start);
        Self { registry, start, second: 0 }
    }

    /// Lets the time pass second by second, as a daemon that works does.
    fn advance_to(&mut self, second: u32) {
        while self.second < second {
            self.second += 1;
            assert_eq!(self.registry.tick(self.start + SECOND * self.second), None);
        }
    }

    fn apply_payload(
        &mut self,
        message: &str,
        hostname: &str,
        labels: &[&str],
        second: u32,
        place: usize,
    ) -> Result<Option<Told>, Refusal> {
        match self.hear_from(None, message, hostname, labels, second, place)? {
            Applied::Unchanged => Ok(None),
            Applied::Changed(change) => Ok(Some(told(&change))),
            Applied::DuplicateName => panic!("{hostname} is a duplicate"),
        }
    }

    fn hear_from(
        &mut self,
        instance: Option<&str>,
        message: &str,
        hostname: &str,
        labels: &[&str],
        second: u32,
        place: usize,
    ) -> Result<Applied, Refusal> {
        self.advance_to(second);
        // In the order in which lobbyd writes the fields: what the registry knows already is
        // recognised, not decoded.
        let discovery =
            serde_json::json!({"hostname": hostname, "labels": labels, "last_check": 0});
        let mut envelope = serde_json::json!({"discovery": discovery, "message": message});
        if let Some(instance) = instance {
            envelope["instance"] = instance.into();
        }
        let at = self.start + SECOND * second;
        let unix_millis = 1_000_000 + u64::from(second) * 1000;
        let reception = Reception::fresh(driver_id(place), at, unix_millis);
        self.registry
            .apply_payload(envelope.to_string().as_bytes(), reception)
            .map(|accepted| accepted.applied)
    }

    fn hi(
        &mut self,
        hostname: &str,
        labels: &[&str],
        second: u32,
    ) -> Result<Option<Told>, Refusal> {
        self.apply_payload("hi", hostname, labels, second, 0)
    }

    fn living(&mut self, second: u32) -> Vec<String> {
        self.advance_to(second);
        let snapshot = self.registry.snapshot();
        names(&snapshot, &Selection::All, self.start + SECOND * second)
    }

    fn sweep(&mut self, second: u32) -> Vec<Told> {
        self.advance_to(second);
        told_all(&self.registry.sweep(self.start + SECOND * second))
    }
}

/// The names of the living hosts of a selection.
fn names(snapshot: &Snapshot, selection: &Selection, now: Instant) -> Vec<String> {
    snapshot.find(selection, now).into_iter().map(|host| host.name().to_string()).collect()
}

/// A change by what happened and the name of the host.
type Told = (ChangeKind, String);

fn told(change: &Arc<Change>) -> Told {
    (change.kind.clone(), change.host.name().to_string())
}

fn told_all(changes: &[Arc<Change>]) -> Vec<Told> {
    changes.iter().map(told).collect()
}

fn joined(name: &str) -> Told {
    (ChangeKind::Joined, name.to_owned())
}

fn left(name: &str) -> Told {
    (ChangeKind::Left, name.to_owned())
}

fn expired(name: &str) -> Told {
    (ChangeKind::Expired, name.to_owned())
}

fn relabelled(name: &str, added: &[&str], removed: &[&str]) -> Told {
    let labels = |texts: &[&str]| texts.iter().map(|text| (*text).into()).collect();
    (ChangeKind::Relabelled { added: labels(added), removed: labels(removed) }, name.to_owned())
}

fn driver_id(place: usize) -> DriverId {
    DriverId::new(place).unwrap()
}

/// The arrival of a packet through the first driver.
fn received(at: Instant) -> Reception {
    Reception::fresh(driver_id(0), at, 1_000_000)
}

fn name(text: &str) -> HostName {
    HostName::parse(text).unwrap()
}

fn server(hostname: &str, labels: &[&str]) -> Discovery {
    Discovery::new(
        name(hostname),
        labels.iter().map(|label| Label::parse(label).unwrap()).collect(),
    )
}

#[test]
fn a_host_joins_changes_its_labels_and_leaves() {
    let mut lobby = Fixture::new();
    assert_eq!(lobby.hi("a", &["x"], 0), Ok(Some(joined("a"))));
    assert_eq!(lobby.hi("a", &["x"], 1), Ok(None));
    assert_eq!(lobby.hi("a", &["y"], 2), Ok(Some(relabelled("a", &["y"], &["x"]))));
    assert_eq!(lobby.apply_payload("goodbye", "a", &["y"], 3, 1), Ok(Some(left("a"))));
    assert_eq!(lobby.living(3), Vec::<String>::new());
}

#[test]
fn a_goodbye_of_an_unknown_host_changes_nothing() {
    let mut lobby = Fixture::new();
    let before = lobby.registry.snapshot().revision();
    assert_eq!(lobby.apply_payload("goodbye", "a", &[], 0, 0), Ok(None));
    assert_eq!(lobby.registry.snapshot().revision(), before);
}

#[test]
fn a_keep_alive_makes_no_revision_and_renews_older_snapshots() {
    let mut lobby = Fixture::new();
    lobby.hi("a", &[], 0).unwrap();
    let before = lobby.registry.snapshot();
    lobby.hi("a", &[], 25).unwrap();
    assert_eq!(lobby.registry.snapshot().revision(), before.revision());
    let host = before
        .find(&Selection::All, lobby.start + SECOND * 40)
        .first()
        .map(|host| host.last_check());
    assert_eq!(host, Some(1025));
}

#[test]
fn the_dead_are_not_shown_even_before_they_are_swept() {
    let mut lobby = Fixture::new();
    lobby.hi("a", &[], 0).unwrap();
    assert_eq!(lobby.living(29), ["a"]);
    assert_eq!(lobby.living(30), Vec::<String>::new());
    assert_eq!(lobby.sweep(29), []);
    assert_eq!(lobby.sweep(30), [expired("a")]);
}

#[test]
fn a_host_that_returns_after_its_death_joins_anew() {
    let mut lobby = Fixture::new();
    lobby.hi("a", &[], 0).unwrap();
    assert_eq!(lobby.hi("a", &[], 31), Ok(Some(joined("a"))));
}

#[test]
fn a_host_lives_while_any_driver_hears_it() {
    let mut lobby = Fixture::new();
    lobby.apply_payload("hi", "a", &[], 0, 0).unwrap();
    lobby.apply_payload("hi", "a", &[], 20, 1).unwrap();
    assert_eq!(lobby.living(49), ["a"]);
    assert_eq!(lobby.sweep(50), [expired("a")]);
}

#[test]
fn an_outage_loses_nobody_and_the_dead_go_one_ttl_after_it() {
    let mut lobby = Fixture::new();
    lobby.hi("a", &[], 0).unwrap();
    lobby.registry.link_closed(driver_id(0), lobby.start + SECOND * lobby.second);
    assert_eq!(lobby.sweep(10_000), []);
    lobby.registry.link_opened(driver_id(0), lobby.start + SECOND * 10_000);
    assert_eq!(lobby.living(10_029), ["a"]);
    assert_eq!(lobby.sweep(10_030), [expired("a")]);
}

#[test]
fn an_outage_does_not_bring_back_who_had_died_before_it() {
    let mut lobby = Fixture::new();
    lobby.hi("a", &[], 0).unwrap();
    assert_eq!(lobby.living(31), Vec::<String>::new());
    let closed = lobby.registry.link_closed(driver_id(0), lobby.start + SECOND * 31);
    assert_eq!(told_all(&closed), [expired("a")]);
    assert_eq!(lobby.living(32), Vec::<String>::new());
}

#[test]
fn short_standstills_keep_nobody_alive_for_ever() {
    let mut lobby = Fixture::new();
    lobby.hi("a", &[], 0).unwrap();
    let mut now = lobby.start;
    for _ in 0..30 {
        now += SECOND;
        lobby.registry.tick(now);
        now += SECOND * 3 / 2;
        lobby.registry.tick(now);
    }
    assert_eq!(told_all(&lobby.registry.sweep(now)), [expired("a")]);
}

#[test]
fn what_a_channel_kept_counts_from_when_it_was_sent() {
    let mut lobby = Fixture::new();
    let kept = received(lobby.start).kept_for(SECOND * 20);
    lobby
        .registry
        .apply_payload(br#"{"discovery":{"hostname":"a"},"message":"hi"}"#, kept)
        .unwrap();
    assert_eq!(lobby.living(9), ["a"]);
    assert_eq!(lobby.sweep(10), [expired("a")]);
}

#[test]
fn what_a_channel_kept_for_a_ttl_joins_nobody() {
    let mut lobby = Fixture::new();
    let kept = received(lobby.start).kept_for(TTL);
    let packet = br#"{"discovery":{"hostname":"a"},"message":"hi"}"#;
    assert_eq!(lobby.registry.apply_payload(packet, kept).unwrap().applied, Applied::Unchanged);
    assert_eq!(lobby.living(0), Vec::<String>::new());
}

#[test]
fn only_a_channel_that_carried_a_host_can_withdraw_it() {
    let mut lobby = Fixture::new();
    lobby.hi("a", &[], 0).unwrap();
    let file = br#"{"discovery":{"hostname":"a"},"message":"hi"}"#;
    assert_eq!(lobby.registry.withdraw(file, driver_id(1)), Ok(None));
    let withdrawn = lobby.registry.withdraw(file, driver_id(0)).unwrap();
    assert_eq!(withdrawn.as_ref().map(told), Some(left("a")));
}

#[test]
fn a_duplicate_is_forgotten_after_a_ttl_and_with_the_name() {
    let mut lobby = Fixture::new();
    lobby.registry.set_own(server("me", &[]), 1000);
    lobby.hear_from(Some("i2"), "hi", "me", &[], 1, 0).unwrap();
    lobby.sweep(30);
    assert!(lobby.registry.duplicate().is_some());
    lobby.sweep(31);
    assert_eq!(lobby.registry.duplicate(), None);
    lobby.hear_from(Some("i2"), "hi", "me", &[], 32, 0).unwrap();
    lobby.registry.set_own(server("other", &[]), 1000);
    assert_eq!(lobby.registry.duplicate(), None);
}

#[test]
fn a_driver_that_no_longer_carries_a_host_says_nothing_of_it() {
    let mut lobby = Fixture::new();
    lobby.apply_payload("hi", "a", &[], 0, 1).unwrap();
    lobby.apply_payload("hi", "a", &[], 25, 0).unwrap();
    lobby.apply_payload("hi", "a", &[], 50, 0).unwrap();
    lobby.registry.link_closed(driver_id(0), lobby.start + SECOND * lobby.second);
    assert_eq!(lobby.sweep(10_000), [], "redis is up, but the host no longer speaks there");
}

#[test]
fn the_own_host_stands_whatever_is_heard_and_however_silent() {
    let mut lobby = Fixture::new();
    lobby.registry.set_own(server("me", &["x"]), 1000);
    assert_eq!(lobby.hear_from(Some("i1"), "hi", "me", &["x"], 1, 0), Ok(Applied::Unchanged));
    assert_eq!(
        lobby.hear_from(Some("i2"), "hi", "me", &["forged"], 2, 0),
        Ok(Applied::DuplicateName)
    );
    assert_eq!(lobby.hear_from(None, "goodbye", "me", &[], 3, 0), Ok(Applied::DuplicateName));
    assert_eq!(lobby.sweep(10_000), []);
    let snapshot = lobby.registry.snapshot();
    let own = snapshot.find(&Selection::All, lobby.start + SECOND * 10_000)[0];
    assert_eq!((own.name().as_str(), own.last_check()), ("me", 1001));
    assert_eq!(own.labels().collect::<Vec<_>>(), ["x"]);
}

#[test]
fn another_daemon_of_the_own_name_is_remembered() {
    let mut lobby = Fixture::new();
    lobby.registry.set_own(server("me", &[]), 1000);
    lobby.hear_from(Some("i2"), "hi", "me", &[], 1, 0).unwrap();
    lobby.hear_from(Some("i2"), "hi", "me", &[], 6, 0).unwrap();
    let expected = DuplicateName { packets: 2, last_seen: 1006, instance: Some("i2".to_owned()) };
    assert_eq!(lobby.registry.duplicate(), Some(&expected));
}

#[test]
fn what_a_channel_kept_of_an_earlier_run_is_no_duplicate() {
    let mut lobby = Fixture::new();
    lobby.registry.set_own(server("me", &[]), 1000);
    let payload = br#"{"discovery":{"hostname":"me"},"message":"hi","instance":"i0"}"#;
    let before = received(lobby.start).kept_for(SECOND);
    assert_eq!(
        lobby.registry.apply_payload(payload, before).map(|accepted| accepted.applied),
        Ok(Applied::Unchanged)
    );
    assert_eq!(lobby.registry.duplicate(), None);
}

#[test]
fn time_in_which_the_daemon_was_stopped_does_not_count() {
    let mut lobby = Fixture::new();
    lobby.hi("a", &[], 0).unwrap();
    let (snapshot, stopped_for) = (lobby.registry.snapshot(), SECOND * 1000);
    assert_eq!(
        snapshot.count_living(lobby.start + stopped_for),
        1,
        "a reader is awake before the registry"
    );
    assert_eq!(lobby.registry.tick(lobby.start + stopped_for), Some(stopped_for - SECOND));
    assert_eq!(
        snapshot.count_living(lobby.start + stopped_for),
        1,
        "nor does one that came later see the dead"
    );
    assert_eq!(lobby.registry.sweep(lobby.start + stopped_for), []);
    lobby.second = 1000;
    assert_eq!(lobby.living(1028), ["a"]);
    assert_eq!(
        lobby.sweep(1029),
        [expired("a")],
        "of its 30 seconds one was over before, as far as one can tell"
    );
}

#[test]
fn a_renamed_server_leaves_its_own_list_under_the_former_name() {
    let mut lobby = Fixture::new();
    lobby.registry.set_own(server("old", &[]), 1000);
    let changes = lobby.registry.set_own(server("new", &[]), 1001);
    assert_eq!(told_all(&changes), [left("old"), joined("new")]);
    assert_eq!(lobby.living(1), ["new"]);
}

#[test]
fn a_server_that_takes_a_heard_name_does_not_expire() {
    let mut lobby = Fixture::new();
    lobby.hi("me", &["x"], 0).unwrap();
    assert_eq!(lobby.registry.set_own(server("me", &["x"]), 1000), []);
    assert_eq!(lobby.living(100), ["me"]);
}

#[test]
fn a_full_registry_refuses_strangers_and_keeps_acquaintances() {
    let mut lobby = Fixture::holding_at_most(2);
    lobby.registry.set_own(server("me", &[]), 1000);
    lobby.hi("a", &[], 0).unwrap();
    lobby.hi("b", &[], 0).unwrap();
    assert_eq!(lobby.hi("c", &[], 1), Err(Refusal::RegistryFull(2)));
    assert_eq!(lobby.hi("a", &["new"], 1), Ok(Some(relabelled("a", &["new"], &[]))));
    assert_eq!(lobby.living(1), ["a", "b", "me"]);
}

#[test]
fn a_refused_packet_changes_nothing() {
    let mut lobby = Fixture::new();
    lobby.hi("a", &["x"], 0).unwrap();
    let before = lobby.registry.snapshot().revision();
    assert!(lobby.hi("a", &["bad\u{0}label"], 1).is_err());
    assert_eq!(lobby.registry.snapshot().revision(), before);
    assert_eq!(
        lobby.living(30),
        Vec::<String>::new(),
        "it does not count as a sign of life either"
    );
}

#[test]
fn the_dead_are_found_by_no_selection() {
    let mut lobby = Fixture::new();
    lobby.hi("a", &["x"], 0).unwrap();
    lobby.hi("b", &["x"], 5).unwrap();
    lobby.advance_to(31);
    let (snapshot, now) = (lobby.registry.snapshot(), lobby.start + SECOND * 31);
    for selection in [Selection::All, Selection::label("x"), Selection::prefix("")] {
        assert_eq!(names(&snapshot, &selection, now), ["b"]);
    }
    assert_eq!(
        (snapshot.count_living(lobby.start + SECOND * 29), snapshot.count_living(now)),
        (2, 1)
    );
}

#[test]
fn a_host_is_gone_logged_and_a_change_at_its_deadline() {
    let mut lobby = Fixture::new();
    assert_eq!(lobby.registry.deadline(lobby.start), None);
    lobby.hi("a", &["x"], 0).unwrap();
    lobby.registry.set_own(server("me", &[]), 1000);
    let deadline = lobby.start + TTL;
    assert_eq!(lobby.registry.deadline(lobby.start), Some(deadline));
    lobby.advance_to(29);
    let before = lobby.registry.snapshot();
    assert_eq!(lobby.registry.expire(deadline - Duration::from_millis(1)), []);
    assert_eq!(
        (before.count_living(deadline - Duration::from_millis(1)), before.count_living(deadline)),
        (2, 1)
    );
    assert_eq!(told_all(&lobby.registry.expire(deadline)), [expired("a")]);
    assert_eq!(lobby.registry.snapshot().revision(), before.revision() + 1);
    assert_eq!(lobby.registry.deadline(deadline), None, "this server never expires");
}

#[test]
fn a_timer_that_was_set_before_a_keep_alive_finds_nobody() {
    let mut lobby = Fixture::new();
    lobby.hi("a", &[], 0).unwrap();
    lobby.hi("a", &[], 25).unwrap();
    assert_eq!(lobby.sweep(29), []);
    lobby.advance_to(30);
    assert_eq!(lobby.registry.expire(lobby.start + TTL), []);
    assert_eq!(lobby.registry.deadline(lobby.start + TTL), Some(lobby.start + SECOND * 55));
}

#[test]
fn a_host_that_expired_unseen_expires_before_it_joins_anew() {
    let mut lobby = Fixture::new();
    lobby.hi("a", &[], 0).unwrap();
    lobby.hi("a", &[], 31).unwrap();
    let snapshot = lobby.registry.snapshot();
    let changes: Vec<_> = snapshot.changes_since(1).unwrap().map(told).collect();
    assert_eq!(changes, [expired("a"), joined("a")]);
}

#[test]
fn an_own_host_that_only_replaces_a_heard_one_is_no_change() {
    let mut lobby = Fixture::new();
    lobby.hi("me", &["x"], 0).unwrap();
    let before = lobby.registry.snapshot().revision();
    lobby.registry.set_own(server("me", &["x"]), 1000);
    assert_eq!(lobby.registry.snapshot().revision(), before);
}

#[test]
fn frozen_hosts_heard_through_another_link_may_expire() {
    let mut lobby = Fixture::new();
    lobby.hi("a", &[], 0).unwrap();
    lobby.advance_to(10);
    lobby.registry.link_closed(driver_id(0), lobby.start + SECOND * 10);
    let snapshot = lobby.registry.snapshot();
    assert_eq!(snapshot.count_living(lobby.start + SECOND * 10), 1);
    lobby.apply_payload("hi", "a", &[], 20, 1).unwrap();
    lobby.advance_to(50);
    assert_eq!(snapshot.count_living(lobby.start + SECOND * 49), 1);
    assert_eq!(snapshot.count_living(lobby.start + SECOND * 50), 0);
    assert_eq!(lobby.sweep(50), [expired("a")]);
}

mod kept;
mod losses;
mod own_name;
mod schedules;
mod warm;
