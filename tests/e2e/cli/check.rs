//! `lobbyd --check`: what the daemon would run with, and what is odd or wrong about it.

use std::net::TcpListener;

use lobby_tests::{Certificates, LIMIT, Lobbyd, LobbydBuilder, NatsServer, free_port, program};
use tokio::process::Command;

/// The exit status of a check, and what it prints.
async fn check(daemon: &LobbydBuilder, flag: &str) -> (Option<i32>, String) {
    let mut command = Command::new(program("lobbyd"));
    command.arg(flag).env_clear().envs(daemon.environment());
    let run = command.kill_on_drop(true).output();
    let output = tokio::time::timeout(LIMIT, run).await.expect("it ends").unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code(), text)
}

#[actix_rt::test]
async fn a_fine_daemon_is_0_with_settings_and_labels() {
    let daemon = Lobbyd::named("a").labels("service:web").set("TOKEN", "s3cret");
    std::fs::write(daemon.labels_path().join("file"), "rack:b7\n").unwrap();
    let (status, text) = check(&daemon, "--check").await;
    assert_eq!(status, Some(0), "{text}");
    for expected in
        ["HTTP API\n", "TOKEN=***", "variable TOKEN", "Labels of a\n  rack:b7\n  service:web\n"]
    {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    assert!(text.ends_with("fine\n") && !text.contains("s3cret"), "{text}");
}

#[actix_rt::test]
async fn something_odd_is_1_and_the_daemon_warns_of_the_same() {
    let daemon = Lobbyd::named("a\u{200b}b").labels("service=web").set("NATS_URL", "nats://b");
    let daemon = daemon.set("CALLBACK", "/nowhere/callback");
    let (status, text) = check(&daemon, "--check").await;
    assert_eq!(status, Some(1), "{text}");
    let daemon = daemon.start().await;
    for (odd, logged) in [
        ("odd: LABELS: ", "holds a = and no colon"),
        ("odd: NATS_URL: ", "it is set and not used"),
        ("odd: HOSTNAME: ", "it holds the invisible character U+200B"),
        ("odd: CALLBACK: ", "/nowhere/callback does not exist"),
    ] {
        assert!(text.contains(odd), "{odd} in {text}");
        daemon.logged(logged).await;
    }
}

#[actix_rt::test]
async fn a_state_path_that_cannot_be_used_is_odd_and_warned_of() {
    let daemon = Lobbyd::named("a");
    let (status, text) = check(&daemon, "--check").await;
    assert_eq!((status, daemon.state_path().exists()), (Some(0), false), "{text}");
    let file = daemon.labels_path().with_file_name("a-file");
    std::fs::write(&file, "").unwrap();
    for state_path in [file.clone(), file.join("state")] {
        let daemon = daemon.clone().set("STATE_PATH", &state_path);
        let (status, text) = check(&daemon, "--check").await;
        assert_eq!(status, Some(1), "{text}");
        let told = format!("labels that end cannot be stored in {}: ", state_path.display());
        assert!(text.contains(&format!("odd: STATE_PATH: {told}")), "{text}");
        let daemon = daemon.start().await;
        let logged = daemon.logged(&told).await;
        assert!(logged.contains("WARN") && logged.contains("STATE_PATH"), "{logged}");
        assert_eq!(daemon.lease_labels("short:1", "2s").await.status, 200, "it runs on");
    }
}

#[actix_rt::test]
async fn wrong_settings_are_2_and_all_are_named() {
    let daemon = Lobbyd::named("a").set("PORT", "x").set("TTL", "y");
    let (status, text) = check(&daemon, "--check").await;
    assert_eq!(status, Some(2), "{text}");
    assert!(text.contains("wrong: PORT: ") && text.contains("wrong: TTL: "), "{text}");
    let (status, text) = check(&Lobbyd::named("a"), "--check=everything").await;
    assert_eq!(status, Some(2), "{text}");
}

/// A daemon that no setting is given which it does not use.
fn alone() -> LobbydBuilder {
    Lobbyd::named("a").unset("LOCAL_PATH")
}

#[actix_rt::test]
async fn with_connect_the_brokers_are_tried() {
    let nats = NatsServer::start().await;
    let (status, text) = check(&alone().nats(&nats), "--check=connect").await;
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("NATS is up, server nats://127.0.0.1:"), "{text}");
    let away = alone().nats(&nats).redis_at(free_port());
    let (status, text) = check(&away, "--check=connect").await;
    assert_eq!(status, Some(1), "{text}");
    assert!(
        text.contains("odd: Redis cannot be reached: ") && text.contains("NATS is up"),
        "{text}"
    );
    assert_eq!(check(&away, "--check").await.0, Some(0), "it tries no broker");
}

#[actix_rt::test]
async fn a_port_in_use_is_odd_unless_the_daemon_itself_has_it() {
    let other = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = other.local_addr().unwrap().port();
    let taken = Lobbyd::named("a").set("PORT", port.to_string());
    let (status, text) = check(&taken, "--check").await;
    assert_eq!(status, Some(1), "{text}");
    let expected = format!("odd: cannot listen on HOST 127.0.0.1 PORT {port}: 127.0.0.1:{port}: ");
    assert!(text.contains(&expected) && text.contains("in use"), "{text}");
    let dns = Lobbyd::named("a").set("DNS_LISTEN", format!("127.0.0.1:{port}"));
    let (status, text) = check(&dns, "--check").await;
    let expected = format!("odd: cannot answer DNS on DNS_LISTEN 127.0.0.1:{port}: ");
    assert!(status == Some(1) && text.contains(&expected), "{text}");

    let certificates = Certificates::new();
    let (certificate, key) = certificates.server();
    let with_tls = Lobbyd::named("a").set("TLS_CERT_FILE", certificate).set("TLS_KEY_FILE", key);
    for daemon in [Lobbyd::named("a"), with_tls] {
        let daemon = daemon.start().await;
        let port = daemon.address().port();
        let again = Lobbyd::named("a").set("PORT", port.to_string());
        let (status, text) = check(&again, "--check").await;
        assert_eq!(status, Some(0), "{text}");
        let expected = format!("A lobbyd runs on HOST 127.0.0.1 PORT {port}\n");
        assert!(text.contains(&expected), "{text}");
    }
}

#[actix_rt::test]
async fn what_is_set_and_does_nothing_is_odd_and_warned_of() {
    let daemon = Lobbyd::named("a")
        .labels("service:web role:db")
        .set("CALLBACK_SELECTOR", "service=web")
        .set("LOBBY_TTLL", "60")
        .set("FACTS", "address")
        .set("ADDRESS", "nosuch0");
    let (status, text) = check(&daemon, "--check").await;
    assert_eq!(status, Some(1), "{text}");
    let daemon = daemon.start().await;
    for (odd, logged) in [
        ("odd: LABELS: ", "holds a blank and another label behind it"),
        ("odd: CALLBACK_SELECTOR: ", "CALLBACK is not set"),
        ("odd: LOBBY_TTLL: ", "LOBBY_TTL is one"),
        ("odd: ADDRESS: ", "there is no interface nosuch0"),
    ] {
        assert!(text.contains(odd) && text.contains(logged), "{odd} in {text}");
        daemon.logged(logged).await;
    }
}
