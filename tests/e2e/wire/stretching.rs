//! Intervals that stretch with the lobby, MAX_PACKET_RATE.

use lobby_tests::{Channel, LIMIT, Lobbyd, RawPeer, Signal, ensure, eventually};
use serde_json::{Value, json};

/// A hi as the original 1.5 writes it.
const ORIGINAL: &str =
    r#"{"discovery":{"hostname":"original","labels":[],"last_check":0},"message":"hi"}"#;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// Four daemons that together may send so many packets a second.
async fn four(channel: &Channel, rate: &str) -> Vec<Lobbyd> {
    let start = |name| Lobbyd::named(name).set("MAX_PACKET_RATE", rate).on(channel).start();
    let daemons = futures_util::future::join_all(NAMES.map(start)).await;
    for daemon in &daemons {
        for name in NAMES {
            daemon.meets(name).await;
        }
    }
    daemons
}

/// Waits until the last packet of each of them tells this TTL.
async fn all_tell(wire: &RawPeer, ttl: u64) {
    eventually(LIMIT, async || {
        let told = NAMES.map(|name| {
            let last = wire.heard_from(name, "hi").pop().unwrap_or_default();
            serde_json::from_str::<Value>(&last).map_or(Value::Null, |hi| hi["ttl"].clone())
        });
        ensure(told.iter().all(|told| *told == ttl), format!("{told:?}"))
    })
    .await;
}

async fn stretches_until_an_original_comes(channel: Channel) {
    let wire = channel.wire().await;
    let daemons = four(&channel, "1").await;
    // Four packets a second may become one: KEEP_ALIVE of 1 and TTL of 30 are four times as long.
    all_tell(&wire, 120).await;
    wire.say(ORIGINAL).await;
    daemons[0].meets("original").await;
    all_tell(&wire, 30).await;
    for name in NAMES {
        let heard = wire.heard_from(name, "hi").len();
        wire.hears(heard + 2, name, "hi").await;
    }
    wire.say_goodbye("original").await;
    all_tell(&wire, 120).await;
    for daemon in &daemons {
        assert_eq!(daemon.logs_with("host expired"), [""; 0]);
    }
}

#[actix_rt::test]
async fn over_nats_a_large_lobby_stretches_until_an_original_comes() {
    stretches_until_an_original_comes(Channel::nats().await).await;
}

#[actix_rt::test]
async fn over_redis_a_large_lobby_stretches_until_an_original_comes() {
    stretches_until_an_original_comes(Channel::redis().await).await;
}

#[actix_rt::test]
async fn labels_and_goodbyes_do_not_wait_for_an_interval() {
    let channel = Channel::nats().await;
    let wire = channel.wire().await;
    let daemons = four(&channel, "1").await;
    all_tell(&wire, 120).await;
    daemons[0].add_labels("x:1").await;
    daemons[1].knows(json!({"a": ["x:1"], "b": [], "c": [], "d": []})).await;
    daemons[0].signal(Signal::TERM);
    daemons[1].knows(json!({"b": [], "c": [], "d": []})).await;
}

#[actix_rt::test]
async fn a_rate_of_zero_never_stretches() {
    let channel = Channel::nats().await;
    let wire = channel.wire().await;
    let _daemons = four(&channel, "0").await;
    for name in NAMES {
        let heard = wire.heard_from(name, "hi").len();
        wire.hears(heard + 3, name, "hi").await;
        assert!(wire.heard_from(name, "hi").iter().all(|hi| hi.contains("\"ttl\":30")));
    }
}
