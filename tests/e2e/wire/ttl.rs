//! The TTL that a packet tells.

use std::time::Duration;

use lobby_tests::{Channel, LIMIT, Lobbyd, NatsServer, RawPeer, ensure, eventually, now};
use serde_json::{Value, json};

/// A hi of a server without labels that tells this TTL, whatever it is.
fn lasting(host: &str, ttl: &str) -> String {
    format!(
        r#"{{"discovery":{{"hostname":"{host}","labels":[],"last_check":0}},"message":"hi","ttl":{ttl}}}"#
    )
}

/// A hi as lobby 1.5 writes it.
const ORIGINAL: &str =
    r#"{"discovery":{"hostname":"original","labels":["a:1"],"last_check":0},"message":"hi"}"#;

async fn over(channel: Channel) {
    let daemon = Lobbyd::named("a").set("TTL", "3").on(&channel).start().await;
    let wire = channel.wire().await;
    wire.hears(1, "a", "hi").await;
    let said = now();
    wire.say(lasting("short", "1")).await;
    wire.say(lasting("long", "3600")).await;
    wire.say(ORIGINAL).await;
    daemon.meets("original").await;
    daemon.meets("long").await;
    daemon.knows(json!({"a": [], "long": [], "original": ["a:1"]})).await;
    assert!(said.elapsed() < Duration::from_secs(3), "{:?}", said.elapsed());
    daemon.knows(json!({"a": [], "long": []})).await;
    assert!(said.elapsed() >= Duration::from_secs(3), "{:?}", said.elapsed());
}

#[actix_rt::test]
async fn over_nats_a_server_expires_after_the_ttl_that_it_tells() {
    over(Channel::nats().await).await;
}

#[actix_rt::test]
async fn over_redis_a_server_expires_after_the_ttl_that_it_tells() {
    over(Channel::redis().await).await;
}

#[actix_rt::test]
async fn a_hi_tells_ttl_and_a_longer_one_than_an_hour_is_not_told() {
    let channel = Channel::nats().await;
    let wire = channel.wire().await;
    let daemons = [("a", "30", json!(30)), ("b", "3600", json!(3600)), ("c", "3601", Value::Null)];
    for (name, ttl, expected) in daemons {
        let _daemon = Lobbyd::named(name).set("TTL", ttl).on(&channel).start().await;
        let hi: Value = serde_json::from_str(&wire.hears(1, name, "hi").await[0]).unwrap();
        assert_eq!(hi["ttl"], expected, "{hi}");
    }
}

#[actix_rt::test]
async fn a_ttl_that_is_not_valid_counts_as_none_and_is_counted() {
    let nats = NatsServer::start().await;
    let wire = RawPeer::nats(&nats).await;
    let daemon = Lobbyd::named("a").set("TTL", "5").nats(&nats).start().await;
    wire.hears(1, "a", "hi").await;
    let odd = ["0", "-30", "1.5", "1000000000000000000", "\"30\"", "3601"];
    for (number, ttl) in odd.iter().enumerate() {
        wire.say(lasting(&format!("h{number}"), ttl)).await;
    }
    let all = json!({"a": [], "h0": [], "h1": [], "h2": [], "h3": [], "h4": [], "h5": []});
    daemon.knows(all).await;
    let status = daemon.client().status().await.unwrap();
    assert_eq!((status.drivers[0].invalid_ttl, status.drivers[0].refused.len()), (6, 0));
    let metrics = daemon.get("/metrics").await.text();
    assert!(metrics.contains("lobby_packets_invalid_ttl_total{driver=\"NATS\"} 6"), "{metrics}");
    let warning = daemon.logged("packet with an invalid ttl").await;
    assert!(warning.contains("expected 1 to 3600"), "{warning}");
    daemon.knows(json!({"a": []})).await;
}

#[actix_rt::test]
async fn servers_of_different_intervals_do_not_flap() {
    let channel = Channel::nats().await;
    let wire = channel.wire().await;
    let quick = Lobbyd::named("quick").set("TTL", "2").on(&channel).start().await;
    let slow = Lobbyd::named("slow").set("KEEP_ALIVE", "4").set("TTL", "20");
    let slow = slow.on(&channel).start().await;
    quick.meets("slow").await;
    slow.meets("quick").await;
    let heard = wire.heard_from("slow", "hi").len();
    wire.hears(heard + 2, "slow", "hi").await;
    for daemon in [&quick, &slow] {
        assert_eq!(daemon.logs_with("host expired"), [""; 0]);
    }
}

#[actix_rt::test]
async fn a_signed_packet_carries_a_second_signature_for_its_ttl() {
    let nats = NatsServer::start().await;
    let wire = RawPeer::nats(&nats).await;
    let keyed = |name: &str| {
        let daemon = Lobbyd::named(name).set("PACKET_VERIFY", "enforce").set("TTL", "3");
        let file = daemon.labels_path().with_file_name("packet-keys");
        std::fs::write(&file, "5f0c1a7e9b3d4826-key").unwrap();
        daemon.set("PACKET_KEY_FILE", file).nats(&nats)
    };
    let a = keyed("a").start().await;
    let b = keyed("b").set("TTL", "30").start().await;
    a.meets("b").await;
    b.meets("a").await;
    let hi = wire.hears(1, "b", "hi").await[0].clone();
    let fields: Value = serde_json::from_str(&hi).unwrap();
    assert!(fields["signature"].is_string() && fields["signature2"].is_string(), "{hi}");
    // Altered on its way it proves nothing, although the first signature does not cover it.
    wire.say(hi.replace("\"ttl\":30", "\"ttl\":3600")).await;
    eventually(LIMIT, async || {
        let refused = a.client().status().await.unwrap().drivers[0].refused.clone();
        ensure(refused.contains_key("bad_signature"), refused)
    })
    .await;
}
