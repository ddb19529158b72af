//! Queries: the lists of the API, filtered or not.

use lobby_tests::{LIMIT, Lobbyd, NatsServer, RawPeer, ensure, eventually};
use serde_json::{Value, json};

/// A daemon `c` that knows of hosts `a`, `b` and `d`, too.
struct Fleet {
    daemon: Lobbyd,
    _nats: NatsServer,
}

impl Fleet {
    async fn new() -> Self {
        let nats = NatsServer::start().await;
        let wire = RawPeer::nats(&nats).await;
        let daemon = Lobbyd::named("c").set("TTL", "7200").nats(&nats).start().await;
        eventually(LIMIT, async || {
            wire.say_hi("b", &["location:prague", "service:web"]).await;
            wire.say_hi("d", &["service:webmail"]).await;
            wire.say_hi("a", &["location:prague"]).await;
            let hosts = daemon.discoveries().await.len();
            ensure(hosts == 4, hosts)
        })
        .await;
        Self { daemon, _nats: nats }
    }

    /// Host names and labels of the answer, in its order.
    async fn ask(&self, path: &str) -> Value {
        let packets = self.daemon.get_json(path).await;
        let packets = packets.as_array().expect("a list").iter();
        packets.map(|packet| json!([packet["hostname"], packet["labels"]])).collect()
    }
}

fn all_hosts() -> Value {
    json!([
        ["a", ["location:prague"]],
        ["b", ["location:prague", "service:web"]],
        ["c", []],
        ["d", ["service:webmail"]]
    ])
}

#[actix_rt::test]
async fn all_hosts_are_listed_by_name_under_both_routes() {
    let fleet = Fleet::new().await;
    assert_eq!(fleet.ask("/").await, all_hosts());
    assert_eq!(fleet.ask("/v1/discoveries").await, all_hosts());
}

#[actix_rt::test]
async fn a_filter_by_labels_shows_the_matching_labels_only() {
    let fleet = Fleet::new().await;
    let found = fleet.ask("/v1/discoveries?labels=service:web,location:brno").await;
    assert_eq!(found, json!([["b", ["service:web"]]]));
    let found = fleet.ask("/?labels=service:webmail,location:prague").await;
    assert_eq!(
        found,
        json!([["a", ["location:prague"]], ["b", ["location:prague"]], ["d", ["service:webmail"]]])
    );
}

#[actix_rt::test]
async fn a_filter_by_prefixes_shows_the_matching_labels_only() {
    let fleet = Fleet::new().await;
    let found = fleet.ask("/v1/discoveries?prefixes=service:web").await;
    assert_eq!(found, json!([["b", ["service:web"]], ["d", ["service:webmail"]]]));
    let found = fleet.ask("/v1/discoveries?prefixes=nothing,loc").await;
    assert_eq!(found, json!([["a", ["location:prague"]], ["b", ["location:prague"]]]));
}

#[actix_rt::test]
async fn prefixes_are_ignored_beside_labels() {
    let fleet = Fleet::new().await;
    let found = fleet.ask("/v1/discoveries?prefixes=location:&labels=service:web").await;
    assert_eq!(found, json!([["b", ["service:web"]]]));
    assert_eq!(fleet.ask("/v1/discoveries?labels=nothing&prefixes=location:").await, json!([]));
}

#[actix_rt::test]
async fn an_empty_filter_is_ignored_and_an_empty_prefix_fits_all() {
    let fleet = Fleet::new().await;
    for no_filter in ["?labels=", "?prefixes=", "?labels", "?other=x"] {
        assert_eq!(
            fleet.ask(&format!("/v1/discoveries{no_filter}")).await,
            all_hosts(),
            "{no_filter}"
        );
    }
    assert_eq!(fleet.ask("/v1/discoveries?labels=,").await, json!([]));
    let with_labels = fleet.ask("/v1/discoveries?prefixes=,").await;
    assert_eq!(with_labels.as_array().unwrap().len(), 3, "{with_labels}");
}

#[actix_rt::test]
async fn the_first_of_repeated_parameters_counts() {
    let fleet = Fleet::new().await;
    let found = fleet.ask("/v1/discoveries?labels=service:web&labels=location:prague").await;
    assert_eq!(found, json!([["b", ["service:web"]]]));
}

#[actix_rt::test]
async fn query_values_are_percent_decoded() {
    let fleet = Fleet::new().await;
    let found = fleet.ask("/v1/discoveries?labels=service%3Aweb%2Clocation%3Abrno").await;
    assert_eq!(found, json!([["b", ["service:web"]]]));
}

#[actix_rt::test]
async fn resolve_lists_the_names_that_have_exactly_this_label() {
    let fleet = Fleet::new().await;
    let resolve = async |query: &str| fleet.daemon.get_json(&format!("/v1/resolve{query}")).await;
    assert_eq!(resolve("?label=location:prague").await, json!(["a", "b"]));
    assert_eq!(resolve("?label=service:web").await, json!(["b"]));
    assert_eq!(resolve("?label=service%3Aweb").await, json!(["b"]));
    for label in ["?label=service", "?label=service:web,location:prague", "?label=", ""] {
        assert_eq!(resolve(label).await, json!([]), "{label}");
    }
}

/// A host may be heard between two answers.
fn but_for_times(mut answer: Value) -> Value {
    for host in answer.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        host.remove("last_check");
    }
    answer
}

#[actix_rt::test]
async fn answers_are_compact_json_and_pretty_on_demand() {
    let fleet = Fleet::new().await;
    for path in [
        "/",
        "/v1/discoveries",
        "/v1/discovery",
        "/v1/resolve?label=location:prague",
        "/v1/prometheus/x",
    ] {
        let compact = fleet.daemon.get(path).await;
        let and = if path.contains('?') { '&' } else { '?' };
        let pretty = fleet.daemon.get(&format!("{path}{and}pretty")).await;
        for answer in [&compact, &pretty] {
            assert_eq!(
                (answer.status, answer.header("content-type")),
                (200, Some("application/json")),
                "{path}"
            );
        }
        assert!(!compact.text().trim_end().contains(['\n', ' ']), "{path}: {}", compact.text());
        assert_eq!(but_for_times(compact.json()), but_for_times(pretty.json()), "{path}");
        let empty = compact.json() == json!([]);
        assert!(empty || pretty.text().contains("\n  "), "{path}: {}", pretty.text());
    }
}

#[actix_rt::test]
async fn a_packet_is_in_the_bytes_that_clients_know() {
    let daemon = Lobbyd::named("a").labels("x:1").start().await;
    let text = daemon.get("/v1/discovery").await.text();
    assert_eq!(text.trim_end(), r#"{"hostname":"a","labels":["x:1"],"last_check":0}"#);
}

#[actix_rt::test]
async fn an_empty_lobby_is_an_empty_list() {
    let daemon = Lobbyd::named("a").set("REGISTER", "false").start().await;
    for path in [
        "/",
        "/v1/discoveries",
        "/v1/discoveries?labels=x",
        "/v1/resolve?label=x",
        "/v1/prometheus/x",
    ] {
        assert_eq!(daemon.get(path).await.text().trim_end(), "[]", "{path}");
    }
}

#[actix_rt::test]
async fn the_own_packet_is_fresh_from_the_files() {
    let daemon = Lobbyd::named("a").labels("env:1").without_keep_alive().start().await;
    assert_eq!(
        daemon.get_json("/v1/discovery").await,
        json!({"hostname": "a", "labels": ["env:1"], "last_check": 0})
    );
    std::fs::write(daemon.labels_path().join("file"), "file:1\n").unwrap();
    assert_eq!(daemon.own_labels().await, json!(["env:1", "file:1"]));
}

#[actix_rt::test]
async fn a_target_may_hold_raw_characters() {
    let daemon = Lobbyd::named("a").labels("město:Praha,q:\"<x>\"").start().await;
    for path in [
        "/v1/resolve?label=město:Praha",
        "/v1/resolve?label=q:\"<x>\"",
        "/v1/resolve?label=m%C4%9Bsto:Praha",
    ] {
        assert_eq!(daemon.get_json(path).await, json!(["a"]), "{path}");
    }
    assert_eq!(
        daemon.get_json("/v1/discoveries?prefixes=měs").await[0]["labels"],
        json!(["město:Praha"])
    );
    assert!(
        daemon.get("/měs<to>").await.text().contains("/m%C4%9Bs%3Cto%3E"),
        "it is a path like any other"
    );
}

#[actix_rt::test]
async fn a_raw_target_is_read_behind_a_raw_body_on_one_connection() {
    let daemon = Lobbyd::named("a").start().await;
    let body = "město:Praha\n";
    let post = format!(
        "POST /v1/labels HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let get = "GET /v1/resolve?label=město:Praha HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let reply = lobby_tests::http::exchange(daemon.address(), format!("{post}{get}").as_bytes())
        .await
        .unwrap();
    let reply = String::from_utf8_lossy(&reply);
    assert_eq!(reply.matches("HTTP/1.1 200 OK").count(), 2, "{reply}");
    assert_eq!(daemon.own_labels().await, json!(["město:Praha"]));
}

#[actix_rt::test]
async fn connections_are_kept_alive_over_several_requests() {
    use tokio::io::AsyncWriteExt;
    let daemon = Lobbyd::named("a").start().await;
    let mut stream = lobby_tests::http::connect(daemon.address()).await;
    let request = |last: &str| {
        format!("GET /v1/discovery HTTP/1.1\r\nHost: {}\r\n{last}\r\n", daemon.address())
    };
    for last in ["", "", "Connection: close\r\n"] {
        stream.write_all(request(last).as_bytes()).await.unwrap();
    }
    let reply = lobby_tests::http::rest(&mut stream).await;
    assert_eq!(String::from_utf8_lossy(&reply).matches("HTTP/1.1 200 OK").count(), 3);
}
