//! A second daemon of a name that is known already.

use std::time::Duration;

use lobby_tests::{Channel, LIMIT, Lobbyd, LobbydBuilder, Proxy, Script, ensure, eventually};
use serde_json::json;
use tokio::time::timeout;

use crate::outage::{BACK, NOISE, on_brokers};

on_brokers!(a_second_daemon_of_a_name_runs_nothing);

/// Longer than a run that a change calls for is put off: CALLBACK_COOLDOWN and CALLBACK_SETTLE.
const RUN_BY: Duration = Duration::from_secs(18);

fn daemon(name: &str) -> LobbydBuilder {
    Lobbyd::named(name).set("KEEP_ALIVE", "20").set("TTL", "120")
}

/// A daemon of the name `twin` that cannot be heard yet, with its instance and its label.
async fn twin(channel: &Channel, label: &'static str) -> (String, &'static str, Lobbyd, Proxy) {
    let proxy = Proxy::to(channel.port()).await;
    proxy.close();
    let daemon = daemon("twin").labels(label).on_through(channel, &proxy).start().await;
    let instance = daemon.get_json("/v1/status").await["instance"].to_string();
    (instance, label, daemon, proxy)
}

async fn a_second_daemon_of_a_name_runs_nothing(channel: Channel) {
    let mut twins = [twin(&channel, "who:one").await, twin(&channel, "who:two").await];
    twins.sort_by(|(one, ..), (other, ..)| one.cmp(other));
    let [(_, label, stands, first), (_, _, _other, second)] = twins;
    first.open();
    stands.links_are("up", BACK + NOISE).await;
    let script = Script::recording_then("");
    let third = daemon("third").set("CALLBACK", script.command());
    let third = third.set("CALLBACK_FIRST_RUN_DELAY", "2").on(&channel).start().await;
    script.runs_until(|run| run.hosts() == ["third", "twin"]).await;
    let runs = script.runs().len();
    second.open();
    eventually(LIMIT, async || {
        let namesakes = third.get_json("/v1/status").await["namesakes"].clone();
        ensure(namesakes[0]["hostname"] == "twin", namesakes)
    })
    .await;
    let another = script.runs_until(|_| script.runs().len() > runs);
    timeout(RUN_BY, another).await.expect_err("the one who stands was there before");
    assert_eq!(third.lobby().await["twin"], json!([label]));
}
