//! Links over which nothing can be sent, and outages: what the status and the log say.

use lobby_tests::{LIMIT, Lobbyd, NatsServer, RawPeer, RedisServer, ensure, eventually, free_port};
use serde_json::Value;

use crate::drivers::link;

/// Labels that make a packet of more than 512 bytes.
fn long_labels() -> String {
    (1..=20).map(|number| format!("label:{number:030}")).collect::<Vec<_>>().join(",")
}

fn count(daemon: &Lobbyd, words: &str) -> usize {
    daemon.logs().iter().filter(|line| line.contains(words)).count()
}

/// Waits until the daemon has logged this so many times.
async fn logs_often(daemon: &Lobbyd, words: &str, times: usize) {
    eventually(LIMIT, async || ensure(count(daemon, words) >= times, daemon.logs())).await;
}

#[actix_rt::test]
async fn a_link_that_takes_no_own_packet_is_up_with_the_reason() {
    let nats = NatsServer::with_config("max_payload: 512").await;
    let a = Lobbyd::named("a")
        .set("LOG_LEVEL", "debug")
        .labels(&long_labels())
        .nats(&nats)
        .start()
        .await;
    // Longer than two KEEP_ALIVE and a second: own packets that were never sent are not missed.
    logs_often(&a, "sending own packet", 6).await;
    let link = link(&a).await;
    assert!(
        link["state"] == "up"
            && link["reason"].as_str().is_some_and(|reason| reason.contains("max_payload")),
        "{link}"
    );
    assert_eq!((count(&a, "link is up"), count(&a, "link is down")), (1, 0), "{:?}", a.logs());
    let b = Lobbyd::named("b").nats(&nats).start().await;
    a.meets("b").await;
    b.knows(serde_json::json!({"b": []})).await;
}

#[actix_rt::test]
async fn a_user_who_may_not_publish_is_down_and_does_not_flap() {
    let permissions = "{ publish: \"other\", subscribe: \">\" }";
    let users = |permissions: &str| {
        format!(
            "authorization {{ users: [{{ user: lobby, password: secret, permissions: {permissions} }}] }}"
        )
    };
    let mut nats = NatsServer::with_config(&users(permissions)).await;
    let url = format!("nats://lobby:secret@127.0.0.1:{}", nats.port());
    let a = Lobbyd::named("a").set("LOG_LEVEL", "debug").nats_at(&url).start().await;
    let is_down = |link: &Value| {
        let reason = link["reason"].as_str().unwrap_or_default();
        link["state"] == "down" && reason.contains("Permissions Violation for Publish")
    };
    eventually(LIMIT, async || {
        let link = link(&a).await;
        ensure(is_down(&link), &link)
    })
    .await;
    let since = link(&a).await["since"].clone();
    logs_often(&a, "link is closed", 4).await;
    let link_then = link(&a).await;
    assert!(is_down(&link_then) && link_then["since"] == since, "{link_then}");
    // The first refusal ends a link that was up, later ones keep it from coming up.
    assert!(count(&a, "link is up") == 1 && count(&a, "link is down") <= 2, "{:?}", a.logs());
    nats.restart_with(&users("{ publish: \">\", subscribe: \">\" }")).await;
    eventually(LIMIT, async || {
        let link = link(&a).await;
        ensure(link["state"] == "up" && link["sent"].as_u64() > Some(1), &link)
    })
    .await;
}

#[actix_rt::test]
async fn after_a_refusal_the_newest_packet_is_the_first_to_be_taken() {
    let redis = RedisServer::with_config(
        "user lobby on >s3cret resetchannels &lobby:discovery -@all +subscribe +ping +role",
    )
    .await;
    let wire = RawPeer::redis(&redis).await;
    let a = Lobbyd::named("a")
        .set("REDIS_USERNAME", "lobby")
        .set("REDIS_PASSWORD", "s3cret")
        .set("KEEP_ALIVE", "2")
        .labels("old:1")
        .redis(&redis)
        .start()
        .await;
    eventually(LIMIT, async || {
        let link = link(&a).await;
        ensure(link["state"] == "down" && link["sent"] == 0, &link)
    })
    .await;
    assert_eq!(a.add_labels("new:1").await.status, 200);
    let mut admin = ::redis::Client::open(redis.url())
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    let mut grant = ::redis::cmd("ACL");
    grant.arg(&["SETUSER", "lobby", "+publish"]).exec_async(&mut admin).await.unwrap();
    let first = wire.hears(1, "a", "hi").await.remove(0);
    assert!(first.contains("new:1"), "{first}");
}

#[actix_rt::test]
async fn an_outage_of_many_servers_is_told_once() {
    let list =
        (0..3).map(|_| format!("nats://127.0.0.1:{}", free_port())).collect::<Vec<_>>().join(",");
    let a = Lobbyd::named("a").set("LOG_LEVEL", "debug").nats_at(&list).start().await;
    logs_often(&a, "link is closed", 5).await;
    assert_eq!(count(&a, "link is down"), 1, "{:?}", a.logs());
}
