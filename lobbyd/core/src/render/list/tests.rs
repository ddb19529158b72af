use std::hash::RandomState;
use std::time::Duration;

use lobby_client::{Discovery, Filter, HostName, Label, Selector};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::clock;
use crate::liveness::initial_sync::InitialSync;
use crate::registry::host_registry::HostRegistry;
use crate::select::selection::Selection;
use crate::testsuite::fixtures;

const TTL: Duration = Duration::from_secs(30);

/// A snapshot of hosts with these labels, each with the time at which it was heard.
fn snapshot<'a>(
    hosts: impl IntoIterator<Item = (&'a str, Vec<&'a str>, u64)>,
    now: Instant,
) -> Arc<Snapshot> {
    let mut registry =
        HostRegistry::new("i".to_owned(), TTL, 1000, InitialSync::new(TTL, 1, now), now);
    for (name, labels, unix_seconds) in hosts {
        let labels = labels.into_iter().map(|label| Label::parse(label).unwrap()).collect();
        let packet = Discovery::new(HostName::parse(name).unwrap(), labels);
        let reception = fixtures::reception(now, unix_seconds * 1000);
        registry.apply_payload(&fixtures::hi(&packet, fixtures::instance(1)), reception).unwrap();
    }
    Arc::new(registry.snapshot())
}

fn fleet(now: Instant) -> Arc<Snapshot> {
    let web = vec!["prometheus:web", "rack:1", "service:web", "service:webmail"];
    snapshot([("b", vec!["rack:1"], 7), ("a", web, 1000), ("c", vec![], 0)], now)
}

fn answer(snapshot: &Arc<Snapshot>, query: Query, now: Instant) -> String {
    List::new(Arc::clone(snapshot), query, now).whole(usize::MAX, &mut Vec::new()).unwrap()
}

fn ask(query: Query) -> String {
    let now = clock::now();
    answer(&fleet(now), query, now)
}

fn labels<const N: usize>(labels: [&str; N]) -> Selection {
    Filter::Labels(labels.map(str::to_owned).to_vec()).into()
}

fn selector(text: &str) -> Selector {
    Selector::parse(text).unwrap()
}

fn prefixes<const N: usize>(prefixes: [&str; N]) -> Selection {
    Filter::Prefixes(prefixes.map(str::to_owned).to_vec()).into()
}

#[test]
fn a_selector_chooses_whole_hosts_in_every_form() {
    let whole = r#"[{"hostname":"b","labels":["rack:1"],"last_check":7}]"#;
    let rack_without_service = || selector("rack=1 and !service");
    assert_eq!(ask(Query::packets(Selection::Selector(rack_without_service()))), whole);
    assert_eq!(ask(Query::names_of(rack_without_service())), r#"["b"]"#);
    let web = || Query::target_groups("web".to_owned(), 9100);
    assert_eq!(ask(web().among(selector("service"))), ask(web()));
    assert_eq!(ask(web().among(rack_without_service())), "[]");
}

#[test]
fn labels_for_relabelling_tell_the_name_and_each_keys_values() {
    let now = clock::now();
    let labels = vec!["1st/key:é", "drain", "prometheus:web:port:81", "service:a", "service:b"];
    let fleet = snapshot([("a", labels, 0)], now);
    let query = Query::target_groups("web".to_owned(), 9100).with_meta();
    let groups: Value = serde_json::from_str(&answer(&fleet, query, now)).unwrap();
    let expected = json!([{"Targets": ["a:81"], "Labels": {
        "__meta_lobby_hostname": "a", "__meta_lobby_label_1st_key": ",é,",
        "__meta_lobby_label_drain": ",,", "__meta_lobby_label_prometheus": ",web:port:81,",
        "__meta_lobby_label_service": ",a,b,",
    }}]);
    assert_eq!(groups, expected);
}

#[test]
fn groups_are_named_as_their_labels_name_them() {
    let now = clock::now();
    let labels = vec!["prometheus:web", "prometheus:db:port:1:2", "prometheus:x:y", "other:z"];
    let fleet = snapshot([("a", labels, 0), ("b", vec!["prometheus:web:port:1"], 0)], now);
    let hosts = fleet.find(&Selection::prefix(prometheus::PREFIX), now);
    assert_eq!(Vec::from_iter(prometheus::group_names(hosts)), ["db", "web", "x:y"]);
}

#[test]
fn all_packets_are_whole() {
    let expected = concat!(
        r#"[{"hostname":"a","labels":["prometheus:web","rack:1","service:web","service:webmail"],"last_check":1000},"#,
        r#"{"hostname":"b","labels":["rack:1"],"last_check":7},{"hostname":"c","labels":[],"last_check":0}]"#
    );
    assert_eq!(ask(Query::ALL_PACKETS), expected);
    assert_eq!(ask(Query::packets(Selection::All)), expected);
}

#[test]
fn a_filter_shows_matching_hosts_with_matching_labels() {
    let web = r#"[{"hostname":"a","labels":["service:web"],"last_check":1000}]"#;
    assert_eq!(ask(Query::packets(labels(["service:web", "nothing"]))), web);
    let services =
        r#"[{"hostname":"a","labels":["service:web","service:webmail"],"last_check":1000}]"#;
    assert_eq!(ask(Query::packets(prefixes(["service:", "service:web"]))), services);
    assert_eq!(ask(Query::packets(labels(["nothing", ""]))), "[]");
}

#[test]
fn names_are_those_of_hosts_with_exactly_that_label() {
    assert_eq!(ask(Query::names("rack:1")), r#"["a","b"]"#);
    assert_eq!(ask(Query::names("rack:")), "[]");
}

#[test]
fn a_host_of_another_group_of_the_same_prefix_has_no_targets() {
    let groups = r#"[{"Labels":{},"Targets":["a:9100"]}]"#;
    assert_eq!(ask(Query::target_groups("web".to_owned(), 9100)), groups);
    assert_eq!(ask(Query::target_groups("we".to_owned(), 9100)), "[]");
}

#[test]
fn faults_of_labels_are_told_also_when_the_list_is_too_long() {
    let now = clock::now();
    let snapshot = snapshot(
        [("a", vec!["prometheus:web:port:x"], 0), ("b", vec!["prometheus:web:port:y"], 0)],
        now,
    );
    let list = List::new(snapshot, Query::target_groups("web".to_owned(), 9100), now);
    let [mut whole, mut cut, mut measured] = [const { Vec::new() }; 3];
    assert!(list.clone().whole(1000, &mut whole).is_some());
    assert!(list.clone().whole(10, &mut cut).is_none());
    list.measure(&mut measured);
    assert_eq!((whole.len(), cut.len(), measured.len()), (2, 1, 2));
}

#[test]
fn the_dead_are_in_no_list() {
    let (now, driver_id) = (clock::now(), fixtures::driver(0));
    let mut registry =
        HostRegistry::new("i".to_owned(), TTL, 10, InitialSync::new(TTL, 1, now), now);
    registry.link_opened(driver_id, now);
    let payload = br#"{"discovery":{"hostname":"a","labels":["x"]},"message":"hi"}"#;
    registry.apply_payload(payload, fixtures::reception(now, 0)).unwrap();
    for second in 0..=30 {
        registry.tick(now + Duration::from_secs(second));
    }
    let snapshot = Arc::new(registry.snapshot());
    for query in [Query::ALL_PACKETS, Query::names("x"), Query::packets(prefixes(["x"]))] {
        assert_ne!(answer(&snapshot, query.clone(), now + TTL - Duration::from_secs(1)), "[]");
        assert_eq!(answer(&snapshot, query, now + TTL), "[]");
    }
}

#[test]
fn a_list_is_whole_up_to_its_limit() {
    let (now, problems) = (clock::now(), &mut Vec::new());
    for query in [Query::ALL_PACKETS, Query::names("rack:1"), Query::names("none")] {
        let list = List::new(fleet(now), query, now);
        let len = list.measure(problems);
        assert_eq!(list.clone().whole(len, problems).map(|json| json.len()), Some(len));
        assert_eq!(list.whole(len - 1, problems), None);
    }
}

fn queries() -> Vec<Query> {
    let queries = vec![
        Query::ALL_PACKETS,
        Query::packets(prefixes(["x"])),
        Query::packets(labels(["none"])),
        Query::names("rack:1"),
        Query::target_groups("ne".to_owned(), 9100),
        Query::packets(Selection::Selector(selector("rack=1 and not xy"))),
        Query::names_of(selector("x or @hostname=b")),
        Query::target_groups("ne".to_owned(), 9100).among(selector("not rack")),
        Query::target_groups("ne".to_owned(), 9100).with_meta(),
        Query::target_groups("ne".to_owned(), 9100).with_meta().among(selector("x")),
    ];
    queries.into_iter().flat_map(|query| [query.clone(), query.in_layout(Layout::Pretty)]).collect()
}

/// A host that joins or changes its labels, or says goodbye.
fn step() -> impl Strategy<Value = (&'static str, Option<Vec<&'static str>>)> {
    let labels = prop::sample::subsequence(
        vec!["prometheus:ne", "prometheus:ne:port:1", "rack:1", "x", "xy"],
        0..=5,
    );
    (prop::sample::select(vec!["a", "b", "c"]), prop::option::of(labels))
}

proptest! {
    #[test]
    fn an_answer_that_counts_as_unchanged_is_the_same(steps in prop::collection::vec(step(), 1..20)) {
        let now = clock::now();
        let mut registry = HostRegistry::new("i".to_owned(), TTL, 10, InitialSync::new(TTL, 1, now), now);
        let mut snapshots = vec![Arc::new(registry.snapshot())];
        for (name, labels) in steps {
            let message = if labels.is_some() { "hi" } else { "goodbye" };
            let packet = json!({"discovery": {"hostname": name, "labels": labels}, "message": message});
            registry.apply_payload(packet.to_string().as_bytes(), fixtures::reception(now, 0)).unwrap();
            snapshots.push(Arc::new(registry.snapshot()));
        }
        let (last, hasher) = (snapshots.last().unwrap(), RandomState::new());
        for (query, snapshot) in queries().into_iter().flat_map(|query| snapshots.iter().map(move |s| (query.clone(), s))) {
            let same = answer(snapshot, query.clone(), now) == answer(last, query.clone(), now);
            prop_assert!(same || !query.is_unchanged_since(snapshot.revision(), last), "{:?}", query);
            let [one, other] = [snapshot, last].map(|snapshot| {
                List::new(Arc::clone(snapshot), query.clone(), now).fingerprint(&hasher)
            });
            prop_assert_eq!(one == other, same, "{:?}", query);
        }
    }

    #[test]
    fn a_change_of_other_labels_leaves_an_answer_as_it_is(label in "[a-w]{1,5}") {
        let now = clock::now();
        let mut registry = HostRegistry::new("i".to_owned(), TTL, 10, InitialSync::new(TTL, 1, now), now);
        let mut say = |labels: &[&str]| {
            let packet = json!({"discovery": {"hostname": "a", "labels": labels}, "message": "hi"});
            registry.apply_payload(packet.to_string().as_bytes(), fixtures::reception(now, 0)).unwrap();
            registry.snapshot()
        };
        let before = say(&["rack:1"]).revision();
        let after = say(&["rack:1", &label]);
        prop_assert!(Query::names("rack:1").is_unchanged_since(before, &after));
        prop_assert!(!Query::names(&label).is_unchanged_since(before, &after));
        prop_assert!(!Query::ALL_PACKETS.is_unchanged_since(before, &after));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn pieces_make_the_whole_list_in_every_form(
        label_len in 1..1000usize, times in prop::collection::vec(prop_oneof![0..=i32::MAX as u64, 0..=10_u64, Just(1_795_000_000)], 0..600),
    ) {
        let (now, label) = (clock::now(), "x".repeat(label_len));
        let names: Vec<_> = (0..times.len()).map(|number| format!("h{number:05}")).collect();
        let hosts = names.iter().zip(&times).map(|(name, time)| (&**name, vec!["prometheus:ne:a\"b:c", "rack:1", &label], *time));
        let snapshot = snapshot(hosts, now);
        for query in queries() {
            let list = List::new(Arc::clone(&snapshot), query.clone(), now);
            let whole = answer(&snapshot, query.clone(), now);
            prop_assert_eq!(list.measure(&mut Vec::new()), whole.len());
            let pieces: Vec<_> = list.collect();
            prop_assert!(pieces.iter().rev().skip(1).all(|piece| piece.len() >= query.piece_len()));
            prop_assert_eq!(&pieces.concat(), &whole);
            let value: Value = serde_json::from_str(&whole).unwrap();
            let written = match query.layout {
                Layout::Compact => value.to_string(),
                Layout::Pretty => serde_json::to_string_pretty(&value).unwrap() + "\n",
            };
            prop_assert_eq!(written, whole);
        }
        let expected: Vec<_> = names.iter().zip(&times).map(|(name, time)| {
            let mut labels = ["prometheus:ne:a\"b:c", "rack:1", &label];
            labels.sort_unstable();
            json!({"hostname": name, "labels": labels, "last_check": time})
        }).collect();
        prop_assert_eq!(answer(&snapshot, Query::ALL_PACKETS, now), json!(expected).to_string());
    }
}

#[test]
fn a_list_of_clocks_that_are_ages_apart_is_as_long_as_measured() {
    let now = clock::now();
    let ages = [1_795_000_000, 0, u64::MAX / 1000];
    let snapshot = snapshot(
        ages.iter().zip(["a", "b", "c"]).map(|(time, name)| (name, vec!["x"], *time)),
        now,
    );
    let list = List::new(snapshot, Query::ALL_PACKETS, now);
    assert_eq!(list.measure(&mut Vec::new()), list.collect::<String>().len());
}

#[test]
fn a_list_tells_of_so_many_faults_and_no_more() {
    let now = clock::now();
    let names: Vec<_> = (0..11).map(|number| format!("h{number:02}")).collect();
    let labels: Vec<_> = (0..1000).map(|number| format!("prometheus:g:bad-{number}:x")).collect();
    let labels: Vec<_> = labels.iter().map(String::as_str).collect();
    let fleet = snapshot(names.iter().map(|name| (name.as_str(), labels.clone(), 0)), now);
    let list = List::new(fleet, Query::target_groups("g".to_owned(), 9100), now);
    let mut problems = Vec::new();
    assert!(list.clone().whole(usize::MAX, &mut problems).is_some());
    assert_eq!(problems.len(), MOST_PROBLEMS);
}
