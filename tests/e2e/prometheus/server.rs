//! A real Prometheus discovers its targets through lobbyd.

use lobby_tests::{
    LIMIT, Lobbyd, NatsServer, Prometheus, RawPeer, ensure, eventually, free_port, lobbyctl,
};
use serde_json::json;

/// A Prometheus that asks this daemon for group `ne` each second and scrapes nothing meanwhile.
fn configuration(daemon: &Lobbyd, authorization: &str) -> String {
    let address = daemon.address();
    format!(
        "global: {{scrape_interval: 1h, scrape_timeout: 1s}}
scrape_configs:
- job_name: lobby
  http_sd_configs:
  - url: http://{address}/v1/prometheus/ne
    refresh_interval: 1s
    {authorization}
"
    )
}

#[actix_rt::test]
async fn it_finds_several_hosts_ipv6_among_them_with_their_labels() {
    let nats = NatsServer::start().await;
    let a_labels = "prometheus:ne:host:127.0.0.1,prometheus:ne:location:prague";
    let a = Lobbyd::named("a").labels(a_labels).nats(&nats).start().await;
    let b_labels =
        "prometheus:ne:host:::1,prometheus:ne:host:127.0.0.2:9300,prometheus:ne:port:9200";
    let _b = Lobbyd::named("b").labels(b_labels).nats(&nats).start().await;
    let prometheus = Prometheus::start(&configuration(&a, "")).await;
    let targets = prometheus
        .scrapes(&[
            "http://127.0.0.1:9100/metrics",
            "http://127.0.0.2:9300/metrics",
            "http://[::1]:9200/metrics",
        ])
        .await;
    let labels = &targets["http://127.0.0.1:9100/metrics"];
    assert_eq!(
        *labels,
        json!({"instance": "127.0.0.1:9100", "job": "lobby", "location": "prague"})
    );
}

#[actix_rt::test]
async fn an_invalid_label_name_of_one_host_does_not_harm_the_rest() {
    let nats = NatsServer::start().await;
    let a = Lobbyd::named("a").labels("prometheus:ne:host:127.0.0.1").nats(&nats).start().await;
    let wire = RawPeer::nats(&nats).await;
    let prometheus = Prometheus::start(&configuration(&a, "")).await;
    wire.say_hi(
        "b",
        &[
            "prometheus:ne:weird-name.x:v",
            "prometheus:ne:host:127.0.0.2",
            "prometheus:ne:host:bad/host",
        ],
    )
    .await;
    let targets = prometheus
        .scrapes(&["http://127.0.0.1:9100/metrics", "http://127.0.0.2:9100/metrics"])
        .await;
    assert_eq!(targets["http://127.0.0.2:9100/metrics"]["weird_name_x"], "v");
    assert!(prometheus.complaints().is_empty(), "{:?}", prometheus.complaints());
}

#[actix_rt::test]
async fn it_gets_in_with_the_token_in_either_spelling() {
    let a = Lobbyd::named("a")
        .set("TOKEN", "s3cret")
        .labels("prometheus:ne:host:127.0.0.1")
        .start()
        .await;
    for kind in ["Token", "Bearer"] {
        let authorization = format!("authorization: {{type: {kind}, credentials: s3cret}}");
        let prometheus = Prometheus::start(&configuration(&a, &authorization)).await;
        prometheus.scrapes(&["http://127.0.0.1:9100/metrics"]).await;
    }
}

#[actix_rt::test]
async fn it_does_not_get_in_without_the_token() {
    let a = Lobbyd::named("a")
        .set("TOKEN", "s3cret")
        .labels("prometheus:ne:host:127.0.0.1")
        .start()
        .await;
    let prometheus = Prometheus::start(&configuration(&a, "")).await;
    eventually(LIMIT, async || {
        let complaints = prometheus.complaints();
        ensure(complaints.iter().any(|line| line.contains("403")), complaints)
    })
    .await;
    assert!(prometheus.targets().await.is_empty());
}

#[actix_rt::test]
async fn it_follows_hosts_that_come_and_go() {
    let nats = NatsServer::start().await;
    let a = Lobbyd::named("a").labels("prometheus:ne:host:127.0.0.1").nats(&nats).start().await;
    let prometheus = Prometheus::start(&configuration(&a, "")).await;
    prometheus.scrapes(&["http://127.0.0.1:9100/metrics"]).await;
    let b = Lobbyd::named("b").labels("prometheus:ne:host:127.0.0.2").nats(&nats).start().await;
    prometheus.scrapes(&["http://127.0.0.1:9100/metrics", "http://127.0.0.2:9100/metrics"]).await;
    b.signal(lobby_tests::Signal::TERM);
    prometheus.scrapes(&["http://127.0.0.1:9100/metrics"]).await;
}

#[actix_rt::test]
async fn a_daemon_that_starts_anew_does_not_make_it_drop_its_targets() {
    let nats = NatsServer::start().await;
    let b = Lobbyd::named("b").labels("prometheus:ne:host:127.0.0.2").nats(&nats).start().await;
    let a = Lobbyd::named("a")
        .set("PORT", free_port().to_string())
        .set("REGISTER", "false")
        .set("KEEP_ALIVE", "4")
        .nats(&nats);
    let a = a.start().await;
    let prometheus = Prometheus::start(&configuration(&a, "")).await;
    prometheus.scrapes(&["http://127.0.0.2:9100/metrics"]).await;
    a.kill();
    let a = a.start_again().await;
    // From now until the new daemon knows of `b` for certain, Prometheus asks and must not see an
    // empty list.
    eventually(LIMIT, async || {
        let targets = prometheus.targets().await;
        assert_eq!(targets.len(), 1, "{targets:?}");
        ensure(a.get("/v1/prometheus/ne").await.status == 200, targets)
    })
    .await;
    a.meets("b").await;
    assert!(b.is_running());
    assert_eq!(prometheus.targets().await.len(), 1);
}

#[actix_rt::test]
async fn it_relabels_by_the_labels_of_a_server() {
    let nats = NatsServer::start().await;
    let labels = "prometheus:ne:__metrics_path__:/other,prometheus:ne:__param_module:smtp,\
                  prometheus:ne:__scheme__:https,prometheus:ne:host:127.0.0.1,\
                  service:smtp,service:web";
    let a = Lobbyd::named("a").labels(labels).nats(&nats).start().await;
    let b = Lobbyd::named("b").labels("prometheus:ne:host:127.0.0.2,service:webmail");
    let _b = b.nats(&nats).start().await;
    // The rules that the example shows.
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/prometheus.yml");
    let example = std::fs::read_to_string(example).unwrap();
    let lines = example.lines().map(|line| line.trim_start_matches(['#', ' ']));
    let rules: Vec<_> = lines.filter(|line| line.starts_with("- {source_labels")).collect();
    assert_eq!(rules.len(), 2, "{example}");
    let relabelling = format!("  relabel_configs:\n  {}\n", rules.join("\n  "));
    let configuration = configuration(&a, "").replace("/ne\n", "/ne?meta\n") + &relabelling;
    let prometheus = Prometheus::start(&configuration).await;
    let url = "https://127.0.0.1:9100/other?module=smtp";
    let targets = prometheus.scrapes(&[url]).await;
    let labels = json!({"instance": "127.0.0.1:9100", "job": "lobby", "server": "a"});
    assert_eq!(targets[url], labels);
    assert_eq!(a.get_json("/v1/prometheus").await, json!(["ne"]));
}

#[actix_rt::test]
async fn it_reads_the_file_that_lobbyctl_exports() {
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("lobby.json");
    let daemon = Lobbyd::named("a").labels("address:127.0.0.1,a-b:1,a_b:2").start().await;
    let targets = eventually(LIMIT, async || {
        let exported = lobbyctl(&daemon, &["export", "file-sd", "--target-port", "9101"]).await;
        if exported.status == Some(0) { Ok(exported.stdout) } else { Err(exported.stderr) }
    });
    std::fs::write(&file, targets.await).unwrap();
    let configuration = format!(
        "global: {{scrape_interval: 1h}}
scrape_configs:
- job_name: lobby
  file_sd_configs: [{{files: [{}]}}]
  relabel_configs:
  - {{source_labels: [__meta_lobby_hostname, __meta_lobby_label_a_b], target_label: seen}}
",
        file.display()
    );
    let prometheus = Prometheus::start(&configuration).await;
    let targets = prometheus.scrapes(&["http://127.0.0.1:9101/metrics"]).await;
    assert_eq!(targets["http://127.0.0.1:9101/metrics"]["seen"], "a;,1,2,");
}
