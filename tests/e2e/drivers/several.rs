//! Several drivers at once: heard through any is alive, a goodbye through any ends it.

use lobby_tests::{
    LIMIT, Lobbyd, LobbydBuilder, NatsServer, RawPeer, RedisServer, Signal, ensure, eventually,
};
use serde_json::{Value, json};
use tempfile::TempDir;

async fn brokers() -> (NatsServer, RedisServer) {
    (NatsServer::start().await, RedisServer::start().await)
}

fn on_both(name: &str, nats: &NatsServer, redis: &RedisServer) -> LobbydBuilder {
    Lobbyd::named(name).nats(nats).redis(redis)
}

async fn last_check(daemon: &Lobbyd, host: &str) -> Option<i64> {
    daemon.discoveries().await.iter().find(|packet| packet["hostname"] == host)?["last_check"]
        .as_i64()
}

#[actix_rt::test]
async fn a_host_on_two_drivers_is_seen_through_either() {
    let (nats, redis) = brokers().await;
    let both = on_both("both", &nats, &redis).start().await;
    let left = Lobbyd::named("left").nats(&nats).start().await;
    let right = Lobbyd::named("right").redis(&redis).start().await;
    both.knows(json!({"both": [], "left": [], "right": []})).await;
    left.knows(json!({"both": [], "left": []})).await;
    right.knows(json!({"both": [], "right": []})).await;
}

#[actix_rt::test]
async fn all_three_drivers_work_in_one_daemon() {
    let (nats, redis) = brokers().await;
    let directory = TempDir::new().unwrap();
    let all = on_both("all", &nats, &redis).local(directory.path()).start().await;
    let _left = Lobbyd::named("left").nats(&nats).start().await;
    let _middle = Lobbyd::named("middle").local(directory.path()).start().await;
    let _right = Lobbyd::named("right").redis(&redis).start().await;
    all.knows(json!({"all": [], "left": [], "middle": [], "right": []})).await;
}

#[actix_rt::test]
async fn a_host_lives_while_it_is_heard_through_at_least_one_driver() {
    let (mut nats, redis) = brokers().await;
    let a = on_both("a", &nats, &redis).set("TTL", "3").start().await;
    let b = on_both("b", &nats, &redis).set("TTL", "3").start().await;
    b.meets("a").await;
    nats.kill();
    let wire = RawPeer::redis(&redis).await;
    wire.say_hi("witness", &[]).await;
    b.meets("witness").await;
    // The witness spoke once, after NATS had died: when it is dead, a whole TTL has passed.
    b.knows(json!({"a": [], "b": []})).await;
    a.kill();
    b.knows(json!({"b": []})).await;
}

#[actix_rt::test]
async fn packets_through_the_second_driver_keep_a_host_fresh() {
    let (mut nats, redis) = brokers().await;
    let _a = on_both("a", &nats, &redis).start().await;
    let b = on_both("b", &nats, &redis).start().await;
    b.meets("a").await;
    nats.kill();
    let before = last_check(&b, "a").await;
    eventually(LIMIT, async || {
        let now = last_check(&b, "a").await;
        ensure(now > before, (now, before))
    })
    .await;
}

#[actix_rt::test]
async fn a_goodbye_through_any_driver_removes_the_host() {
    let (nats, redis) = brokers().await;
    let b = on_both("b", &nats, &redis).set("TTL", "7200").start().await;
    let (left, right) = (RawPeer::nats(&nats).await, RawPeer::redis(&redis).await);
    said_until_known(&b, &left, &right).await;
    // A last hi may still be on its way on the other channel.
    eventually(LIMIT, async || {
        right.say_goodbye("x").await;
        left.say_goodbye("y").await;
        let lobby = b.lobby().await;
        ensure(lobby == json!({"b": []}), lobby)
    })
    .await;
}

/// The daemon may subscribe later than we speak.
async fn said_until_known(daemon: &Lobbyd, left: &RawPeer, right: &RawPeer) {
    eventually(LIMIT, async || {
        left.say_hi("x", &[]).await;
        right.say_hi("y", &[]).await;
        let lobby = daemon.lobby().await;
        ensure(lobby == json!({"b": [], "x": [], "y": []}), lobby)
    })
    .await;
}

#[actix_rt::test]
async fn on_sigterm_the_goodbye_goes_through_every_driver() {
    let (nats, redis) = brokers().await;
    let (left, right) = (RawPeer::nats(&nats).await, RawPeer::redis(&redis).await);
    let a = on_both("a", &nats, &redis).labels("x:1").start().await;
    left.hears(1, "a", "hi").await;
    right.hears(1, "a", "hi").await;
    a.signal(Signal::TERM);
    for wire in [left, right] {
        let goodbye = wire.hears(1, "a", "goodbye").await;
        let goodbye: Value = serde_json::from_str(&goodbye[0]).unwrap();
        assert_eq!(goodbye["discovery"]["labels"], json!(["x:1"]));
    }
    assert!(a.wait(LIMIT).await.status.success());
}

#[actix_rt::test]
async fn one_driver_without_broker_does_not_hinder_the_other() {
    let (nats, mut redis) = brokers().await;
    redis.kill();
    let a = on_both("a", &nats, &redis).start().await;
    let b = on_both("b", &nats, &redis).start().await;
    a.knows(json!({"a": [], "b": []})).await;
    b.knows(json!({"a": [], "b": []})).await;
}
