//! The Prometheus document, rule by rule.

use std::time::Duration;

use lobby_tests::{LIMIT, Lobbyd, NatsServer, RawPeer, ensure, eventually};
use serde_json::{Value, json};

/// The document of group `ne` from a daemon `node-a` with these labels alone.
async fn document(labels: &str) -> Value {
    document_with(labels, &[]).await
}

async fn document_with(labels: &str, settings: &[(&str, &str)]) -> Value {
    let daemon = Lobbyd::named("node-a").labels(labels);
    let daemon =
        settings.iter().fold(daemon, |daemon, (setting, value)| daemon.set(setting, value));
    daemon.start().await.get_json("/v1/prometheus/ne").await
}

fn targets(targets: &[&str]) -> Value {
    json!([{"Labels": {}, "Targets": targets}])
}

#[actix_rt::test]
async fn a_group_has_exactly_these_bytes() {
    let labels =
        "prometheus:ne:location:prague,prometheus:ne:host:127.0.0.1,other:1,prometheus:ne:env:prod";
    let daemon = Lobbyd::named("node-a").labels(labels).start().await;
    let expected =
        r#"[{"Labels":{"env":"prod","location":"prague"},"Targets":["127.0.0.1:9100"]}]"#;
    assert_eq!(daemon.get("/v1/prometheus/ne").await.text().trim_end(), expected);
}

#[actix_rt::test]
async fn every_group_that_is_named_can_be_asked_for() {
    let labels = "prometheus:,prometheus::key:value,prometheus:node:,prometheus:ne";
    let daemon = Lobbyd::named("node-a").labels(labels).start().await;
    assert_eq!(daemon.get_json("/v1/prometheus").await, json!(["ne", "node:"]));
    for group in ["ne", "node:"] {
        let document = daemon.get_json(&format!("/v1/prometheus/{group}")).await;
        assert_eq!(document, targets(&["node-a:9100"]), "{group}");
    }
}

#[actix_rt::test]
async fn a_host_without_labels_of_the_group_is_not_in_the_document() {
    assert_eq!(
        document("service:web,prometheus:other,prometheus:nex:host:127.0.0.1,prometheus").await,
        json!([])
    );
}

#[actix_rt::test]
async fn without_host_label_the_host_name_is_the_target() {
    assert_eq!(document("prometheus:ne").await, targets(&["node-a:9100"]));
    let with_label = document("prometheus:ne:location:prague").await;
    assert_eq!(with_label, json!([{"Labels": {"location": "prague"}, "Targets": ["node-a:9100"]}]));
    assert_eq!(document("prometheus:ne:port:9200").await, targets(&["node-a:9200"]));
}

#[actix_rt::test]
async fn host_labels_are_targets_which_are_sorted_and_unique() {
    let labels = "prometheus:ne:host:127.0.0.9,prometheus:ne:host:127.0.0.10,prometheus:ne:host:127.0.0.9:9100";
    assert_eq!(document(labels).await, targets(&["127.0.0.10:9100", "127.0.0.9:9100"]));
}

#[actix_rt::test]
async fn the_port_label_is_for_hosts_that_carry_none() {
    let labels =
        "prometheus:ne:host:127.0.0.1,prometheus:ne:host:srv1:1234,prometheus:ne:port:9200";
    assert_eq!(document(labels).await, targets(&["127.0.0.1:9200", "srv1:1234"]));
}

#[actix_rt::test]
async fn a_port_of_a_dash_appends_nothing() {
    assert_eq!(
        document("prometheus:ne:host:127.0.0.1,prometheus:ne:port:-").await,
        targets(&["127.0.0.1"])
    );
    assert_eq!(document("prometheus:ne:port:-").await, targets(&["node-a"]));
    assert_eq!(
        document("prometheus:ne:host:2a03::1,prometheus:ne:port:-").await,
        targets(&["2a03::1"])
    );
}

#[actix_rt::test]
async fn the_default_port_is_a_setting() {
    let settings = [("NODE_EXPORTER_PORT", "9999")];
    assert_eq!(
        document_with("prometheus:ne:host:127.0.0.1", &settings).await,
        targets(&["127.0.0.1:9999"])
    );
    let labels = "prometheus:ne:host:127.0.0.1,prometheus:ne:port:9100";
    assert_eq!(document_with(labels, &settings).await, targets(&["127.0.0.1:9100"]));
}

#[actix_rt::test]
async fn an_ipv6_host_gets_brackets_and_the_port() {
    assert_eq!(document("prometheus:ne:host:2a03::1").await, targets(&["[2a03::1]:9100"]));
    assert_eq!(document("prometheus:ne:host:[2a03::1]").await, targets(&["[2a03::1]:9100"]));
    assert_eq!(
        document("prometheus:ne:host:2a03::1,prometheus:ne:port:9200").await,
        targets(&["[2a03::1]:9200"])
    );
    assert_eq!(document("prometheus:ne:host:[2a03::1]:1234").await, targets(&["[2a03::1]:1234"]));
}

#[actix_rt::test]
async fn a_label_value_keeps_its_colons() {
    let document = document("prometheus:ne:url:http://x:1/y,prometheus:ne:host:127.0.0.1").await;
    assert_eq!(document[0]["Labels"], json!({"url": "http://x:1/y"}));
}

#[actix_rt::test]
async fn bad_characters_of_a_label_name_become_underscores() {
    let labels = "prometheus:ne:weird-name.x:v,prometheus:ne:9lives:cat,prometheus:ne:good_1:w";
    let document = document(labels).await;
    let labels = document[0]["Labels"].as_object().unwrap();
    assert_eq!(
        (&labels["weird_name_x"], &labels["good_1"], labels.len()),
        (&json!("v"), &json!("w"), 3)
    );
    assert!(labels.keys().all(|name| is_label_name(name)), "{document}");
}

fn is_label_name(name: &str) -> bool {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts_well && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[actix_rt::test]
async fn targets_that_are_empty_or_hold_a_slash_are_left_out() {
    let labels =
        "prometheus:ne:host:,prometheus:ne:host:127.0.0.1/metrics,prometheus:ne:host:127.0.0.2";
    assert_eq!(document(labels).await, targets(&["127.0.0.2:9100"]));
}

#[actix_rt::test]
async fn a_label_name_that_had_to_be_mended_is_logged_once() {
    let daemon = Lobbyd::named("node-a").labels("prometheus:ne:weird-name:v").start().await;
    for _ in 0..5 {
        daemon.get_json("/v1/prometheus/ne").await;
    }
    daemon.logged("weird-name").await;
    assert_eq!(daemon.logs_with("weird-name").len(), 1);
}

#[actix_rt::test]
async fn the_same_fleet_gives_the_same_bytes_from_every_daemon() {
    let nats = NatsServer::start().await;
    let wire = RawPeer::nats(&nats).await;
    let silent =
        |name: &str| Lobbyd::named(name).set("REGISTER", "false").set("TTL", "7200").nats(&nats);
    let (left, right) = (silent("left").start().await, silent("right").start().await);
    for daemon in [&left, &right] {
        eventually(LIMIT, async || {
            for host in ["c", "a", "b"] {
                wire.say_hi(
                    host,
                    &[
                        "prometheus:ne:y:1",
                        "prometheus:ne:host:127.0.0.2",
                        "prometheus:ne:host:127.0.0.1",
                    ],
                )
                .await;
            }
            let hosts = daemon.discoveries().await.len();
            ensure(hosts == 3, hosts)
        })
        .await;
    }
    let text = left.get("/v1/prometheus/ne").await.text();
    assert_eq!(text, right.get("/v1/prometheus/ne").await.text());
    let group = r#"{"Labels":{"y":"1"},"Targets":["127.0.0.1:9100","127.0.0.2:9100"]}"#;
    assert_eq!(text.trim_end(), format!("[{group},{group},{group}]"));
}

#[actix_rt::test]
async fn a_daemon_that_just_started_leaves_no_host_out() {
    let nats = NatsServer::start().await;
    let keep_alive =
        |name: &str| Lobbyd::named(name).set("KEEP_ALIVE", "2").labels("prometheus:ne").nats(&nats);
    let a = keep_alive("a").start().await;
    a.knows(json!({"a": ["prometheus:ne"]})).await;
    let b = keep_alive("b").start().await;
    let document = b.get_json("/v1/prometheus/ne").await;
    let expected =
        json!([{"Labels": {}, "Targets": ["a:9100"]}, {"Labels": {}, "Targets": ["b:9100"]}]);
    assert_eq!(document, expected);
}

#[actix_rt::test]
async fn without_a_driver_only_the_document_is_503() {
    let mut nats = NatsServer::start().await;
    nats.kill();
    let daemon = Lobbyd::named("a").labels("prometheus:ne").nats(&nats).start().await;
    let answer = daemon.get("/v1/prometheus/ne").await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    let seconds: Option<u32> = answer.header("retry-after").and_then(|value| value.parse().ok());
    assert!(seconds.is_some_and(|seconds| seconds > 0), "{answer:?}");
    assert_eq!(daemon.lobby().await, json!({"a": ["prometheus:ne"]}));
}

#[actix_rt::test]
async fn a_broker_that_comes_late_gives_no_list_before_all_were_heard() {
    let mut nats = NatsServer::start().await;
    nats.kill();
    let member =
        |name: &str| Lobbyd::named(name).set("KEEP_ALIVE", "5").labels("prometheus:ne").nats(&nats);
    let (a, b) = (member("a").start().await, member("b").start().await);
    let asked_at_the_start = async {
        let answer = a.get("/v1/prometheus/ne").await;
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
    };
    let broker_comes = async {
        b.is_cut_off_for(Duration::from_secs(2)).await;
        nats.restart().await;
    };
    tokio::join!(asked_at_the_start, broker_comes);
    let first = eventually(LIMIT, async || {
        let answer = a.get("/v1/prometheus/ne").await;
        if answer.status == 200 { Ok(answer.json()) } else { Err(answer.text()) }
    });
    let all = json!([{"Labels": {}, "Targets": ["a:9100"]}, {"Labels": {}, "Targets": ["b:9100"]}]);
    assert_eq!(first.await, all, "the first list is the whole one");
}

#[actix_rt::test]
async fn the_count_of_problems_falls_when_labels_are_put_right() {
    let nats = NatsServer::start().await;
    let daemon = Lobbyd::named("a").nats(&nats).start().await;
    let wire = RawPeer::nats(&nats).await;
    let problems = async |expected: usize| {
        eventually(LIMIT, async || {
            daemon.get("/v1/prometheus/ne").await;
            let problems = daemon.get_json("/v1/status").await["prometheus_problems"].clone();
            ensure(problems == expected, problems)
        })
        .await;
    };
    wire.hears(1, "a", "hi").await;
    wire.say_hi("b", &["prometheus:ne:port:http", "prometheus:ne:host:a/b"]).await;
    wire.say_hi("c", &["prometheus:ne:port:http"]).await;
    problems(3).await;
    wire.say_hi("b", &["prometheus:ne:port:http"]).await;
    problems(2).await;
    wire.say_goodbye("c").await;
    problems(1).await;
}
