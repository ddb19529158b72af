//! What a daemon logs of the hosts that come, change and go.

use std::time::Duration;

use lobby_tests::{Channel, LIMIT, Lobbyd, ensure, eventually, now};
use serde_json::json;

#[actix_rt::test]
async fn the_log_names_the_labels_that_a_host_gets_and_loses() {
    let channel = Channel::nats().await;
    let (daemon, wire) = (Lobbyd::named("a").on(&channel).start().await, channel.wire().await);
    wire.hears(1, "a", "hi").await;
    wire.say_hi("b", &["rack:1", "service:smtp"]).await;
    wire.say_hi("b", &["rack:1", "service:web", "zone:x"]).await;
    let line = daemon.logged("host changed its labels").await;
    assert!(line.contains("host=b") && line.contains("lobby::membership"), "{line}");
    assert!(
        line.contains("added=service:web, zone:x") && line.contains("removed=service:smtp"),
        "{line}"
    );
    let many: Vec<_> = (0..1000).map(|number| format!("label:{number:0200}")).collect();
    wire.say_hi("b", &many.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let line = daemon.logged("and 999 more").await;
    assert!(line.len() < 1000, "{line}");
}

#[actix_rt::test]
async fn a_host_that_dies_leaves_list_and_log_at_its_ttl() {
    let channel = Channel::nats().await;
    let daemon =
        Lobbyd::named("a").set("TTL", "3").set("CLEAN_EVERY", "3600").on(&channel).start().await;
    let wire = channel.wire().await;
    wire.hears(1, "a", "hi").await;
    let said = now();
    wire.say_hi("b", &[]).await;
    daemon.meets("b").await;
    eventually(LIMIT, async || {
        let lobby = daemon.lobby().await;
        if lobby.get("b").is_none() { Ok(()) } else { Err(lobby.to_string()) }
    })
    .await;
    assert!(said.elapsed() >= Duration::from_secs(3), "{:?}", said.elapsed());
    let line = daemon.logged("host expired").await;
    assert!(
        line.contains("host=b") && said.elapsed() < Duration::from_secs(6),
        "{line} after {:?}",
        said.elapsed()
    );
}

#[actix_rt::test]
async fn similar_names_of_several_servers_are_warned_of_once() {
    let channel = Channel::nats().await;
    let (daemon, wire) = (Lobbyd::named("a").on(&channel).start().await, channel.wire().await);
    wire.hears(1, "a", "hi").await;
    for _ in 0..3 {
        for name in ["SRV9", "srv9", "srv9.", "srv10"] {
            wire.say_hi(name, &[]).await;
        }
        wire.say_goodbye("srv9").await;
    }
    wire.say_hi("srv9", &[]).await;
    daemon.knows(json!({"a": [], "SRV9": [], "srv9": [], "srv9.": [], "srv10": []})).await;
    // The log is written in order, a moment after the list has changed.
    wire.say_hi("last", &[]).await;
    daemon.logged("host joined host=last").await;
    let warnings =
        daemon.logs_with("another server's name differs from this one in case or a final dot only");
    let of = |host: &str| {
        warnings
            .iter()
            .filter(|line| line.split(' ').any(|field| field == format!("host={host}")))
            .count()
    };
    assert_eq!((of("srv9"), of("srv9."), of("srv10")), (1, 1, 0), "{warnings:?}");
    assert!(of("SRV9") <= 1 && warnings[0].contains("WARN"), "{warnings:?}");
}

#[actix_rt::test]
async fn a_neighbour_that_sends_less_often_than_ttl_is_warned_of_once() {
    let channel = Channel::nats().await;
    let daemon = Lobbyd::named("a").set("TTL", "2").on(&channel).start().await;
    let wire = channel.wire().await;
    wire.hears(1, "a", "hi").await;
    // As lobby 1.x sends: without a ttl. Its rhythm is that of its expiries here. The other one
    // tells a ttl, which is not that of this daemon.
    let lasting =
        r#"{"discovery":{"hostname":"c","labels":[],"last_check":0},"message":"hi","ttl":1}"#;
    for expiries in 0..5 {
        wire.say_hi("b", &[]).await;
        wire.say(lasting).await;
        eventually(LIMIT, async || {
            let expired = daemon.logs_with("host expired");
            let of = |host: &str| expired.iter().filter(|line| line.contains(host)).count();
            ensure(of("host=b") > expiries && of("host=c") > expiries, expired)
        })
        .await;
    }
    wire.say_hi("b", &[]).await;
    daemon.meets("b").await;
    let warnings = daemon.logs_with("host is heard less often than once in TTL");
    assert!(warnings[0].contains("host=b") && warnings[0].contains("seconds=2"), "{warnings:?}");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
}
