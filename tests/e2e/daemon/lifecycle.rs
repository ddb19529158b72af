//! From start to the signals that do not end it.

use std::net::TcpListener;

use lobby_tests::{LIMIT, Lobbyd, NatsServer, RawPeer, Signal, ensure, eventually};
use serde_json::json;

#[actix_rt::test]
async fn the_api_answers_without_any_broker() {
    let mut nats = NatsServer::start().await;
    nats.kill();
    let daemon = Lobbyd::named("a").labels("x:1").nats(&nats).start().await;
    assert_eq!(daemon.lobby().await, json!({"a": ["x:1"]}));
    assert_eq!(daemon.own_labels().await, json!(["x:1"]));
    assert_eq!(daemon.add_labels("x:2").await.status, 200);
    daemon.knows(json!({"a": ["x:1", "x:2"]})).await;
}

#[actix_rt::test]
async fn a_port_in_use_is_one_line_and_nothing_was_announced() {
    let nats = NatsServer::start().await;
    let wire = RawPeer::nats(&nats).await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let daemon = Lobbyd::named("a").set("PORT", &port).nats(&nats).spawn();
    assert_eq!(daemon.wait(LIMIT).await.status.code(), Some(1));
    assert!(daemon.logged(&port).await.contains("127.0.0.1"));
    assert_eq!(daemon.logs().len(), 1, "{:?}", daemon.logs());
    let other = Lobbyd::named("other").nats(&nats).start().await;
    wire.hears(1, "other", "hi").await;
    assert!(wire.heard_from("a", "hi").is_empty(), "{:?}", wire.heard());
    other.knows(json!({"other": []})).await;
}

#[actix_rt::test]
async fn an_unreadable_secret_file_is_one_line() {
    for setting in ["TOKEN_FILE", "REDIS_PASSWORD_FILE", "NATS_URL_FILE"] {
        let daemon = Lobbyd::named("a").set(setting, "/nowhere/secret").set("DRIVER", "NATS,Redis");
        let daemon = if setting == "NATS_URL_FILE" {
            daemon
        } else {
            daemon.set("NATS_URL", "nats://127.0.0.1:1")
        };
        let daemon = daemon.spawn();
        assert_eq!(daemon.wait(LIMIT).await.status.code(), Some(1), "{setting}");
        let line = daemon.logged("/nowhere/secret").await;
        assert!(line.contains(setting), "{line}");
        assert_eq!(daemon.logs().len(), 1, "{:?}", daemon.logs());
    }
}

#[actix_rt::test]
async fn sighup_reads_the_label_files_again_and_publishes() {
    let nats = NatsServer::start().await;
    let wire = RawPeer::nats(&nats).await;
    let daemon = Lobbyd::named("a").without_keep_alive().nats(&nats).start().await;
    let before = wire.hears(1, "a", "hi").await.len();
    daemon.signal(Signal::HUP);
    wire.hears(before + 1, "a", "hi").await;
    // A link leads elsewhere, so no event tells of the change.
    let file = daemon.labels_path().with_file_name("elsewhere");
    std::fs::write(&file, "a:1").unwrap();
    std::os::unix::fs::symlink(&file, daemon.labels_path().join("link")).unwrap();
    daemon.knows(json!({"a": ["a:1"]})).await;
    std::fs::write(&file, "a:2").unwrap();
    daemon.signal(Signal::HUP);
    daemon.knows(json!({"a": ["a:2"]})).await;
    assert!(daemon.is_running());
}

#[actix_rt::test]
async fn sighup_reads_the_token_file_again() {
    let daemon = Lobbyd::named("a");
    let file = daemon.labels_path().with_file_name("token");
    std::fs::write(&file, "old").unwrap();
    let daemon = daemon.set("TOKEN_FILE", &file).start().await;
    let status = async |token: &str| {
        daemon.request("GET", "/v1/discovery", &[("Authorization", token)], "").await.status
    };
    assert_eq!((status("old").await, status("new").await), (200, 403));
    std::fs::write(&file, "new\n").unwrap();
    assert_eq!((status("old").await, status("new").await), (200, 403));
    daemon.signal(Signal::HUP);
    eventually(LIMIT, async || {
        let statuses = (status("old").await, status("new").await);
        ensure(statuses == (403, 200), statuses)
    })
    .await;
}

#[actix_rt::test]
async fn sighup_with_the_token_file_gone_keeps_the_old_token() {
    let daemon = Lobbyd::named("a");
    let file = daemon.labels_path().with_file_name("token");
    std::fs::write(&file, "s3cret").unwrap();
    let daemon = daemon.set("TOKEN_FILE", &file).start().await;
    std::fs::remove_file(&file).unwrap();
    daemon.signal(Signal::HUP);
    daemon.logged("it keeps its value").await;
    assert_eq!(daemon.get("/v1/discovery").await.status, 403, "it must not open up");
    let headers = [("Authorization", "s3cret")];
    assert_eq!(daemon.request("GET", "/v1/discovery", &headers, "").await.status, 200);
}

#[actix_rt::test]
async fn sighup_with_a_fifo_for_a_token_file_keeps_the_old_token() {
    let daemon = Lobbyd::named("a");
    let file = daemon.labels_path().with_file_name("token");
    std::fs::write(&file, "s3cret").unwrap();
    let daemon = daemon.set("TOKEN_FILE", &file).start().await;
    std::fs::remove_file(&file).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
    daemon.signal(Signal::HUP);
    assert!(daemon.logged("FIFO").await.contains("TOKEN_FILE"));
    let headers = [("Authorization", "s3cret")];
    assert_eq!(daemon.request("GET", "/v1/discovery", &headers, "").await.status, 200);
    daemon.signal(Signal::TERM);
    assert!(daemon.wait(LIMIT).await.status.success());
}

#[actix_rt::test]
async fn a_link_that_is_up_tells_what_both_sides_must_have() {
    let nats = NatsServer::start().await;
    let daemon =
        Lobbyd::named("a").set("KEEP_ALIVE", "2").set("TTL", "7").nats(&nats).start().await;
    let line = daemon.logged("link is up").await;
    let place = "channel=\"lobby.discovery\" register=true keep_alive=2 ttl=7 verify=\"off\"";
    assert!(line.contains(place), "{line}");
}

#[actix_rt::test]
async fn who_joins_and_leaves_is_logged() {
    let nats = NatsServer::start().await;
    let wire = RawPeer::nats(&nats).await;
    let daemon = Lobbyd::named("a").set("TTL", "7200").nats(&nats).start().await;
    wire.hears(1, "a", "hi").await;
    wire.say_hi("newcomer", &[]).await;
    daemon.meets("newcomer").await;
    wire.say_goodbye("newcomer").await;
    daemon.knows(json!({"a": []})).await;
    eventually(LIMIT, async || {
        let lines = daemon.logs_with("newcomer");
        ensure(lines.len() == 2, lines)
    })
    .await;
}
