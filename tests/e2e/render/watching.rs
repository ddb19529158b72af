//! lobbyctl render --watch: a file that follows the lobby, whatever is lost meanwhile.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use lobby_tests::{
    LIMIT, Lobbyd, NatsServer, Process, Proxy, RawPeer, Signal, ensure, eventually, program,
};
use serde_json::json;

use super::{Place, word};

const NAMES: &str = "{% for host in hosts %}{{ host.name }} {% endfor %}";

/// Starts lobbyctl, which renders to the file from now on.
pub(super) fn watch(place: &Place, port: u16, options: &[&str]) -> Process {
    let mut command = Command::new(program("lobbyctl"));
    command.args(["render", word(&place.template()), "-o", word(&place.file()), "--watch"]);
    Process::start("render", command.args(options).env("PORT", port.to_string()))
}

/// Waits until the file holds this.
async fn becomes(place: &Place, text: &str) {
    eventually(LIMIT, async || ensure(place.text() == text, place.text())).await;
}

#[actix_rt::test]
async fn changes_close_together_are_one_reload_of_the_file() {
    let nats = NatsServer::start().await;
    let peer = RawPeer::nats(&nats).await;
    let daemon = Lobbyd::named("me").nats(&nats).start().await;
    let place = Place::with(NAMES);
    let log = place.directory.path().join("log");
    let reload = format!("sh -c 'cat {} >>{}'", word(&place.file()), word(&log));
    let _watch = watch(&place, daemon.address().port(), &["--reload", &reload]);
    becomes(&place, "me ").await;
    for host in ["b", "c", "d"] {
        peer.say_hi(host, &[]).await;
    }
    becomes(&place, "b c d me ").await;
    let logged = || std::fs::read_to_string(&log).unwrap_or_default();
    eventually(LIMIT, async || ensure(logged() == "me b c d me ", logged())).await;
    peer.say_goodbye("b").await;
    peer.say_hi("b", &[]).await;
    peer.say_hi("e", &[]).await;
    becomes(&place, "b c d e me ").await;
    eventually(LIMIT, async || ensure(logged() == "me b c d me b c d e me ", logged())).await;
}

#[actix_rt::test]
async fn an_outage_of_broker_and_daemon_does_not_touch_the_file() {
    let mut nats = NatsServer::start().await;
    let peer = RawPeer::nats(&nats).await;
    let daemon = Lobbyd::named("me").set("TTL", "2").nats(&nats).start().await;
    let port = daemon.address().port();
    let place = Place::with(NAMES);
    let watch = watch(&place, port, &[]);
    becomes(&place, "me ").await;
    peer.say_hi("b", &[]).await;
    becomes(&place, "b me ").await;
    nats.kill();
    daemon.is_cut_off_for(Duration::from_secs(6)).await;
    assert_eq!(place.text(), "b me ", "three TTL without the broker");
    daemon.signal(Signal::TERM);
    daemon.wait(LIMIT).await;
    watch.logged("trying again").await;
    // The next run of the daemon knows nobody, and says so: the file stays until it knows all.
    let again = Lobbyd::named("me").set("PORT", port.to_string()).set("TTL", "2").nats(&nats);
    let again = again.start().await;
    again.knows(json!({"me": []})).await;
    assert_eq!(place.text(), "b me ");
    nats.restart().await;
    becomes(&place, "me ").await;
}

#[actix_rt::test]
async fn each_loss_of_the_daemon_is_told() {
    let daemon = Lobbyd::named("me").start().await;
    let road = Proxy::to(daemon.address().port()).await;
    let place = Place::with(NAMES);
    let watch = watch(&place, road.port(), &[]);
    becomes(&place, "me ").await;
    for losses in 1..=3 {
        road.close();
        let told = || watch.logs_with("trying again").len();
        eventually(LIMIT, async || ensure(told() == losses, told())).await;
        std::fs::remove_file(place.file()).unwrap();
        road.open();
        // It is found again: nothing has changed meanwhile.
        becomes(&place, "me ").await;
    }
}

#[actix_rt::test]
async fn a_kill_at_any_moment_leaves_the_old_file_or_the_new() {
    let nats = NatsServer::start().await;
    let peer = RawPeer::nats(&nats).await;
    let daemon = Lobbyd::named("me").nats(&nats).start().await;
    daemon.links_are("up", LIMIT).await;
    let place = Place::with("{% for n in range(20000) %}{{ hosts|length }}\n{% endfor %}");
    let mut seen = BTreeSet::new();
    for round in 0..12 {
        let watch = watch(&place, daemon.address().port(), &["--check", "true {}"]);
        watch.logged("rendered").await;
        peer.say_hi(&format!("b{round}"), &[]).await;
        // Sooner and later than the change settles and is written.
        tokio::time::sleep(Duration::from_millis(900 + 20 * round)).await;
        watch.kill();
        let text = place.text();
        let lines: BTreeSet<_> = text.lines().collect();
        assert_eq!((text.lines().count(), lines.len()), (20_000, 1), "a torn file");
        seen.insert(text.lines().next().unwrap().to_owned());
        std::fs::remove_file(place.file()).unwrap();
    }
    assert!(seen.len() > 1, "{seen:?}");
}
