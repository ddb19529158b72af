//! After every kind of outage a daemon is connected and subscribed again by itself, in time.

use std::path::Path;
use std::time::Duration;

use lobby_tests::{
    Channel, HostNames, LIMIT, Lobbyd, LobbydBuilder, Proxy, Signal, ensure, eventually,
};
use serde_json::json;

use crate::outage::{BACK, NOISE, acquainted, are_in_touch_again, is_heard_again, on_brokers};

on_brokers!(
    after_it_was_killed_and_restarted,
    after_it_was_frozen_and_went_on,
    after_it_was_restarted_and_refused_us_for_a_while,
    after_our_password_was_wrong_and_put_right,
    after_the_connection_was_cut_in_the_middle_of_messages,
    after_a_firewall_swallowed_everything,
    once_its_name_can_be_resolved,
    with_the_own_packet_at_once,
);

/// The longest random wait before the first packet after a reconnection.
const GREETING: Duration = Duration::from_millis(500);

async fn after_it_was_killed_and_restarted(mut channel: Channel) {
    let (a, b) = acquainted(&channel).await;
    for round in ["once", "again", "and-again"] {
        channel.kill();
        a.links_are("down", LIMIT).await;
        b.links_are("down", LIMIT).await;
        channel.restart().await;
        are_in_touch_again(&a, &b, round).await;
    }
}

async fn after_it_was_frozen_and_went_on(channel: Channel) {
    let (a, b) = acquainted(&channel).await;
    channel.pause();
    a.links_are("down", LIMIT).await;
    b.links_are("down", LIMIT).await;
    channel.resume();
    are_in_touch_again(&a, &b, "after:freeze").await;
}

async fn after_it_was_restarted_and_refused_us_for_a_while(mut channel: Channel) {
    let (a, b) = acquainted(&channel).await;
    channel.restart_for(Some("s3cret")).await;
    for daemon in [&a, &b] {
        is_refused(daemon).await;
    }
    channel.restart_for(None).await;
    are_in_touch_again(&a, &b, "let:in").await;
}

/// The status tells that the broker does not let the daemon in.
async fn is_refused(daemon: &Lobbyd) {
    eventually(LIMIT, async || {
        let link = daemon.get_json("/v1/status").await["drivers"][0].clone();
        let reason = link["reason"].as_str().unwrap_or_default();
        let told = reason.contains("refused the credentials")
            || reason.contains("wants a password")
            || reason.contains("refused REDIS_USERNAME or REDIS_PASSWORD");
        ensure(link["state"] == "down" && told, link)
    })
    .await;
}

async fn after_our_password_was_wrong_and_put_right(mut channel: Channel) {
    channel.restart_for(Some("r1ght")).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secret");
    write_secret(&file, &channel, "wr0ng");
    let a = logging_in("a", &channel, &file).start().await;
    let b = logging_in("b", &channel, &file).start().await;
    is_refused(&a).await;
    write_secret(&file, &channel, "r1ght");
    a.signal(Signal::HUP);
    b.signal(Signal::HUP);
    are_in_touch_again(&a, &b, "let:in").await;
    assert!(
        a.logs_with("wr0ng").is_empty() && a.logs_with("r1ght").is_empty(),
        "a password is in the log"
    );
}

fn write_secret(file: &Path, channel: &Channel, password: &str) {
    let secret = match channel {
        Channel::Nats(_) => format!("nats://{password}@127.0.0.1:{}\n", channel.port()),
        _ => format!("{password}\n"),
    };
    std::fs::write(file, secret).unwrap();
}

fn logging_in(name: &str, channel: &Channel, file: &Path) -> LobbydBuilder {
    match channel {
        Channel::Nats(_) => Lobbyd::named(name).set("DRIVER", "NATS").set("NATS_URL_FILE", file),
        _ => Lobbyd::named(name).on(channel).set("REDIS_PASSWORD_FILE", file),
    }
}

async fn after_the_connection_was_cut_in_the_middle_of_messages(channel: Channel) {
    let proxy = Proxy::to(channel.port()).await;
    let a = Lobbyd::named("a").on_through(&channel, &proxy).start().await;
    let b = Lobbyd::named("b").on(&channel).start().await;
    a.meets("b").await;
    b.meets("a").await;
    for bytes in [1, 30, 70, 110, 150, 400] {
        proxy.cut_after(bytes).await;
        is_heard_again(&a, "a", &b, &format!("cut:{bytes}")).await;
        is_heard_again(&b, "b", &a, &format!("cut:{bytes}")).await;
    }
    for daemon in [a, b] {
        assert_eq!(
            daemon.get_json("/v1/status").await["drivers"][0]["refused"],
            json!({}),
            "half a packet came through"
        );
    }
}

async fn after_a_firewall_swallowed_everything(channel: Channel) {
    let proxy = Proxy::to(channel.port()).await;
    let a = Lobbyd::named("a").on_through(&channel, &proxy).start().await;
    let b = Lobbyd::named("b").on(&channel).start().await;
    a.meets("b").await;
    b.meets("a").await;
    for round in ["once", "again"] {
        proxy.jam();
        a.links_are("down", LIMIT).await;
        a.is_cut_off_for(BACK).await;
        proxy.open();
        are_in_touch_again(&a, &b, round).await;
    }
}

async fn once_its_name_can_be_resolved(channel: Channel) {
    let names = HostNames::none();
    let a = named_broker("a", &channel).launched_by(names.launcher()).start().await;
    let b = Lobbyd::named("b").on(&channel).start().await;
    b.links_are("up", LIMIT).await;
    a.is_cut_off_for(Duration::from_secs(1)).await;
    names.add("broker.example");
    are_in_touch_again(&a, &b, "name:known").await;
}

fn named_broker(name: &str, channel: &Channel) -> LobbydBuilder {
    let daemon = Lobbyd::named(name);
    match channel {
        Channel::Nats(_) => daemon.nats_at(&format!("nats://broker.example:{}", channel.port())),
        _ => daemon.on(channel).set("REDIS_HOST", "broker.example"),
    }
}

async fn with_the_own_packet_at_once(channel: Channel) {
    let (proxy, wire) = (Proxy::to(channel.port()).await, channel.wire().await);
    let a = Lobbyd::named("a").without_keep_alive().on_through(&channel, &proxy).start().await;
    for packets in 1..4 {
        wire.hears(packets, "a", "hi").await;
        proxy.close();
        a.links_are("down", LIMIT).await;
        proxy.open();
        a.links_are("up", BACK + NOISE).await;
        let wait = eventually(GREETING + NOISE, async || {
            let heard = wire.heard_from("a", "hi").len();
            ensure(heard == packets + 1, heard)
        });
        wait.await;
    }
}
