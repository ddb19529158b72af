//! Changes that have settled, and those that undo themselves before.

use lobby_tests::{LIMIT, Lobbyd, LobbydBuilder, NatsServer, RawPeer, Run, Script, Signal};
use serde_json::json;

/// A daemon `me` that runs the script at once, and after changes that have settled.
fn daemon(script: &Script, settle: &str) -> LobbydBuilder {
    Lobbyd::named("me")
        .set("CALLBACK", script.command())
        .set("CALLBACK_FIRST_RUN_DELAY", "0")
        .set("CALLBACK_COOLDOWN", "0")
        .set("CALLBACK_SETTLE", settle)
}

#[actix_rt::test]
async fn the_restart_of_a_server_runs_nothing_and_its_end_does() {
    let (nats, script) = (NatsServer::start().await, Script::recording_then(""));
    let daemon = daemon(&script, "5").nats(&nats).start().await;
    let mut peer = Lobbyd::named("peer").labels("x:1").nats(&nats).start().await;
    script.runs_until(|run| run.hosts() == ["me", "peer"]).await;
    let runs = script.runs().len();
    for signal in [Signal::TERM, Signal::KILL, Signal::TERM] {
        peer.signal(signal);
        peer.wait(LIMIT).await;
        peer = peer.start_again().await;
        peer.meets("me").await;
        daemon.knows(json!({"me": [], "peer": ["x:1"]})).await;
    }
    assert!(daemon.logs_with("host left").len() >= 2, "it did leave");
    peer.signal(Signal::TERM);
    script.runs_until(|run| run.hosts() == ["me"]).await;
    assert_eq!(script.runs().len(), runs + 1);
}

#[actix_rt::test]
async fn only_the_servers_that_a_selector_chooses_count() {
    let (nats, script) = (NatsServer::start().await, Script::recording_then(""));
    let wire = RawPeer::nats(&nats).await;
    let daemon = daemon(&script, "0").set("CALLBACK_SELECTOR", "service=web and not drain");
    let daemon = daemon.nats(&nats).start().await;
    wire.hears(1, "me", "hi").await;
    let labels = |expected: &[&str]| {
        let expected = json!(expected);
        move |run: &Run| run.hosts() == ["a"] && run.labels_of("a") == Some(&expected)
    };
    wire.say_hi("a", &["service:web", "x:1"]).await;
    script.runs_until(labels(&["service:web", "x:1"])).await;
    let runs = script.runs().len();
    for number in 0..20 {
        wire.say_hi("b", &["service:mail", &format!("n:{number}")]).await;
    }
    daemon.meets("b").await;
    wire.say_hi("a", &["service:web", "x:2"]).await;
    script.runs_until(labels(&["service:web", "x:2"])).await;
    assert_eq!(script.runs().len(), runs + 1);
    wire.say_hi("a", &["drain", "service:web"]).await;
    script.runs_until(|run| run.hosts().is_empty()).await;
    assert_eq!(script.runs().len(), runs + 2);
}

#[actix_rt::test]
async fn changes_that_never_settle_are_told_all_the_same() {
    let (nats, script) = (NatsServer::start().await, Script::recording_then(""));
    let wire = RawPeer::nats(&nats).await;
    let daemon = daemon(&script, "1").nats(&nats).start().await;
    script.runs_until(|run| run.hosts() == ["me"]).await;
    wire.hears(1, "me", "hi").await;
    let runs = script.runs().len();
    let mut number = 0;
    while script.runs().len() == runs {
        number += 1;
        wire.say_hi("x", &[&format!("n:{number}")]).await;
        daemon.get("/healthz").await;
        assert!(number < 1_000_000, "no run");
    }
    assert!(number > 10, "it had settled for a second at {number}");
}
