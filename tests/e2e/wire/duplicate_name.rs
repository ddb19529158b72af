//! Two daemons that go by one name.

use std::time::Duration;

use lobby_tests::{ContinuityCheck, LIMIT, Lobbyd, RawPeer, ensure, eventually, lobbyctl};
use serde_json::json;

use crate::outage::{SLOWEST_ANSWER, on_brokers};

on_brokers!(
    both_tell_of_it_and_neither_flaps_in_its_own_list,
    it_is_warned_about_once_however_many_packets_come,
    an_instance_of_a_stranger_cannot_do_harm,
    a_goodbye_for_the_own_name_is_not_heeded,
    one_who_was_restarted_is_no_duplicate,
);

type Channel = lobby_tests::Channel;

async fn instance(daemon: &Lobbyd) -> String {
    daemon.get_json("/v1/status").await["instance"].as_str().unwrap().to_owned()
}

/// Waits until a daemon has received so many packets of the other one.
async fn has_heard(daemon: &Lobbyd, packets: u64) -> serde_json::Value {
    eventually(LIMIT, async || {
        let duplicate = daemon.get_json("/v1/status").await["duplicate"].clone();
        if duplicate["packets"].as_u64() >= Some(packets) {
            Ok(duplicate)
        } else {
            Err(duplicate.to_string())
        }
    })
    .await
}

async fn both_tell_of_it_and_neither_flaps_in_its_own_list(channel: Channel) {
    let one = Lobbyd::named("twin")
        .labels(&format!("who:one,{}", ContinuityCheck::LABELS))
        .on(&channel)
        .start()
        .await;
    let two = Lobbyd::named("twin")
        .labels(&format!("who:two,{}", ContinuityCheck::LABELS))
        .on(&channel)
        .start()
        .await;
    let checks = [
        ContinuityCheck::over(&one, &["twin"]).await,
        ContinuityCheck::over(&two, &["twin"]).await,
    ];
    for (daemon, other, who) in [(&one, &two, "who:one"), (&two, &one, "who:two")] {
        for packets in 1..4 {
            assert_eq!(has_heard(daemon, packets).await["instance"], json!(instance(other).await));
            assert_eq!(daemon.lobby().await, json!({"twin": [ContinuityCheck::LABELS, who]}));
        }
        let printed = lobbyctl(daemon, &["status"]).await;
        assert_eq!(printed.status, Some(0), "{printed:?}");
        assert!(
            printed.stdout.contains(&format!("DUPLICATE  instance {}", instance(other).await)),
            "{printed:?}"
        );
    }
    for check in checks {
        check.nobody_was_missing(SLOWEST_ANSWER).await;
    }
}

async fn it_is_warned_about_once_however_many_packets_come(channel: Channel) {
    let (daemon, wire) = (Lobbyd::named("twin").on(&channel).start().await, channel.wire().await);
    wire.hears(1, "twin", "hi").await;
    for _ in 0..100 {
        wire.say_hi("twin", &["who:forged"]).await;
    }
    let duplicate = has_heard(&daemon, 100).await;
    assert_eq!(duplicate["instance"], json!(null));
    let warnings = daemon.logs_with("another daemon goes by this server's name");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("WARN") && warnings[0].contains("twin"), "{warnings:?}");
    assert_eq!(daemon.lobby().await, json!({"twin": []}));
}

/// Packets of the own name with an instance that a person had better not see.
fn with_instance(instance: &str) -> String {
    json!({"discovery": {"hostname": "twin", "labels": []}, "message": "hi", "instance": instance})
        .to_string()
}

async fn an_instance_of_a_stranger_cannot_do_harm(channel: Channel) {
    let (daemon, wire) = (Lobbyd::named("twin").on(&channel).start().await, channel.wire().await);
    wire.hears(1, "twin", "hi").await;
    for (packets, instance) in (1..).zip([
        "\u{1b}[2J\nforged",
        "forged\u{202e}",
        "for\u{200b}ged",
        &"x".repeat(200_000),
        " ",
    ]) {
        wire.say(with_instance(instance)).await;
        let duplicate = has_heard(&daemon, packets).await;
        assert_eq!(duplicate["instance"], json!(null), "{instance:.20}");
    }
    assert!(daemon.get("/v1/status").await.body.len() < 2_000);
    wire.say(with_instance("another-writer:1")).await;
    assert_eq!(has_heard(&daemon, 6).await["instance"], json!("another-writer:1"));
    assert!(daemon.logs().iter().all(|line| line.len() < 1_000 && !line.contains("forged")));
}

async fn a_goodbye_for_the_own_name_is_not_heeded(channel: Channel) {
    let daemon = Lobbyd::named("twin").labels(ContinuityCheck::LABELS).on(&channel).start().await;
    let wire: RawPeer = channel.wire().await;
    let check = ContinuityCheck::over(&daemon, &["twin"]).await;
    for _ in 0..10 {
        wire.say_goodbye("twin").await;
    }
    has_heard(&daemon, 10).await;
    check.nobody_was_missing(SLOWEST_ANSWER).await;
}

async fn one_who_was_restarted_is_no_duplicate(channel: Channel) {
    let wire = channel.wire().await;
    let first = Lobbyd::named("twin").on(&channel).start().await;
    wire.hears(2, "twin", "hi").await;
    first.kill();
    let heard = wire.heard_from("twin", "hi").len();
    let second = first.start_again().await;
    wire.hears(heard + 2, "twin", "hi").await;
    eventually(Duration::from_secs(5), async || {
        let status = second.get_json("/v1/status").await;
        ensure(status["drivers"][0]["received"].as_u64() >= Some(2), status)
    })
    .await;
    assert_eq!(second.get_json("/v1/status").await["duplicate"], json!(null));
}
