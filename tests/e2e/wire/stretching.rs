//! Intervals that stretch with the lobby, MAX_PACKET_RATE.

use std::time::{Duration, UNIX_EPOCH};

use lobby_tests::{Channel, LIMIT, Lobbyd, Proxy, RawPeer, Signal, ensure, eventually, lobbyctl};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::outage::{BACK, NOISE};

/// The longest random wait before the first packet after a reconnection.
const SPREAD: Duration = Duration::from_millis(500);

/// A hi and the goodbye of lobby 1.x, as they were recorded.
const ORIGINAL: [&str; 2] = [
    r#"{"discovery":{"hostname":"node-a","labels":["public_ip4:1.2.3.4","public_ip6:2a03::1","service:smtp"],"last_check":0},"message":"hi"}"#,
    r#"{"discovery":{"hostname":"node-a","labels":["public_ip4:1.2.3.4","public_ip6:2a03::1","service:smtp"],"last_check":0},"message":"goodbye"}"#,
];

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// Four daemons that together may send so many packets a second. Any of them would expire that sent
/// more rarely than it tells.
async fn four(channel: &Channel, rate: &str) -> Vec<Lobbyd> {
    let named = |name| Lobbyd::named(name).set("TTL", "3").set("MAX_PACKET_RATE", rate);
    let start = |name| named(name).on(channel).start();
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

/// The interval and the TTL in use, by the status.
async fn in_use(daemon: &Lobbyd) -> Value {
    let status = daemon.get_json("/v1/status").await;
    json!([status["interval"], status["packet_ttl"]])
}

/// Does something while a lobby 1.x is there and sends as often as the others.
async fn beside_the_original(wire: &RawPeer, work: impl Future<Output = ()>) {
    let mut turns = tokio::time::interval(Duration::from_secs(1));
    let speaks = async {
        loop {
            turns.tick().await;
            wire.say(ORIGINAL[0]).await;
        }
    };
    tokio::select! { () = speaks => (), () = work => () }
    wire.say(ORIGINAL[1]).await;
}

async fn stretches_until_an_original_comes(channel: Channel) {
    let wire = channel.wire().await;
    let daemons = four(&channel, "1").await;
    // Four packets a second may become one: KEEP_ALIVE of 1 and TTL of 3 are four times as long.
    all_tell(&wire, 12).await;
    eventually(LIMIT, async || ensure(in_use(&daemons[0]).await == json!([4, 12]), "not yet"))
        .await;
    let shown = lobbyctl(&daemons[0], &["status"]).await.stdout;
    let expected = "keep-alive 1 s, TTL 3 s; stretched to 4 s and 12 s, as the lobby is large\n";
    assert!(shown.contains(expected), "{shown}");
    beside_the_original(&wire, async {
        daemons[0].meets("node-a").await;
        all_tell(&wire, 3).await;
        assert_eq!(in_use(&daemons[0]).await, json!([1, 3]));
        for name in NAMES {
            let heard = wire.heard_from(name, "hi").len();
            wire.hears(heard + 2, name, "hi").await;
        }
    })
    .await;
    all_tell(&wire, 12).await;
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

/// How far behind half a second each of the next packets is heard, in milliseconds.
async fn behind_a_beat(wire: &RawPeer, packets: usize) -> Vec<u64> {
    let (mut heard, mut behind) = (wire.heard().len(), Vec::new());
    let mut looks = tokio::time::interval(Duration::from_millis(2));
    while behind.len() < packets {
        looks.tick().await;
        let more = wire.heard().len() - heard;
        let now = UNIX_EPOCH.elapsed().unwrap();
        behind.extend(std::iter::repeat_n(u64::from(now.subsec_millis()) % 500, more));
        heard += more;
    }
    behind
}

#[actix_rt::test]
async fn in_a_large_lobby_packets_come_at_half_seconds() {
    let channel = Channel::nats().await;
    let wire = channel.wire().await;
    let daemons = four(&channel, "1").await;
    crowd(&wire, 8).await;
    eventually(LIMIT, async || {
        let mut all = Vec::new();
        for daemon in &daemons {
            all.push(in_use(daemon).await);
        }
        ensure(all.iter().all(|pace| *pace == json!([12, 36])), all)
    })
    .await;
    // Where they come at any moment it is one in five.
    eventually(LIMIT * 9, async || {
        let behind = timeout(LIMIT * 3, behind_a_beat(&wire, 8)).await.unwrap();
        let on_time = behind.iter().filter(|behind| **behind < 100).count();
        ensure(on_time >= 7, behind)
    })
    .await;
}

#[actix_rt::test]
async fn labels_and_goodbyes_do_not_wait_for_an_interval() {
    let channel = Channel::nats().await;
    let wire = channel.wire().await;
    let daemons = four(&channel, "1").await;
    all_tell(&wire, 12).await;
    daemons[0].add_labels("x:1").await;
    daemons[1].knows(json!({"a": ["x:1"], "b": [], "c": [], "d": []})).await;
    daemons[0].signal(Signal::TERM);
    daemons[1].knows(json!({"b": [], "c": [], "d": []})).await;
}

/// Says hi for so many hosts whose packets are good for an hour.
async fn crowd(wire: &RawPeer, hosts: usize) {
    let hi = |number: usize| {
        format!(
            r#"{{"discovery":{{"hostname":"h{number}","labels":[],"last_check":0}},"message":"hi","ttl":3600}}"#
        )
    };
    wire.say_all((0..hosts).map(|number| hi(number).into()).collect()).await;
}

#[actix_rt::test]
async fn a_reconnection_does_not_wait_for_an_interval() {
    let channel = Channel::nats().await;
    let (proxy, wire) = (Proxy::to(channel.port()).await, channel.wire().await);
    let a = Lobbyd::named("a").set("MAX_PACKET_RATE", "1").on_through(&channel, &proxy);
    let a = a.start().await;
    wire.hears(1, "a", "hi").await;
    crowd(&wire, 100).await;
    // From the second packet on that tells it the interval is 101 seconds.
    let long = || wire.heard_from("a", "hi").iter().filter(|hi| hi.contains(":3030")).count();
    eventually(LIMIT, async || ensure(long() >= 2, long())).await;
    proxy.close();
    a.links_are("down", LIMIT).await;
    let before = long();
    proxy.open();
    a.links_are("up", BACK + NOISE).await;
    eventually(SPREAD + NOISE, async || ensure(long() > before, long())).await;
}

#[actix_rt::test]
async fn a_rate_of_zero_never_stretches() {
    let channel = Channel::nats().await;
    let wire = channel.wire().await;
    let _daemons = four(&channel, "0").await;
    for name in NAMES {
        let heard = wire.heard_from(name, "hi").len();
        wire.hears(heard + 3, name, "hi").await;
        assert!(wire.heard_from(name, "hi").iter().all(|hi| hi.contains("\"ttl\":3}")));
    }
}
