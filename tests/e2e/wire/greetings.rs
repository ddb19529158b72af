//! Newcomers are greeted, so that they know everybody long before the next keep-alives.

use std::time::Duration;

use lobby_tests::{Channel, LIMIT, Lobbyd, Signal, ensure, eventually};
use serde_json::json;

use crate::outage::on_brokers;

on_brokers!(
    a_newcomer_knows_everybody_long_before_a_keep_alive,
    one_that_was_killed_and_started_again_is_a_newcomer,
    packets_that_are_refused_or_known_are_no_newcomers,
);

async fn a_newcomer_knows_everybody_long_before_a_keep_alive(channel: Channel) {
    let one = Lobbyd::named("one").without_keep_alive().on(&channel).start().await;
    let two = Lobbyd::named("two").without_keep_alive().on(&channel).start().await;
    for daemon in [&one, &two] {
        daemon.knows(json!({"one": [], "two": []})).await;
    }
    let three = Lobbyd::named("three").without_keep_alive().on(&channel).start().await;
    three.knows(json!({"one": [], "three": [], "two": []})).await;
}

async fn one_that_was_killed_and_started_again_is_a_newcomer(channel: Channel) {
    let one = Lobbyd::named("one").without_keep_alive().on(&channel).start().await;
    let two = Lobbyd::named("two").without_keep_alive().on(&channel).start().await;
    one.meets("two").await;
    two.signal(Signal::KILL);
    two.wait(LIMIT).await;
    let two = two.start_again().await;
    two.meets("one").await;
    assert!(one.logs_with("host left").is_empty(), "it was there all the time");
}

async fn packets_that_are_refused_or_known_are_no_newcomers(channel: Channel) {
    let daemon = Lobbyd::named("me").without_keep_alive().on(&channel).start().await;
    daemon.links_are("up", LIMIT).await;
    let wire = channel.wire().await;
    wire.say_hi("known", &[]).await;
    wire.hears(1, "me", "hi").await;
    daemon.meets("known").await;
    for _ in 0..20 {
        wire.say("not a packet").await;
        wire.say_hi("bad name", &[]).await;
        wire.say_hi("known", &[]).await;
        wire.say_goodbye("nobody").await;
    }
    eventually(LIMIT, async || {
        let status = daemon.get_json("/v1/status").await;
        ensure(status["drivers"][0]["received"].as_u64() >= Some(80), status)
    })
    .await;
    // Longer than a greeting is put off: what is heard then is one for the newcomer after it.
    let heard = wire.heard_from("me", "hi").len();
    tokio::time::timeout(Duration::from_millis(300), wire.hears(heard + 1, "me", "hi"))
        .await
        .unwrap_err();
    wire.say_hi("newcomer", &[]).await;
    wire.hears(heard + 1, "me", "hi").await;
}
