//! Brokers that are late, die, freeze and return.

use lobby_tests::{Lobbyd, NatsServer, RawPeer, RedisServer};
use serde_json::{Value, json};

#[actix_rt::test]
async fn a_broker_that_comes_later_is_found() {
    let (mut nats, mut redis) = (NatsServer::start().await, RedisServer::start().await);
    nats.kill();
    redis.kill();
    let a = Lobbyd::named("a").nats(&nats).start().await;
    let b = Lobbyd::named("b").nats(&nats).redis(&redis).start().await;
    let c = Lobbyd::named("c").redis(&redis).start().await;
    assert_eq!(a.lobby().await, json!({"a": []}));
    nats.restart().await;
    redis.restart().await;
    a.knows(json!({"a": [], "b": []})).await;
    b.knows(json!({"a": [], "b": [], "c": []})).await;
    c.knows(json!({"b": [], "c": []})).await;
}

#[actix_rt::test]
async fn a_listener_that_does_not_register_comes_back_after_an_outage() {
    let mut nats = NatsServer::start().await;
    let hidden = Lobbyd::named("hidden").set("REGISTER", "false").nats(&nats).start().await;
    let a = Lobbyd::named("a").nats(&nats).start().await;
    hidden.knows(json!({"a": []})).await;
    nats.restart().await;
    a.add_labels("after:outage").await;
    hidden.knows(json!({"a": ["after:outage"]})).await;
}

#[actix_rt::test]
async fn while_a_broker_is_frozen_the_api_answers_and_stores_labels() {
    let (nats, redis) = (NatsServer::start().await, RedisServer::start().await);
    let a = Lobbyd::named("a").nats(&nats).redis(&redis).start().await;
    let b = Lobbyd::named("b").nats(&nats).redis(&redis).start().await;
    b.meets("a").await;
    nats.pause();
    redis.pause();
    assert_eq!(a.add_labels("during:freeze").await.status, 200);
    a.meets("a").await;
    assert_eq!(a.own_labels().await, json!(["during:freeze"]));
    nats.resume();
    redis.resume();
    b.knows(json!({"a": ["during:freeze"], "b": []})).await;
}

#[actix_rt::test]
async fn a_frozen_broker_does_not_stop_the_other() {
    let (nats, redis) = (NatsServer::start().await, RedisServer::start().await);
    let a = Lobbyd::named("a").nats(&nats).redis(&redis).start().await;
    let b = Lobbyd::named("b").nats(&nats).redis(&redis).start().await;
    b.meets("a").await;
    nats.pause();
    a.add_labels("during:freeze").await;
    b.knows(json!({"a": ["during:freeze"], "b": []})).await;
}

#[actix_rt::test]
async fn packets_of_the_outage_are_not_replayed() {
    let mut nats = NatsServer::start().await;
    let daemon = Lobbyd::named("a").nats(&nats).start().await;
    RawPeer::nats(&nats).await.hears(1, "a", "hi").await;
    nats.kill();
    for number in 0..10 {
        assert_eq!(daemon.add_labels(&format!("n:{number}")).await.status, 200);
    }
    let latest = daemon.own_labels().await;
    nats.restart().await;
    let wire = RawPeer::nats(&nats).await;
    for message in wire.hears(3, "a", "hi").await {
        let envelope: Value = serde_json::from_str(&message).unwrap();
        assert_eq!(envelope["discovery"]["labels"], latest, "a packet of the outage: {message}");
    }
}
