//! A link that comes and goes faster than TTL keeps no dead host alive, and loses no living one.

use std::time::Duration;

use lobby_tests::{
    Channel, ContinuityCheck, LIMIT, Lobbyd, LobbydBuilder, NatsServer, Proxy, eventually, now,
};

use crate::outage::{BACK, NOISE, SLOWEST_ANSWER, on_brokers};

on_brokers!(a_killed_host_goes_after_two_ttl_of_listening);

const TTL: Duration = Duration::from_secs(4);

/// How long the link stays up each time: less than TTL, so that a full TTL after each return would
/// never end.
const UP: Duration = Duration::from_secs(2);

fn watched(name: &str) -> LobbydBuilder {
    Lobbyd::named(name).labels(ContinuityCheck::LABELS).set("TTL", TTL.as_secs().to_string())
}

async fn a_killed_host_goes_after_two_ttl_of_listening(channel: Channel) {
    let proxy = Proxy::to(channel.port()).await;
    let _a = watched("a").on(&channel).start().await;
    let b = watched("b").on_through(&channel, &proxy).start().await;
    let c = watched("c").on(&channel).start().await;
    b.meets("a").await;
    b.meets("c").await;
    let check = ContinuityCheck::over(&b, &["a", "b"]).await;
    c.kill();
    let mut listened = Duration::ZERO;
    loop {
        let up = now();
        let gone = is_gone_within(UP, &b, "c").await;
        listened += up.elapsed();
        if gone {
            break;
        }
        assert!(listened < TTL * 2 + NOISE, "c is still there after {listened:?} of listening");
        proxy.close();
        b.links_are("down", LIMIT).await;
        proxy.open();
        b.links_are("up", BACK + NOISE).await;
    }
    check.nobody_was_missing(SLOWEST_ANSWER).await;
}

/// Whether a host leaves the list in time.
async fn is_gone_within(time: Duration, daemon: &Lobbyd, host: &str) -> bool {
    let begun = now();
    eventually(time + LIMIT, async || {
        let gone = daemon.lobby().await.get(host).is_none();
        if gone || begun.elapsed() >= time { Ok(gone) } else { Err("there".to_owned()) }
    })
    .await
}

#[actix_rt::test]
async fn a_broker_that_refuses_our_packet_keeps_no_dead_host_alive() {
    let nats = NatsServer::with_config("max_payload: 512").await;
    let labels: Vec<_> = (1..=20).map(|number| format!("label:{number:030}")).collect();
    let a = watched("a").labels(&labels.join(",")).nats(&nats).start().await;
    let b = watched("b").nats(&nats).start().await;
    a.meets("b").await;
    b.kill();
    let killed = now();
    // The link may be away between any two attempts, which is not listening.
    let gone = is_gone_within(TTL * 2 + BACK * 2, &a, "b").await;
    assert!(gone, "b is still there {:?} after it was killed", killed.elapsed());
}
