use lobby_client::{Discovery, Label};
use proptest::prelude::*;

use super::*;

fn host(name: &str, labels: &[&str]) -> Discovery {
    let labels = labels.iter().map(|label| Label::parse(label).unwrap()).collect();
    Discovery::new(HostName::parse(name).unwrap(), labels)
}

/// The groups of some hosts, and what was wrong with their labels.
struct Document {
    groups: Vec<TargetGroup>,
    problems: Vec<Problem>,
}

fn fleet(name: &str, hosts: &[Discovery]) -> Document {
    let groups =
        hosts.iter().filter_map(|host| target_group(name, &host.hostname, &host.labels, 9100));
    let (groups, problems): (_, Vec<_>) = groups.unzip();
    Document { groups, problems: problems.into_iter().flatten().collect() }
}

fn json(document: &Document) -> String {
    serde_json::to_string(&document.groups).unwrap()
}

/// The group `ne` of a single host called `srv1`, and what was wrong with it.
fn srv1(labels: &[&str]) -> (String, Vec<String>) {
    let document = fleet("ne", &[host("srv1", labels)]);
    (json(&document), document.problems.iter().map(|problem| problem.flaw.to_string()).collect())
}

/// The targets of a single host called `srv1`, whose labels are all in order.
fn targets(labels: &[&str]) -> Vec<String> {
    let document = fleet("ne", &[host("srv1", labels)]);
    assert_eq!(document.problems, []);
    document.groups.into_iter().flat_map(|group| group.targets).collect()
}

#[test]
fn the_plain_label_makes_the_host_name_a_target() {
    assert_eq!(
        srv1(&["prometheus:ne"]),
        (r#"[{"Labels":{},"Targets":["srv1:9100"]}]"#.into(), vec![])
    );
    assert_eq!(targets(&["prometheus:ne:port:9200"]), ["srv1:9200"]);
    assert_eq!(targets(&["prometheus:ne:location:prague"]), ["srv1:9100"]);
}

#[test]
fn hosts_and_port_and_labels_make_one_group() {
    let labels = [
        "prometheus:ne:host:srv1.internal:1234",
        "prometheus:ne:host:2a03::1",
        "prometheus:ne:host:10.0.0.1",
        "prometheus:ne:port:9200",
        "prometheus:ne:location:prague",
        "prometheus:ne:address:a:b:c",
    ];
    let expected = concat!(
        r#"[{"Labels":{"address":"a:b:c","location":"prague"},"#,
        r#""Targets":["10.0.0.1:9200","[2a03::1]:9200","srv1.internal:1234"]}]"#
    );
    assert_eq!(srv1(&labels), (expected.into(), vec![]));
}

#[test]
fn the_same_target_twice_is_given_once() {
    assert_eq!(targets(&["prometheus:ne:host:a", "prometheus:ne:host:a:9100"]), ["a:9100"]);
}

#[test]
fn port_dash_appends_nothing() {
    assert_eq!(targets(&["prometheus:ne:port:-", "prometheus:ne:host:2a03::1"]), ["2a03::1"]);
    assert_eq!(targets(&["prometheus:ne:port:-"]), ["srv1"]);
}

#[test]
fn of_several_ports_the_last_valid_one_counts() {
    assert_eq!(targets(&["prometheus:ne:port:80", "prometheus:ne:port:81"]), ["srv1:81"]);
    let (json, flaws) = srv1(&["prometheus:ne:port:80", "prometheus:ne:port:http"]);
    assert_eq!(json, r#"[{"Labels":{},"Targets":["srv1:80"]}]"#);
    assert_eq!(flaws, [r#"port "http" was ignored: 1 to 65535 or - are allowed"#]);
}

#[test]
fn an_invalid_port_leaves_the_default() {
    for port in ["prometheus:ne:port:", "prometheus:ne:port:0", "prometheus:ne:port:65536"] {
        let (json, flaws) = srv1(&[port]);
        assert_eq!(
            (json.as_str(), flaws.len()),
            (r#"[{"Labels":{},"Targets":["srv1:9100"]}]"#, 1),
            "{port}"
        );
    }
}

#[test]
fn labels_of_something_else_make_no_group() {
    for other in [
        "service:ne",
        "prometheus",
        "prometheus:other",
        "prometheus:nex",
        "prometheus:nex:host:a",
        "xprometheus:ne",
    ] {
        assert_eq!(srv1(&[other]), ("[]".into(), vec![]), "{other}");
    }
    for without_value in ["prometheus:ne:", "prometheus:ne:location", "prometheus:ne:host"] {
        assert_eq!(srv1(&[without_value]), ("[]".into(), vec![]), "{without_value}");
    }
}

#[test]
fn a_group_name_may_hold_colons() {
    let hosts = [host("srv1", &["prometheus:a:b:host:h"])];
    assert_eq!(json(&fleet("a:b", &hosts)), r#"[{"Labels":{},"Targets":["h:9100"]}]"#);
    assert_eq!(json(&fleet("a", &hosts)), r#"[{"Labels":{"b":"host:h"},"Targets":["srv1:9100"]}]"#);
}

#[test]
fn an_empty_value_stays() {
    assert_eq!(srv1(&["prometheus:ne:a:"]).0, r#"[{"Labels":{"a":""},"Targets":["srv1:9100"]}]"#);
}

#[test]
fn a_name_that_prometheus_refuses_is_put_right() {
    let (json, flaws) =
        srv1(&["prometheus:ne:weird-name.x:v", "prometheus:ne:9to5:v", "prometheus:ne:žluť:v"]);
    assert_eq!(
        json,
        r#"[{"Labels":{"_lu_":"v","_to5":"v","weird_name_x":"v"},"Targets":["srv1:9100"]}]"#
    );
    assert_eq!(flaws.len(), 3);
    assert_eq!(
        flaws.last().unwrap(),
        r#"label name "žluť" became "_lu_": only letters, digits and _ are allowed, and no digit in front"#
    );
}

#[test]
fn of_labels_with_one_name_a_genuine_one_wins_then_the_last() {
    let labels = |labels: &[&str]| fleet("ne", &[host("srv1", labels)]).groups[0].labels.clone();
    assert_eq!(labels(&["prometheus:ne:a:1", "prometheus:ne:a:2"])["a"], "2");
    assert_eq!(labels(&["prometheus:ne:a-b:1", "prometheus:ne:a.b:2"])["a_b"], "2");
    assert_eq!(labels(&["prometheus:ne:a_b:1", "prometheus:ne:a~b:2"])["a_b"], "1");
}

#[test]
fn a_label_cannot_stand_in_for_the_target() {
    for key in ["__address__", "--address--"] {
        let (json, flaws) = srv1(&[&format!("prometheus:ne:{key}:evil:1")]);
        assert_eq!((json.as_str(), flaws.len()), (r#"[{"Labels":{},"Targets":["srv1:9100"]}]"#, 1));
    }
    assert_eq!(
        srv1(&["prometheus:ne:__scheme__:https"]).0,
        r#"[{"Labels":{"__scheme__":"https"},"Targets":["srv1:9100"]}]"#
    );
}

#[test]
fn a_label_without_a_name_is_left_out() {
    let (json, flaws) = srv1(&["prometheus:ne::v"]);
    assert_eq!(json, r#"[{"Labels":{},"Targets":["srv1:9100"]}]"#);
    assert_eq!(flaws, [r#"a label without a name was left out, its value is "v""#]);
}

#[test]
fn a_bad_target_is_left_out_and_the_others_stay() {
    let (json, flaws) =
        srv1(&["prometheus:ne:host:a/b", "prometheus:ne:host:", "prometheus:ne:host:c"]);
    assert_eq!((json.as_str(), flaws.len()), (r#"[{"Labels":{},"Targets":["c:9100"]}]"#, 2));
    let document = fleet("ne", &[host("a/b", &["prometheus:ne"]), host("c", &["prometheus:ne"])]);
    assert_eq!(json_of_targets(&document), [vec![], vec!["c:9100"]]);
    assert_eq!(document.problems[0].host.as_str(), "a/b");
}

fn json_of_targets(document: &Document) -> Vec<Vec<&str>> {
    document.groups.iter().map(|group| group.targets.iter().map(String::as_str).collect()).collect()
}

fn any_label() -> impl Strategy<Value = Label> {
    let key = prop_oneof![Just("host".to_owned()), Just("port".to_owned()), "[a-z_0-9:./ é-]{0,6}"];
    let value = prop_oneof![
        "[a-z0-9:./\\[\\]%é -]{0,12}",
        any::<std::net::Ipv6Addr>().prop_map(|address| address.to_string())
    ];
    (key, value)
        .prop_map(|(key, value)| Label::parse(&format!("prometheus:ne:{key}:{value}")).unwrap())
}

fn any_host() -> impl Strategy<Value = Discovery> {
    ("[a-z0-9:/.]{1,8}", prop::collection::vec(any_label(), 0..8))
        .prop_map(|(name, labels)| Discovery::new(HostName::parse(&name).unwrap(), labels))
}

fn any_fleet() -> impl Strategy<Value = Vec<Discovery>> {
    prop::collection::btree_map("[a-z0-9:/.]{1,8}", any_host(), 0..6)
        .prop_map(|hosts| hosts.into_values().collect())
}

fn is_label_name(name: &str) -> bool {
    let valid = |c: char| c == '_' || c.is_ascii_alphanumeric();
    !name.is_empty() && name.chars().all(valid) && !name.starts_with(|c: char| c.is_ascii_digit())
}

fn is_target(target: &str) -> bool {
    !target.is_empty() && !target.contains(|c: char| c == '/' || c.is_whitespace())
}

proptest! {
    #[test]
    fn prometheus_can_take_every_document(hosts in any_fleet()) {
        for group in fleet("ne", &hosts).groups {
            prop_assert!(group.labels.keys().all(|name| is_label_name(name)), "{:?}", group.labels);
            prop_assert!(group.targets.iter().all(|target| is_target(target)), "{:?}", group.targets);
        }
    }
}
