use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::clock;
use crate::events::frame::Form;
use crate::liveness::initial_sync::InitialSync;
use crate::registry::host::Host;
use crate::registry::host_registry::HostRegistry;
use crate::select::selection::Selection;
use crate::testsuite::fixtures::{driver, goodbye, hi, instance, packet, reception};

const TTL: Duration = Duration::from_secs(30);
const NOON: u64 = 1_795_424_000_000;
const LABELS: [&str; 4] = ["a:1", "a:2", "b", "c:x y"];
const SELECTORS: [&str; 7] =
    ["a", "a=1", "not b", "b and not a=2", "@hostname=h1 or c", "a=~'[12]' and b", "nobody"];

/// A registry with one driver, and a clock that the test sets.
struct Fleet {
    registry: HostRegistry,
    now: Instant,
}

impl Fleet {
    fn new() -> Self {
        let now = clock::now();
        let initial_sync = InitialSync::new(Duration::from_secs(5), 1, now);
        let mut registry = HostRegistry::new("a1".to_owned(), TTL, 100, initial_sync, now);
        registry.link_opened(driver(0), now);
        Self { registry, now }
    }

    fn step(&mut self, step: &Step) {
        let reception = reception(self.now, NOON);
        match step {
            Step::Hi(host, labels) => {
                let labels: Vec<_> = labels.iter().map(|label| LABELS[*label]).collect();
                let hi = hi(&packet(&format!("h{host}"), &labels), instance(1));
                self.registry.apply_payload(&hi, reception).unwrap();
            }
            Step::Goodbye(host) => {
                let goodbye = goodbye(&packet(&format!("h{host}"), &[]), instance(1));
                self.registry.apply_payload(&goodbye, reception).unwrap();
            }
            Step::Pass(seconds) => {
                for _ in 0..*seconds {
                    self.now += Duration::from_secs(1);
                    self.registry.tick(self.now);
                    self.registry.expire(self.now);
                }
            }
            Step::Link(true) => self.registry.link_opened(driver(0), self.now),
            Step::Link(false) => drop(self.registry.link_closed(driver(0), self.now)),
            Step::Own(labels) => {
                let labels: Vec<_> = labels.iter().map(|label| LABELS[*label]).collect();
                self.registry.set_own(packet("me", &labels), 0);
            }
        }
    }
}

/// Something that happens to a fleet.
#[derive(Debug, Clone)]
enum Step {
    Hi(u8, BTreeSet<usize>),
    Goodbye(u8),
    Pass(u8),
    Link(bool),
    Own(BTreeSet<usize>),
}

fn step() -> impl Strategy<Value = Step> {
    let labels = || prop::collection::btree_set(0..LABELS.len(), 0..=LABELS.len());
    prop_oneof![
        6 => (0..4_u8, labels()).prop_map(|(host, labels)| Step::Hi(host, labels)),
        2 => (0..4_u8).prop_map(Step::Goodbye),
        2 => (1..20_u8).prop_map(Step::Pass),
        1 => any::<bool>().prop_map(Step::Link),
        1 => labels().prop_map(Step::Own),
    ]
}

/// A client that knows only what it was sent.
#[derive(Default)]
struct Client {
    hosts: BTreeMap<String, BTreeSet<String>>,
    last_id: Option<String>,
    revisions: Vec<u64>,
}

fn set(labels: &Value) -> BTreeSet<String> {
    labels.as_array().unwrap().iter().map(|label| label.as_str().unwrap().to_owned()).collect()
}

fn entry(host: &Value) -> (String, BTreeSet<String>) {
    (host["hostname"].as_str().unwrap().to_owned(), set(&host["labels"]))
}

impl Client {
    /// Takes in a line. No event may contradict what the ones before it said.
    fn read(&mut self, line: &str) {
        let event: Value = serde_json::from_str(line).unwrap();
        match event["event"].as_str().unwrap() {
            "snapshot" => {
                self.hosts = event["hosts"].as_array().unwrap().iter().map(entry).collect();
                self.revisions.clear();
            }
            "join" => {
                let (name, labels) = entry(&event["host"]);
                assert_eq!(self.hosts.insert(name, labels), None, "told twice: {line}");
            }
            "update" => {
                let (name, labels) = entry(&event["host"]);
                let before = self.hosts.insert(name, labels.clone()).expect("a host that joined");
                let (added, removed) = (set(&event["added"]), set(&event["removed"]));
                assert_eq!(&(&before - &removed) | &added, labels, "{line}");
                assert!(removed.is_subset(&before) && added.is_disjoint(&before), "{line}");
            }
            "leave" => {
                let before = self.hosts.remove(event["hostname"].as_str().unwrap());
                let unmatched = event["reason"] == "unmatched";
                assert!(before.is_some_and(|b| unmatched || b == set(&event["labels"])), "{line}");
            }
            _ => return,
        }
        let id = event["id"].as_str().unwrap();
        self.revisions.push(id.rsplit_once('-').unwrap().1.parse().unwrap());
        self.last_id = Some(id.to_owned());
    }
}

fn line(message: &FeedMessage, reader: &Reader, snapshot: &Snapshot) -> String {
    match message {
        FeedMessage::Snapshot(_) => Form::JsonLines.snapshot(snapshot, reader.selector()),
        FeedMessage::Change(change, effect) => Form::JsonLines.change("a1", change, *effect),
        FeedMessage::Status(status) => Form::JsonLines.status(*status, &["NATS"]),
    }
}

proptest! {
    #[test]
    fn a_reader_ends_with_the_list_wherever_it_starts_and_is_cut(
        steps in prop::collection::vec(step(), 0..60),
        start in 0..30_usize,
        looks in prop::collection::vec((any::<bool>(), prop::option::of(0..6_usize)), 60),
        selector in prop::option::of(prop::sample::select(&SELECTORS[..])),
    ) {
        let selector = selector.map(|text| Selector::parse(text).unwrap());
        let (mut fleet, mut client) = (Fleet::new(), Client::default());
        let mut reader: Option<Reader> = None;
        let ends = std::iter::once((true, None));
        let looks = looks[..steps.len()].iter().copied().chain(ends.clone()).chain(ends);
        for (number, (look, cut_after)) in looks.enumerate() {
            match steps.get(number) {
                Some(step) => fleet.step(step),
                // What has expired is removed in a moment.
                None => drop(fleet.registry.expire(fleet.now)),
            }
            if !look || number < start.min(steps.len()) {
                continue;
            }
            let (snapshot, now) = (fleet.registry.snapshot(), fleet.now);
            let since = client.last_id.as_deref().map(|id| EventId::parse(id).unwrap());
            let fresh = || Reader::new(selector.clone(), since.as_ref(), &snapshot);
            let mut current = reader.take().unwrap_or_else(fresh);
            let messages = current.catch_up(&snapshot, FeedStatus::of(&snapshot, now));
            let received = cut_after.unwrap_or(usize::MAX).min(messages.len());
            for message in &messages[..received] {
                client.read(&line(message, &current, &snapshot));
            }
            // One that was cut comes back, and knows what it received.
            reader = cut_after.is_none().then_some(current);
        }
        prop_assert!(client.revisions.is_sorted_by(|a, b| a < b), "{:?}", client.revisions);
        if selector.is_none() {
            let steps: Vec<_> = client.revisions.windows(2).map(|pair| pair[1] - pair[0]).collect();
            prop_assert!(steps.iter().all(|step| *step == 1), "{:?}", client.revisions);
        }
        let snapshot = fleet.registry.snapshot();
        let living = snapshot.find(&Selection::All, fleet.now);
        let labels = |host: &Host| host.labels().map(Cow::into_owned).collect();
        let expected: BTreeMap<_, BTreeSet<String>> = living
            .iter()
            .filter(|host| {
                let labels: Vec<_> = host.labels().collect();
                let labels = labels.iter().map(|label| &**label);
                let name = host.name().as_str();
                selector.as_ref().is_none_or(|selector| selector.condition().holds(name, labels))
            })
            .map(|host| (host.name().to_string(), labels(host)))
            .collect();
        prop_assert_eq!(client.hosts, expected);
    }
}

#[test]
fn a_reader_of_another_run_or_of_long_ago_starts_over() {
    let mut fleet = Fleet::new();
    for labels in 0..5000 {
        fleet.step(&Step::Hi(0, BTreeSet::from([labels % 2])));
    }
    let snapshot = fleet.registry.snapshot();
    let status = FeedStatus::of(&snapshot, fleet.now);
    let first = |id: &str| {
        let mut reader = Reader::new(None, Some(&EventId::parse(id).unwrap()), &snapshot);
        reader.catch_up(&snapshot, status).remove(0)
    };
    for id in ["b2-4999", "a1-900", "a1-5001"] {
        assert_eq!(first(id), FeedMessage::Snapshot(5000), "{id}");
    }
    assert!(matches!(first("a1-905"), FeedMessage::Change(change, _) if change.revision == 906));
    assert_eq!(first("a1-5000"), FeedMessage::Status(status));
}

#[test]
fn a_reader_far_behind_gets_all_changes_in_portions() {
    let mut fleet = Fleet::new();
    for labels in 0..1000 {
        fleet.step(&Step::Hi(0, BTreeSet::from([labels % 2])));
    }
    let snapshot = fleet.registry.snapshot();
    let status = FeedStatus::of(&snapshot, fleet.now);
    let mut reader = Reader::new(None, Some(&EventId::parse("a1-0").unwrap()), &snapshot);
    let mut told = Vec::new();
    loop {
        let messages = reader.catch_up(&snapshot, status);
        assert!(messages.len() <= MAX_MESSAGES + 1);
        if messages.is_empty() {
            break;
        }
        told.extend(messages);
    }
    assert_eq!((told.len(), told.last()), (1001, Some(&FeedMessage::Status(status))));
}

#[test]
fn a_portion_of_long_packets_is_bounded_in_bytes() {
    let mut fleet = Fleet::new();
    let long = |turn: usize| format!("{turn}:{}", "x".repeat(900));
    for turn in 0..1000 {
        let hi = hi(&packet("h0", &[&long(turn), &long(turn + 1)]), instance(1));
        fleet.registry.apply_payload(&hi, reception(fleet.now, NOON)).unwrap();
    }
    let snapshot = fleet.registry.snapshot();
    let status = FeedStatus::of(&snapshot, fleet.now);
    let mut reader = Reader::new(None, Some(&EventId::parse("a1-0").unwrap()), &snapshot);
    let (mut told, mut portions) = (0, 0);
    while told < 1000 {
        let messages = reader.catch_up(&snapshot, status);
        let changes = messages.iter().filter_map(|message| match message {
            FeedMessage::Change(change, _) => Some(change.text_len()),
            _ => None,
        });
        let lengths: Vec<_> = changes.collect();
        let last = lengths.last().unwrap();
        assert!(lengths.iter().sum::<usize>() < MAX_TEXT_LEN + last, "{lengths:?}");
        (told, portions) = (told + lengths.len(), portions + 1);
    }
    assert!(portions > 1000 / MAX_MESSAGES + 1, "{portions}");
}

#[test]
fn behind_an_older_list_the_status_comes_after_the_changes() {
    let mut fleet = Fleet::new();
    let status = |fleet: &Fleet| FeedStatus::of(&fleet.registry.snapshot(), fleet.now);
    let older = fleet.registry.snapshot().revision();
    fleet.step(&Step::Hi(1, BTreeSet::new()));
    let snapshot = fleet.registry.snapshot();
    let mut reader = Reader::new(None, None, &snapshot);
    reader.catch_up(&snapshot, status(&fleet));
    reader.start_over(older);
    reader.hold_status_back();
    let told = reader.catch_up(&snapshot, status(&fleet));
    assert!(matches!(told[..], [FeedMessage::Change(..), FeedMessage::Status(_)]), "{told:?}");
}

#[test]
fn the_pieces_of_a_snapshot_are_its_frame() {
    let mut fleet = Fleet::new();
    for host in 0..20 {
        let hi = hi(&packet(&format!("h{host}"), &[LABELS[host % 4]]), instance(host as u64 + 1));
        fleet.registry.apply_payload(&hi, reception(fleet.now, NOON)).unwrap();
    }
    let snapshot = fleet.registry.snapshot();
    let selectors = SELECTORS.iter().map(|text| Some(text.parse().unwrap())).chain([None]);
    for selector in selectors {
        for form in [Form::ServerSentEvents, Form::JsonLines] {
            let whole = form.snapshot(&snapshot, selector.as_ref());
            let hosts = snapshot.hosts_matching(selector.as_ref());
            let written = whole.matches("\"hostname\"").count();
            assert_eq!(written, hosts.len(), "{whole}");
            for len in [1, 100, 700, whole.len(), usize::MAX] {
                let mut frame = form.snapshot_frame(&snapshot, selector.as_ref());
                let mut pieces = Vec::new();
                while !frame.is_over() {
                    pieces.push(frame.next_piece(len));
                }
                let (last, others) = pieces.split_last().unwrap();
                assert!(!last.is_empty() && others.iter().all(|piece| piece.len() >= len));
                assert_eq!(pieces.concat(), whole);
            }
        }
    }
}
