//! A broker that is slow, frozen or flooded delays nothing but itself.

use std::time::Duration;

use async_nats::Client;
use bytes::Bytes;
use lobby_tests::{
    ContinuityCheck, LIMIT, Lobbyd, NatsServer, Proxy, RedisServer, Script, ensure, eventually,
};
use serde_json::json;

use crate::outage::{NOISE, SLOWEST_ANSWER};

/// A change reaches the other daemons and the callback at once; this is what a busy machine makes
/// of that.
const AT_ONCE: Duration = NOISE;

#[actix_rt::test]
async fn a_frozen_broker_delays_no_answer_driver_or_callback() {
    let (nats, redis) = (NatsServer::start().await, RedisServer::start().await);
    let script = Script::recording_then("");
    let on_both =
        |name| Lobbyd::named(name).labels(ContinuityCheck::LABELS).nats(&nats).redis(&redis);
    let a = on_both("a").set("CALLBACK", script.command());
    let a = a
        .set("CALLBACK_FIRST_RUN_DELAY", "0")
        .set("CALLBACK_COOLDOWN", "0")
        .set("CALLBACK_SETTLE", "0")
        .start()
        .await;
    let b = on_both("b").start().await;
    a.meets("b").await;
    b.meets("a").await;
    let vigil = ContinuityCheck::over(&a, &["a", "b"]).await;
    nats.pause();
    for round in 0..5 {
        let label = format!("during:freeze{round}");
        b.add_labels(&label).await;
        let labels = json!(["during:freeze0"]);
        eventually(AT_ONCE, async || {
            let known = a.lobby().await["b"].to_string();
            ensure(known.contains(&label), known)
        })
        .await;
        eventually(AT_ONCE, async || {
            let runs = script.runs();
            let told =
                runs.last().and_then(|run| run.labels_of("b")).unwrap_or(&labels).to_string();
            ensure(told.contains(&label), told)
        })
        .await;
    }
    vigil.nobody_was_missing(SLOWEST_ANSWER).await;
}

#[actix_rt::test]
async fn a_jammed_link_delays_neither_labels_nor_the_other_driver() {
    let (nats, redis) = (NatsServer::start().await, RedisServer::start().await);
    let proxies = [Proxy::to(nats.port()).await, Proxy::to(redis.port()).await];
    let through = |name| {
        let url = format!("nats://127.0.0.1:{}", proxies[0].port());
        Lobbyd::named(name)
            .labels(ContinuityCheck::LABELS)
            .nats_at(&url)
            .redis_at(proxies[1].port())
    };
    let (a, b) = (through("a").start().await, through("b").start().await);
    a.links_are("up", LIMIT).await;
    b.links_are("up", LIMIT).await;
    b.meets("a").await;
    for (round, proxy) in proxies.iter().enumerate() {
        let vigil = ContinuityCheck::over(&b, &["a", "b"]).await;
        proxy.jam();
        let label = format!("while:jammed{round}");
        assert_eq!(a.add_labels(&label).await.status, 200);
        eventually(AT_ONCE, async || {
            let known = b.lobby().await["a"].to_string();
            ensure(known.contains(&label), known)
        })
        .await;
        b.links_are("up", LIMIT).await;
        proxy.open();
        a.links_are("up", LIMIT).await;
        b.links_are("up", LIMIT).await;
        vigil.nobody_was_missing(SLOWEST_ANSWER).await;
    }
}

/// Packets of a flood, 600 bytes each.
const FLOOD: u64 = 300_000;

/// Long enough to take them all in on a busy machine.
const ENDURANCE: Duration = Duration::from_secs(120);

/// Most memory in MB: the daemon itself (unoptimised), 65,536 packets in the client's queue, 16,384
/// in ours.
const MOST_MEMORY: usize = 128;

#[actix_rt::test]
async fn of_a_flood_every_packet_is_counted_and_memory_stays_bounded() {
    let nats = NatsServer::start().await;
    // Its own packets would wait behind the flood, and a link on which they do not come back in
    // time is given up.
    let a = Lobbyd::named("a").without_keep_alive().nats(&nats).start().await;
    a.links_are("up", LIMIT).await;
    // It stays until the end: a connection that is closed with something unread takes what is still
    // on its way with it.
    let client = async_nats::connect(nats.url()).await.unwrap();
    flood(&client).await;
    eventually(ENDURANCE, async || {
        let link = a.get_json("/v1/status").await["drivers"][0].clone();
        let counted = link["refused"]["not_json"].as_u64().zip(link["dropped"].as_u64());
        ensure(counted.is_some_and(|(refused, dropped)| refused + dropped >= FLOOD), link)
    })
    .await;
    drop(client);
    let most = a.peak_memory();
    assert!(most < MOST_MEMORY, "{most} MB");
}

async fn flood(client: &Client) {
    for _ in 0..FLOOD {
        client.publish("lobby.discovery", Bytes::from_static(&[b'x'; 600])).await.unwrap();
    }
    client.flush().await.unwrap();
}
