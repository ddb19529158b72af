//! Two daemons that go by one name.

use std::time::Duration;

use lobby_tests::{ContinuityCheck, LIMIT, Lobbyd, RawPeer, Signal, ensure, eventually, lobbyctl};
use serde_json::json;

use crate::outage::{SLOWEST_ANSWER, on_brokers};

on_brokers!(
    both_tell_of_it_and_neither_flaps_in_its_own_list,
    it_is_warned_about_once_however_many_packets_come,
    an_instance_of_a_stranger_cannot_do_harm,
    a_goodbye_for_the_own_name_is_not_heeded,
    one_who_was_restarted_is_no_duplicate,
    a_third_party_sees_one_server_that_does_not_flap,
    two_of_one_name_are_known_long_before_a_keep_alive,
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
    daemon.logged("another daemon goes by this server's name").await;
    let warnings = daemon.logs_with("another daemon goes by this server's name");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("WARN") && warnings[0].contains("twin"), "{warnings:?}");
    assert_eq!(daemon.lobby().await, json!({"twin": []}));
}

/// Waits until a daemon has received so many more packets.
async fn has_received_more(daemon: &Lobbyd, packets: u64) {
    let received = async || {
        let status = daemon.get_json("/v1/status").await;
        status["drivers"][0]["received"].as_u64().unwrap()
    };
    let before = received().await;
    eventually(LIMIT, async || {
        let now = received().await;
        ensure(now >= before + packets, now)
    })
    .await;
}

async fn a_third_party_sees_one_server_that_does_not_flap(channel: Channel) {
    let third = Lobbyd::named("third").on(&channel).start().await;
    let twin = |who: &str| {
        let labels = format!("who:{who},{}", ContinuityCheck::LABELS);
        Lobbyd::named("twin").labels(&labels).on(&channel)
    };
    let (one, two) = (twin("one").start().await, twin("two").start().await);
    let mut instances =
        [(instance(&one).await, one, "who:one"), (instance(&two).await, two, "who:two")];
    instances.sort_by(|a, b| a.0.cmp(&b.0));
    let [(smaller, stands, label), (greater, other, label_of_other)] = instances;
    let known = json!([{"hostname": "twin", "instances": [smaller, greater]}]);
    eventually(LIMIT, async || {
        let namesakes = third.get_json("/v1/status").await["namesakes"].clone();
        ensure(namesakes == known, namesakes)
    })
    .await;
    let check = ContinuityCheck::over(&third, &["twin"]).await;
    let changes = third.logs_with("host changed").len();
    has_received_more(&third, 12).await;
    assert_eq!(third.lobby().await["twin"], json!([ContinuityCheck::LABELS, label]));
    assert_eq!(third.logs_with("host changed").len(), changes, "it flaps");
    let warnings = third.logs_with("two daemons go by one name");
    assert!(warnings.len() == 1 && warnings[0].contains("twin"), "{warnings:?}");
    assert!(warnings[0].contains(&smaller) && warnings[0].contains(&greater), "{warnings:?}");
    stands.signal(Signal::TERM);
    let expected = json!([ContinuityCheck::LABELS, label_of_other]);
    eventually(LIMIT, async || {
        let labels = third.lobby().await["twin"].clone();
        ensure(labels == expected, labels)
    })
    .await;
    has_received_more(&third, 3).await;
    check.nobody_was_missing(SLOWEST_ANSWER).await;
    let gone = third.logs_with("host left").len() + third.logs_with("host expired").len();
    assert_eq!(gone, 0, "the other one has taken over");
    other.signal(Signal::TERM);
    third.knows(json!({"third": []})).await;
}

async fn two_of_one_name_are_known_long_before_a_keep_alive(channel: Channel) {
    let start = async |name| Lobbyd::named(name).without_keep_alive().on(&channel).start().await;
    let (third, one) = (start("third").await, start("twin").await);
    third.meets("twin").await;
    let two = start("twin").await;
    has_heard(&one, 1).await;
    has_heard(&two, 1).await;
    let mut instances = [instance(&one).await, instance(&two).await];
    instances.sort();
    let known = json!([{"hostname": "twin", "instances": instances}]);
    eventually(LIMIT, async || {
        let namesakes = third.get_json("/v1/status").await["namesakes"].clone();
        ensure(namesakes == known, namesakes)
    })
    .await;
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
