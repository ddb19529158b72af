//! Nobody dies of an outage, and those who died during one are found out.

use std::time::Duration;

use lobby_tests::{
    Channel, ContinuityCheck, LIMIT, Lobbyd, LobbydBuilder, NatsServer, Proxy, RedisServer, Signal,
    eventually,
};
use serde_json::json;

use crate::outage::{BACK, NOISE, SLOWEST_ANSWER, on_brokers};

on_brokers!(
    a_dead_broker_loses_nobody_and_the_dead_go_one_ttl_later,
    a_frozen_broker_loses_nobody_and_the_dead_go_one_ttl_later,
    a_firewall_that_swallows_all_loses_nobody_and_is_soon_known,
    nobody_is_lost_when_ttl_is_hardly_more_than_keep_alive,
    nobody_is_lost_by_one_who_does_not_register,
    nobody_is_lost_by_a_daemon_that_was_stopped_itself,
    a_goodbye_counts_at_once_after_an_outage,
);

const TTL: Duration = Duration::from_secs(3);

fn watched(name: &str) -> LobbydBuilder {
    Lobbyd::named(name).labels(ContinuityCheck::LABELS).set("TTL", TTL.as_secs().to_string())
}

/// Three daemons that know each other, of which the second is kept watch at over the first two.
async fn three(channel: &Channel) -> ([Lobbyd; 3], ContinuityCheck) {
    let [a, b, c] = ["a", "b", "c"].map(|name| watched(name).on(channel).start());
    let (a, b, c) = (a.await, b.await, c.await);
    b.meets("a").await;
    b.meets("c").await;
    let vigil = ContinuityCheck::over(&b, &["a", "b"]).await;
    ([a, b, c], vigil)
}

async fn is_gone_one_ttl_later(daemon: &Lobbyd, host: &str) {
    daemon.links_are("up", BACK + NOISE).await;
    eventually(TTL + NOISE, async || {
        let lobby = daemon.lobby().await;
        if lobby.get(host).is_none() { Ok(()) } else { Err(lobby.to_string()) }
    })
    .await;
}

async fn a_dead_broker_loses_nobody_and_the_dead_go_one_ttl_later(mut channel: Channel) {
    let ([_a, b, c], vigil) = three(&channel).await;
    channel.kill();
    c.kill();
    b.is_cut_off_for(TTL * 2).await;
    b.meets("c").await;
    channel.restart().await;
    is_gone_one_ttl_later(&b, "c").await;
    vigil.nobody_was_missing(SLOWEST_ANSWER).await;
}

async fn a_frozen_broker_loses_nobody_and_the_dead_go_one_ttl_later(channel: Channel) {
    let ([_a, b, c], vigil) = three(&channel).await;
    channel.pause();
    c.kill();
    b.is_cut_off_for(TTL * 2).await;
    b.meets("c").await;
    channel.resume();
    is_gone_one_ttl_later(&b, "c").await;
    vigil.nobody_was_missing(SLOWEST_ANSWER).await;
}

async fn a_firewall_that_swallows_all_loses_nobody_and_is_soon_known(channel: Channel) {
    let proxy = Proxy::to(channel.port()).await;
    let _a = watched("a").on(&channel).start().await;
    let b = watched("b").on_through(&channel, &proxy).start().await;
    b.meets("a").await;
    let vigil = ContinuityCheck::over(&b, &["a", "b"]).await;
    proxy.jam();
    // Two KEEP_ALIVE and a second.
    b.links_are("down", Duration::from_secs(3) + NOISE).await;
    b.is_cut_off_for(TTL * 2).await;
    proxy.open();
    b.links_are("up", BACK + NOISE).await;
    vigil.more_rounds(20).await;
    vigil.nobody_was_missing(SLOWEST_ANSWER).await;
}

async fn nobody_is_lost_when_ttl_is_hardly_more_than_keep_alive(channel: Channel) {
    let [a, b] = ["a", "b"]
        .map(|name| watched(name).set("KEEP_ALIVE", "4").set("TTL", "6").on(&channel).start());
    let (_a, b) = (a.await, b.await);
    b.meets("a").await;
    let vigil = ContinuityCheck::over(&b, &["a", "b"]).await;
    channel.pause();
    b.is_cut_off_for(TTL * 2).await;
    vigil.nobody_was_missing(SLOWEST_ANSWER).await;
}

async fn nobody_is_lost_by_one_who_does_not_register(channel: Channel) {
    let [a, b] = ["a", "b"].map(|name| watched(name).on(&channel));
    let (_a, b) = (a.start().await, b.set("REGISTER", "false").start().await);
    b.meets("a").await;
    let vigil = ContinuityCheck::over(&b, &["a"]).await;
    channel.pause();
    b.is_cut_off_for(TTL * 2).await;
    channel.resume();
    b.links_are("up", BACK + NOISE).await;
    vigil.more_rounds(20).await;
    vigil.nobody_was_missing(SLOWEST_ANSWER).await;
}

async fn nobody_is_lost_by_a_daemon_that_was_stopped_itself(channel: Channel) {
    let ([a, b, c], vigil) = three(&channel).await;
    for round in ["once", "again"] {
        vigil.expect([].into());
        b.signal(Signal::STOP);
        a.knows(json!({"a": [ContinuityCheck::LABELS], "c": [ContinuityCheck::LABELS]})).await;
        c.add_labels(round).await;
        vigil.expect(["a", "b"].map(str::to_owned).into());
        b.signal(Signal::CONT);
        a.meets("b").await;
        vigil.more_rounds(20).await;
        c.delete_labels(round).await;
        a.knows(
            json!({"a": [ContinuityCheck::LABELS], "b": [ContinuityCheck::LABELS], "c": [ContinuityCheck::LABELS]}),
        )
        .await;
    }
    vigil.nobody_was_missing(LIMIT).await;
}

async fn a_goodbye_counts_at_once_after_an_outage(mut channel: Channel) {
    let b = Lobbyd::named("b").set("TTL", "7200").on(&channel).start().await;
    let a = Lobbyd::named("a").on(&channel).start().await;
    b.meets("a").await;
    channel.kill();
    b.links_are("down", LIMIT).await;
    channel.restart().await;
    a.links_are("up", LIMIT).await;
    b.links_are("up", LIMIT).await;
    a.signal(Signal::TERM);
    b.knows(json!({"b": []})).await;
}

#[actix_rt::test]
async fn a_goodbye_through_one_driver_counts_while_the_other_is_away() {
    let (mut nats, redis) = (NatsServer::start().await, RedisServer::start().await);
    let b = Lobbyd::named("b").set("TTL", "7200").nats(&nats).redis(&redis).start().await;
    let a = Lobbyd::named("a").nats(&nats).redis(&redis).start().await;
    b.links_are("up", LIMIT).await;
    a.links_are("up", LIMIT).await;
    b.meets("a").await;
    nats.kill();
    a.signal(Signal::TERM);
    b.knows(json!({"b": []})).await;
}
