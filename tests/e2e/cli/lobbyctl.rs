//! The command line as a person uses it.

use lobby_tests::{
    Lobbyd, NatsServer, Outcome, RawPeer, ensure, eventually, free_port, lobbyctl, lobbyctl_with,
};
use serde_json::{Value, json};

/// A daemon `n1` that knows of `node-2` and `x`, too.
async fn fleet() -> (Lobbyd, NatsServer) {
    let nats = NatsServer::start().await;
    let wire = RawPeer::nats(&nats).await;
    let daemon = Lobbyd::named("n1")
        .labels("location:prague,service:web")
        .set("TTL", "7200")
        .nats(&nats)
        .start()
        .await;
    eventually(lobby_tests::LIMIT, async || {
        wire.say_hi("node-2", &["service:webmail"]).await;
        wire.say_hi("x", &[]).await;
        let hosts = daemon.discoveries().await.len();
        ensure(hosts == 3, hosts)
    })
    .await;
    (daemon, nats)
}

#[track_caller]
fn assert_prints(outcome: &Outcome, text: &str) {
    let expected = Outcome { stdout: text.to_owned(), stderr: String::new(), status: Some(0) };
    assert_eq!(*outcome, expected);
}

#[track_caller]
fn assert_fails(outcome: &Outcome, status: i32) {
    assert_eq!((outcome.status, outcome.stdout.as_str()), (Some(status), ""), "{}", outcome.stderr);
    assert!(!outcome.stderr.is_empty(), "a failure says why");
}

#[actix_rt::test]
async fn it_prints_text_as_the_original_does() {
    let (daemon, _nats) = fleet().await;
    let own = "Hostname:\n  n1\nLabels:\n  location:prague\n  service:web\n";
    assert_prints(&lobbyctl(&daemon, &["discovery"]).await, own);
    let all = "    n1    location:prague\n          service:web\n\nnode-2    service:webmail\n\n     x\n\n";
    assert_prints(&lobbyctl(&daemon, &["discoveries"]).await, all);
    assert_prints(&lobbyctl(&daemon, &["resolve", "service:web"]).await, "n1\n");
    assert_prints(&lobbyctl(&daemon, &["resolve", "nothing"]).await, "");
}

#[actix_rt::test]
async fn it_filters_by_labels_and_by_prefixes() {
    let (daemon, _nats) = fleet().await;
    let found = lobbyctl(&daemon, &["discoveries", "labels", "service:web", "nothing:1"]).await;
    assert_prints(&found, "n1    service:web\n\n");
    let found = lobbyctl(&daemon, &["discoveries", "search", "service:", "nothing"]).await;
    assert_prints(&found, "    n1    service:web\n\nnode-2    service:webmail\n\n");
}

#[actix_rt::test]
async fn a_selector_chooses_whole_servers_and_names() {
    let (daemon, _nats) = fleet().await;
    let found = lobbyctl(&daemon, &["discoveries", "-l", "service=web or @hostname=x"]).await;
    assert_prints(&found, "n1    location:prague\n      service:web\n\n x\n\n");
    let found = lobbyctl(&daemon, &["resolve", "--selector", "service=~'web.*', !location"]).await;
    assert_prints(&found, "node-2\n");
    let found = lobbyctl(&daemon, &["resolve", "-l", "not service", "--json"]).await;
    assert_prints(&found, "[\"x\"]\n");
    let found = lobbyctl(&daemon, &["discoveries", "-l", "location", "--json"]).await;
    let found: Value = serde_json::from_str(&found.stdout).unwrap();
    assert_eq!(found[0]["labels"], json!(["location:prague", "service:web"]));
}

#[actix_rt::test]
async fn a_bad_selector_is_wrong_usage_and_shown_with_its_place() {
    let (daemon, _nats) = fleet().await;
    for arguments in [["discoveries", "-l", "service=web x"], ["resolve", "-l", "service=web x"]] {
        let outcome = lobbyctl(&daemon, &arguments).await;
        assert_fails(&outcome, 2);
        let shown = "\nservice=web x\n            ^\nexpected `and`, `or` or the end, found \"x\"\n\
                     hint: put `,` or `and` between two conditions\n";
        assert!(outcome.stderr.contains(shown), "{}", outcome.stderr);
    }
    assert_fails(&lobbyctl(&daemon, &["discoveries", "-l", ""]).await, 2);
}

#[actix_rt::test]
async fn a_selector_in_the_place_of_a_label_is_pointed_out() {
    let daemon = Lobbyd::named("a").labels("service:web").start().await;
    let told = "warning: service=web looks like a selector: resolve -l \"service=web\"\n";
    for (arguments, printed) in
        [(&["resolve", "service=web"][..], ""), (&["resolve", "service=web", "--json"], "[]\n")]
    {
        let outcome = lobbyctl(&daemon, arguments).await;
        assert_eq!((outcome.status, outcome.stdout.as_str()), (Some(0), printed));
        assert_eq!(outcome.stderr, told);
    }
    for label in ["service:web", "nothing", "=", "a b c"] {
        assert_eq!(lobbyctl(&daemon, &["resolve", label]).await.stderr, "", "{label}");
    }
}

#[actix_rt::test]
async fn json_is_what_the_api_gave() {
    let (daemon, _nats) = fleet().await;
    for (arguments, path) in [
        (vec!["--json", "discovery"], "/v1/discovery"),
        (vec!["--json", "discoveries", "search", "service:"], "/v1/discoveries?prefixes=service:"),
        (vec!["--json", "resolve", "service:web"], "/v1/resolve?label=service:web"),
    ] {
        let outcome = lobbyctl(&daemon, &arguments).await;
        assert_eq!((outcome.status, outcome.stderr.as_str()), (Some(0), ""), "{arguments:?}");
        let printed: Value = serde_json::from_str(&outcome.stdout).unwrap();
        assert_eq!(
            without_times(printed),
            without_times(daemon.get_json(path).await),
            "{arguments:?}"
        );
        assert_eq!(outcome.stdout.lines().count(), 1);
    }
    let outcome = lobbyctl(&daemon, &["--json", "resolve", "service:web"]).await;
    assert_eq!(outcome.stdout, "[\"n1\"]\n");
}

fn without_times(mut packets: Value) -> Value {
    for packet in packets.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        packet.remove("last_check");
    }
    packets
}

#[actix_rt::test]
async fn it_adds_and_removes_labels_of_any_characters() {
    let daemon = Lobbyd::named("a").start().await;
    let odd = "note:a&b=c d/é?#%";
    assert_prints(&lobbyctl(&daemon, &["labels", "add", "x:1", odd]).await, "");
    assert_eq!(daemon.own_labels().await, json!([odd, "x:1"]));
    daemon.knows(json!({"a": [odd, "x:1"]})).await;
    assert_prints(&lobbyctl(&daemon, &["resolve", odd]).await, "a\n");
    assert_prints(&lobbyctl(&daemon, &["labels", "del", "x:1"]).await, "");
    assert_eq!(daemon.own_labels().await, json!([odd]));
}

#[actix_rt::test]
async fn options_are_taken_with_one_dash_and_with_two() {
    let daemon = Lobbyd::named("a").set("TOKEN", "s3cret").start().await;
    let port = daemon.address().port().to_string();
    let joined = format!("-port={port}");
    for arguments in [
        vec![
            "-host",
            "127.0.0.1",
            "-port",
            &port,
            "-proto",
            "http",
            "-token",
            "s3cret",
            "-json",
            "discovery",
        ],
        vec!["-host=127.0.0.1", &joined, "-proto=http", "-token=s3cret", "-json", "discovery"],
        vec![
            "--host",
            "127.0.0.1",
            "--port",
            &port,
            "--proto=http",
            "--token=s3cret",
            "--json",
            "discovery",
        ],
    ] {
        let outcome = lobbyctl_with(&[], &arguments).await;
        assert_prints(&outcome, "{\"hostname\":\"a\",\"labels\":[],\"last_check\":0}\n");
    }
}

#[actix_rt::test]
async fn the_environment_says_where_the_daemon_is_and_options_beat_it() {
    let daemon = Lobbyd::named("a").set("TOKEN", "s3cret").start().await;
    let file = daemon.labels_path().with_file_name("token");
    std::fs::write(&file, "s3cret\n").unwrap();
    let (port, file) = (daemon.address().port().to_string(), file.display().to_string());
    let place = [("PROTOCOL", "http"), ("HOST", "127.0.0.1"), ("PORT", &port)];
    for token in [("TOKEN", "s3cret"), ("TOKEN_FILE", &file)] {
        let environment: Vec<_> = place.iter().copied().chain([token]).collect();
        assert_prints(&lobbyctl_with(&environment, &["discovery"]).await, "Hostname:\n  a\n");
    }
    let elsewhere = [("HOST", "127.0.0.1"), ("PORT", "1"), ("TOKEN", "wrong")];
    let outcome =
        lobbyctl_with(&elsewhere, &["--port", &port, "--token", "s3cret", "discovery"]).await;
    assert_prints(&outcome, "Hostname:\n  a\n");
}

#[actix_rt::test]
async fn status_1_says_that_the_daemon_refused_with_its_words() {
    let daemon = Lobbyd::named("a").start().await;
    std::fs::create_dir(daemon.labels_path().join("_runtime")).unwrap();
    let outcome = lobbyctl(&daemon, &["labels", "add", "x:1"]).await;
    assert_fails(&outcome, 1);
    assert!(outcome.stderr.contains("_runtime"), "{}", outcome.stderr);
}

#[actix_rt::test]
async fn status_2_says_that_the_usage_was_wrong() {
    let daemon = Lobbyd::named("a").start().await;
    for arguments in [
        vec![],
        vec!["bogus"],
        vec!["--bogus", "discovery"],
        vec!["--proto", "ftp", "discovery"],
        vec!["--port", "70000", "discovery"],
        vec!["resolve"],
        vec!["labels"],
        vec!["labels", "add"],
        vec!["labels", "change", "x:1"],
        vec!["discoveries", "bogus", "x"],
    ] {
        assert_fails(&lobbyctl(&daemon, &arguments).await, 2);
    }
}

#[actix_rt::test]
async fn status_3_says_that_nobody_answers() {
    let port = free_port().to_string();
    for command in
        [vec!["discovery"], vec!["discoveries"], vec!["resolve", "x"], vec!["labels", "add", "x:1"]]
    {
        let outcome = lobbyctl_with(&[("PORT", &port)], &command).await;
        assert_fails(&outcome, 3);
        assert!(outcome.stderr.contains(&port), "{}", outcome.stderr);
        assert!(
            outcome.stderr.ends_with(": connection refused: is lobbyd running there?\n"),
            "{}",
            outcome.stderr
        );
    }
}

#[actix_rt::test]
async fn https_to_plain_http_is_told_as_such() {
    let daemon = Lobbyd::named("a").start().await;
    let outcome = lobbyctl(&daemon, &["--proto", "https", "discovery"]).await;
    assert_fails(&outcome, 3);
    assert!(
        outcome.stderr.ends_with("/v1/discovery: it does not speak TLS: use http\n"),
        "{}",
        outcome.stderr
    );
}

#[actix_rt::test]
async fn status_4_says_that_the_token_was_missing_or_wrong() {
    let daemon = Lobbyd::named("a").set("TOKEN", "s3cret").start().await;
    let outcome = lobbyctl(&daemon, &["discovery"]).await;
    assert_fails(&outcome, 4);
    let advice = "error: no token given: use --token, --token-file, TOKEN or TOKEN_FILE; ";
    assert!(outcome.stderr.starts_with(advice), "{}", outcome.stderr);
    let outcome = lobbyctl(&daemon, &["--token", "wr0ng", "labels", "add", "x:1"]).await;
    assert_fails(&outcome, 4);
    assert!(
        outcome.stderr.ends_with("/v1/labels refused the token from --token\n"),
        "{}",
        outcome.stderr
    );
    assert!(!outcome.stderr.contains("wr0ng"), "{}", outcome.stderr);
}

#[actix_rt::test]
async fn what_is_no_terminal_gets_no_colours() {
    let (daemon, _nats) = fleet().await;
    let outcome = lobbyctl(&daemon, &["discoveries"]).await;
    assert!(!outcome.stdout.contains('\u{1b}'), "{}", outcome.stdout);
}
