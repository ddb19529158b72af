use lobby_client::{HostName, Label};
use serde_json::{Value, json};

use super::*;
use crate::args::ExportFormat;

fn server(name: &str, labels: &[&str]) -> Discovery {
    let labels = labels.iter().map(|label| Label::parse(label).unwrap()).collect();
    let server = Discovery::new(HostName::parse(name).unwrap(), labels);
    Discovery { last_check: 97, ..server }
}

fn fleet() -> Fleet {
    let servers = vec![
        server(
            "a",
            &["address:10.0.0.1", "drain", "note:two words", "service:smtp", "service:web"],
        ),
        server("b*", &["address:2a03::1", "service:"]),
        server("c", &["address:nonsense", "1st:x", "a-b:1", "a_b:2"]),
    ];
    Fleet { servers, address_labels: AddressLabels::default(), now: 100 }
}

#[test]
fn a_table_has_a_word_in_each_cell_below_its_key() {
    let columns = ["service", "drain", "note"].map(str::to_owned);
    let expected = "\
NAME  AGE  ADDRESS   service   drain  note
a     3s   10.0.0.1  smtp,web  yes    two_words
b*    3s   2a03::1   ''        -      -
c     3s   -         -         -      -
";
    assert_eq!(table::text(&fleet(), &columns), expected);
}

#[test]
fn what_a_hosts_file_or_ssh_would_misread_is_left_out() {
    for (format, text) in [
        (ExportFormat::Hosts, "10.0.0.1 a\n"),
        (ExportFormat::SshConfig, "Host a\n    HostName 10.0.0.1\n"),
    ] {
        let view = export::view(&fleet(), format, 9100);
        assert_eq!((view.text.as_str(), view.left_out), (text, 2));
    }
}

#[test]
fn what_is_left_out_is_counted_in_words() {
    let warning = |left_out| View { text: String::new(), left_out, reason: "x" }.warning();
    assert_eq!(warning(0), None);
    assert_eq!(warning(1).as_deref(), Some("1 server is left out: x"));
    assert_eq!(warning(2).as_deref(), Some("2 servers are left out: x"));
}

#[test]
fn lines_of_json_are_the_packets_and_targets_have_all_labels() {
    let lines = export::view(&fleet(), ExportFormat::Jsonl, 9100).text;
    let lines: Vec<Discovery> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines, fleet().servers);
    let targets = export::view(&fleet(), ExportFormat::FileSd, 9101).text;
    let targets: Value = serde_json::from_str(&targets).unwrap();
    let expected = json!({"targets": ["10.0.0.1:9101"], "labels": {
        "__meta_lobby_hostname": "a", "__meta_lobby_label_address": ",10.0.0.1,",
        "__meta_lobby_label_drain": ",,", "__meta_lobby_label_note": ",two words,",
        "__meta_lobby_label_service": ",smtp,web,",
    }});
    assert_eq!(targets[0], expected);
    assert_eq!(targets[1]["targets"], json!(["[2a03::1]:9101"]));
    assert_eq!(targets[2]["targets"], json!(["c:9101"]));
    // Two keys, one name.
    assert_eq!(targets[2]["labels"]["__meta_lobby_label_a_b"], ",1,2,");
}

fn inventory(fleet: &Fleet) -> Value {
    serde_json::from_str(&ansible::inventory(fleet).text).unwrap()
}

#[test]
fn an_inventory_has_a_group_for_each_label_in_that_of_its_key() {
    let inventory = inventory(&fleet());
    assert_eq!(inventory["service"], json!({"children": ["service_smtp", "service_web"]}));
    assert_eq!(inventory["service_web"], json!({"hosts": ["a"]}));
    assert_eq!(inventory["drain"], json!({"hosts": ["a"]}));
    assert_eq!(inventory["_1st_x"], json!({"hosts": ["c"]}));
    assert_eq!(inventory["note_two_words"], json!({"hosts": ["a"]}));
    assert_eq!(inventory["ungrouped"], json!({"hosts": []}));
    let top =
        json!({"children": ["_1st", "a_b", "address", "drain", "note", "service", "ungrouped"]});
    assert_eq!(inventory["all"], top);
    let a = &inventory["_meta"]["hostvars"]["a"];
    assert_eq!(
        (&a["ansible_host"], &a["lobby"]["service"]),
        (&json!("10.0.0.1"), &json!([{"__ansible_unsafe": "smtp"}, {"__ansible_unsafe": "web"}]))
    );
    assert_eq!(ansible::host(&fleet(), "nobody"), "{}\n");
    let host: Value = serde_json::from_str(&ansible::host(&fleet(), "a")).unwrap();
    assert_eq!(&host, a);
}

#[test]
fn no_label_makes_a_group_of_ansible_itself_or_too_long_a_one() {
    let long = format!("long:{}", "x".repeat(60));
    let servers = vec![server("a", &["all", "ungrouped:", "_meta", &long])];
    let fleet = Fleet { servers, ..fleet() };
    let inventory = inventory(&fleet);
    assert_eq!(inventory["_all"], json!({"hosts": ["a"]}));
    assert_eq!(inventory["_ungrouped"], json!({"children": ["ungrouped_"]}));
    assert_eq!(inventory["__meta"], json!({"hosts": ["a"]}));
    assert_eq!(inventory["long"], json!(null));
}

#[test]
fn no_label_makes_a_group_of_itself() {
    let servers = vec![server("a", &[":", "_:x"])];
    let fleet = Fleet { servers, address_labels: AddressLabels::default(), now: 100 };
    let inventory = inventory(&fleet);
    for (name, group) in inventory.as_object().unwrap() {
        let children = group["children"].as_array().into_iter().flatten();
        assert!(children.into_iter().all(|child| child != name.as_str()), "{inventory}");
    }
    assert_eq!(inventory["_"]["hosts"], json!(["a"]));
}

#[test]
fn ansible_evaluates_no_text_of_a_host() {
    let labels = ["{{ key }}:x", "{%k%}", "a:{{ b }}:{{ c }}", "__ansible_vault:x", "d"];
    let fleet = Fleet { servers: vec![server("a", &labels)], ..fleet() };
    let variables = &inventory(&fleet)["_meta"]["hostvars"]["a"];
    let marked = labels.map(|label| json!({"__ansible_unsafe": label}));
    let given = variables["lobby_labels"].as_array().unwrap();
    assert!(marked.iter().all(|label| given.contains(label)), "{given:?}");
    assert_eq!(
        variables["lobby"],
        json!({"a": [{"__ansible_unsafe": "{{ b }}:{{ c }}"}], "d": []})
    );
    let host: Value = serde_json::from_str(&ansible::host(&fleet, "a")).unwrap();
    assert_eq!(&host, variables);
}

#[test]
fn a_server_whose_name_ansible_would_misread_is_left_out() {
    let names = [
        "{{h}}",
        "{%h",
        "..",
        "../../etc",
        ".x",
        "-x",
        "a/b",
        "b*",
        "a:b",
        "localhost",
        "127.0.0.1",
        "::1",
        "__ansible_vault",
        "__ansible_unsafe",
    ];
    for name in names {
        let servers = vec![server("a", &["x"]), server(name, &["x", "y"])];
        let fleet = Fleet { servers, ..fleet() };
        let inventory = inventory(&fleet);
        assert_eq!((&inventory["x"], &inventory["y"]), (&json!({"hosts": ["a"]}), &Value::Null));
        let hosts = inventory["_meta"]["hostvars"].as_object().unwrap();
        assert_eq!(hosts.keys().collect::<Vec<_>>(), ["a"], "{name}");
        assert_eq!(ansible::inventory(&fleet).left_out, 1, "{name}");
        assert_eq!(ansible::host(&fleet, name), "{}\n");
    }
}

#[test]
fn no_label_makes_a_group_that_ansible_takes_for_something_else() {
    let labels = ["localhost", "__ansible_vault:x", "--ansible_unsafe"];
    let fleet = Fleet { servers: vec![server("a", &labels)], ..fleet() };
    let inventory = inventory(&fleet);
    let top =
        json!({"children": ["___ansible_unsafe", "___ansible_vault", "_localhost", "ungrouped"]});
    assert_eq!(inventory["all"], top);
    assert_eq!(inventory["___ansible_vault"], json!({"children": ["___ansible_vault_x"]}));
    assert_eq!(inventory.get("localhost"), None);
}
