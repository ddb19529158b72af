//! The metrics of a daemon, as the real Prometheus and its tools see them.

use std::process::Stdio;

use lobby_tests::{
    LIMIT, Lobbyd, NatsServer, Prometheus, RawPeer, Signal, ensure, eventually, free_port,
};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// A Prometheus that scrapes these daemons each second.
async fn scraping(daemons: &[&Lobbyd], authorization: &str) -> Prometheus {
    let targets: Vec<_> = daemons.iter().map(|daemon| format!("'{}'", daemon.address())).collect();
    let targets = targets.join(", ");
    Prometheus::start(&format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
- job_name: lobby
  static_configs: [{{targets: [{targets}]}}]
  {authorization}
"
    ))
    .await
}

async fn metrics(daemon: &Lobbyd) -> String {
    let answer = daemon.get("/metrics").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text()
}

/// The value of a series, whose name has its labels.
async fn value(daemon: &Lobbyd, series: &str) -> f64 {
    let text = metrics(daemon).await;
    let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {series} in {text}")).parse().unwrap()
}

#[track_caller]
fn becomes<'a>(
    daemon: &'a Lobbyd,
    series: &'a str,
    fits: impl Fn(f64) -> bool + 'a,
) -> impl Future<Output = ()> + 'a {
    eventually(LIMIT, async move || {
        let value = value(daemon, series).await;
        ensure(fits(value), format!("{series} {value}"))
    })
}

/// The series of a daemon, without their values.
async fn series(daemon: &Lobbyd) -> Vec<String> {
    let text = metrics(daemon).await;
    let series = text.lines().filter(|line| !line.starts_with('#'));
    series.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
}

#[actix_rt::test]
async fn the_real_prometheus_scrapes_it_with_the_read_token() {
    let nats = NatsServer::start().await;
    let a = Lobbyd::named("a").set("TOKEN", "s3cret").set("READ_TOKEN", "r3ad").nats(&nats);
    let a = a.start().await;
    let _b = Lobbyd::named("b").nats(&nats).start().await;
    let authorization = "authorization: {type: Bearer, credentials: r3ad}";
    let prometheus = scraping(&[&a], authorization).await;
    prometheus.tells("up", |value| value == 1.0).await;
    prometheus.tells("lobby_servers", |value| value == 2.0).await;
    prometheus.tells("lobby_driver_up{driver=\"NATS\"}", |value| value == 1.0).await;
    prometheus.tells("process_resident_memory_bytes", |value| value > 1e6).await;
    assert!(prometheus.complaints().is_empty(), "{:?}", prometheus.complaints());
    assert_eq!(a.get("/metrics").await.status, 403);
}

#[actix_rt::test]
async fn both_forms_are_sent_as_accept_says() {
    let daemon = Lobbyd::named("a").start().await;
    let asked = async |accept| daemon.request("GET", "/metrics", &[("Accept", accept)], "").await;
    let openmetrics = asked("application/openmetrics-text;version=1.0.0,text/plain;q=0.5").await;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(openmetrics.header("content-type"), Some(kind));
    assert!(openmetrics.text().ends_with("# EOF\n"));
    let classic = asked("*/*").await;
    assert_eq!(classic.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(classic.header("vary"), Some("Accept"));
    assert!(!classic.text().contains("EOF"));
}

#[actix_rt::test]
async fn promtool_finds_nothing_to_complain_about() {
    let daemon = Lobbyd::named("a").start().await;
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped());
    let mut promtool =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut stdin = promtool.stdin.take().unwrap();
    stdin.write_all(metrics(&daemon).await.as_bytes()).await.unwrap();
    drop(stdin);
    let output = promtool.wait_with_output().await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}

#[actix_rt::test]
async fn every_series_is_there_from_the_start_and_none_per_host() {
    let nats = NatsServer::start().await;
    let daemon = Lobbyd::named("a").nats(&nats).start().await;
    let before = series(&daemon).await;
    let wire = RawPeer::nats(&nats).await;
    eventually(LIMIT, async || {
        for host in 0..50 {
            wire.say_hi(&format!("host-{host}"), &["service:web"]).await;
        }
        let servers = value(&daemon, "lobby_servers").await;
        ensure(servers == 51.0, servers)
    })
    .await;
    assert_eq!(series(&daemon).await, before);
}

#[actix_rt::test]
async fn the_numbers_follow_what_happens() {
    let mut nats = NatsServer::start().await;
    let daemon = Lobbyd::named("a").nats(&nats).set("CALLBACK", "/bin/false");
    let daemon = daemon.set("CALLBACK_FIRST_RUN_DELAY", "0").set("CALLBACK_COOLDOWN", "0");
    let daemon = daemon.set("LABELS", "x:1").start().await;
    becomes(&daemon, "lobby_driver_up{driver=\"NATS\"}", |up| up == 1.0).await;
    assert_eq!(value(&daemon, "lobby_alone").await, 1.0);
    becomes(&daemon, "lobby_warm", |warm| warm == 1.0).await;
    becomes(&daemon, "lobby_callback_runs_total{result=\"failure\"}", |runs| runs > 0.0).await;
    assert_eq!(value(&daemon, "lobby_callback_runs_total{result=\"success\"}").await, 0.0);
    let wire = RawPeer::nats(&nats).await;
    wire.say_hi("b", &[]).await;
    becomes(&daemon, "lobby_alone", |alone| alone == 0.0).await;
    wire.say("garbage").await;
    let refused = "lobby_packets_refused_total{driver=\"NATS\",reason=\"not_json\"}";
    becomes(&daemon, refused, |packets| packets == 1.0).await;
    nats.kill();
    becomes(&daemon, "lobby_driver_up{driver=\"NATS\"}", |up| up == 0.0).await;
    assert_eq!(value(&daemon, "lobby_servers").await, 2.0, "the list is frozen");
    daemon.signal(Signal::TERM);
}

/// Runs promtool beside a copy of the rules.
async fn promtool(words: &[&str]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/");
    for file in ["../config/alerts.yml", "e2e/prometheus/alerts_test.yml"] {
        let name = file.rsplit('/').next().unwrap();
        std::fs::copy(format!("{root}{file}"), directory.path().join(name)).unwrap();
    }
    let mut command = Command::new("promtool");
    command.args(words).current_dir(directory.path());
    let output = command.kill_on_drop(true).output().await.unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{said}");
    said
}

#[actix_rt::test]
async fn the_alerts_fire_when_they_should_and_at_no_other_time() {
    promtool(&["check", "rules", "alerts.yml"]).await;
    let said = promtool(&["test", "rules", "alerts_test.yml"]).await;
    assert!(said.contains("SUCCESS"), "{said}");
}

/// A series with its labels in order, without those that Prometheus adds.
fn as_told(series: &str) -> String {
    let (name, labels) = series.trim_end_matches('}').split_once('{').unwrap_or((series, ""));
    let mut labels: Vec<_> = labels.split(',').filter(|label| !label.is_empty()).collect();
    labels.retain(|label| !label.starts_with("job=") && !label.starts_with("instance="));
    labels.sort_unstable();
    format!("{name}{labels:?}")
}

#[actix_rt::test]
async fn the_alerts_and_their_test_use_series_that_there_are() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/");
    let read = |file: &str| std::fs::read_to_string(format!("{root}{file}")).unwrap();
    let daemon = Lobbyd::named("a").nats_at("nats://127.0.0.1:1").redis_at(1);
    let daemon = daemon.set("CALLBACK", "/bin/true").start().await;
    let told: Vec<_> = series(&daemon).await.iter().map(|series| as_told(series)).collect();

    let tried = read("e2e/prometheus/alerts_test.yml");
    let tried = tried.lines().filter_map(|line| line.split_once("series: '")?.1.strip_suffix('\''));
    let tried: Vec<_> = tried.map(as_told).collect();
    for series in &tried {
        assert!(told.contains(series), "no {series} in {told:?}");
    }
    let rules = read("../config/alerts.yml");
    let words = rules.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names: Vec<_> = words.filter(|word| word.starts_with("lobby_")).collect();
    assert!(names.len() > 6, "{names:?}");
    for name in names {
        let is_of = |series: &&String| series.split('[').next() == Some(name);
        assert!(told.iter().any(|series| is_of(&series)), "no {name} in {told:?}");
        assert!(tried.iter().any(|series| is_of(&series)), "no test of {name}");
    }
}

/// All queries of the dashboard, with its variables filled in.
fn queries() -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/dashboard.json");
    let dashboard: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let expressions = targets.map(|target| target["expr"].as_str().unwrap());
    expressions.map(|e| e.replace("$instance", ".*").replace("$__rate_interval", "1m")).collect()
}

#[actix_rt::test]
async fn every_query_of_the_dashboard_has_an_answer() {
    let nats = NatsServer::start().await;
    let a = Lobbyd::named("a").nats(&nats).start().await;
    let b = Lobbyd::named("b").nats(&nats).redis_at(free_port()).start().await;
    let prometheus = scraping(&[&a, &b], "").await;
    assert!(queries().len() > 12);
    for query in queries() {
        eventually(LIMIT, async || {
            let found = prometheus.query(&query).await;
            ensure(found.is_ok_and(|values| !values.is_empty()), &query)
        })
        .await;
    }
}
