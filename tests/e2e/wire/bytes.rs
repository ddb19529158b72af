//! Packets of daemons, byte for byte as lobby 1.x writes them.

use lobby_tests::{LIMIT, Lobbyd, NatsServer, RawPeer, RedisServer, RenamableHost, Signal};
use serde_json::{Value, json};

/// The message is this one; further fields may follow inside the envelope.
#[track_caller]
fn assert_said(message: &str, expected: &str) {
    let fields = expected.strip_suffix('}').expect("an object");
    let rest = message
        .strip_prefix(fields)
        .unwrap_or_else(|| panic!("{message} does not begin with {fields}"));
    assert!(
        rest == "}" || rest.starts_with(','),
        "{message} does not go on after {fields} as an object does"
    );
    serde_json::from_str::<Value>(message).unwrap();
}

#[actix_rt::test]
async fn hi_and_goodbye_over_nats_are_those_of_the_original() {
    let nats = NatsServer::start().await;
    let wire = RawPeer::nats(&nats).await;
    writes_the_bytes_of_lobby_1(wire, Lobbyd::named("node-a").nats(&nats)).await;
}

#[actix_rt::test]
async fn hi_and_goodbye_over_redis_are_those_of_the_original() {
    let redis = RedisServer::start().await;
    let wire = RawPeer::redis(&redis).await;
    writes_the_bytes_of_lobby_1(wire, Lobbyd::named("node-a").redis(&redis)).await;
}

async fn writes_the_bytes_of_lobby_1(wire: RawPeer, daemon: lobby_tests::LobbydBuilder) {
    let daemon = daemon
        .labels("service:smtp, public_ip6:2a03::1,public_ip4:1.2.3.4,service:smtp")
        .start()
        .await;
    let hi = wire.hears(1, "node-a", "hi").await;
    let expected = r#"{"discovery":{"hostname":"node-a","labels":["public_ip4:1.2.3.4","public_ip6:2a03::1","service:smtp"],"last_check":0},"message":"hi"}"#;
    assert_said(&hi[0], expected);
    daemon.signal(Signal::TERM);
    let goodbye = wire.hears(1, "node-a", "goodbye").await;
    assert_said(&goodbye[0], &expected.replace(r#""hi""#, r#""goodbye""#));
    assert!(daemon.wait(LIMIT).await.status.success());
    assert_eq!(wire.heard_from("node-a", "goodbye").len(), 1);
}

#[actix_rt::test]
async fn no_labels_are_an_empty_list() {
    let nats = NatsServer::start().await;
    let wire = RawPeer::nats(&nats).await;
    let _daemon = Lobbyd::named("node-b").nats(&nats).start().await;
    let hi = wire.hears(1, "node-b", "hi").await;
    assert_said(
        &hi[0],
        r#"{"discovery":{"hostname":"node-b","labels":[],"last_check":0},"message":"hi"}"#,
    );
}

#[actix_rt::test]
async fn after_a_rename_the_old_name_says_goodbye_with_labels_null() {
    let nats = NatsServer::start().await;
    let wire = RawPeer::nats(&nats).await;
    let machine = RenamableHost::new("vm");
    let daemon =
        Lobbyd::named("machine").unset("HOSTNAME").labels("a:1").launched_by(machine.launcher());
    let _daemon = daemon.nats(&nats).start().await;
    wire.hears(1, "vm", "hi").await;
    machine.rename("vm-2").await;
    let goodbye = wire.hears(1, "vm", "goodbye").await;
    assert_said(
        &goodbye[0],
        r#"{"discovery":{"hostname":"vm","labels":null,"last_check":0},"message":"goodbye"}"#,
    );
    let hi = wire.hears(1, "vm-2", "hi").await;
    assert_said(
        &hi[0],
        r#"{"discovery":{"hostname":"vm-2","labels":["a:1"],"last_check":0},"message":"hi"}"#,
    );
}

#[actix_rt::test]
async fn no_other_word_than_hi_and_goodbye_is_ever_said() {
    let nats = NatsServer::start().await;
    let wire = RawPeer::nats(&nats).await;
    let daemon = Lobbyd::named("a").nats(&nats).start().await;
    wire.hears(2, "a", "hi").await;
    daemon.add_labels("x:1").await;
    daemon.signal(Signal::HUP);
    wire.hears(5, "a", "hi").await;
    daemon.signal(Signal::TERM);
    wire.hears(1, "a", "goodbye").await;
    for message in wire.heard() {
        let envelope: Value = serde_json::from_str(&message).unwrap();
        assert!(envelope["message"] == "hi" || envelope["message"] == "goodbye", "{message}");
        assert_eq!(envelope["discovery"]["last_check"], 0, "{message}");
    }
}

#[actix_rt::test]
async fn who_does_not_register_says_nothing_not_even_goodbye() {
    let nats = NatsServer::start().await;
    let wire = RawPeer::nats(&nats).await;
    let hidden = Lobbyd::named("hidden").set("REGISTER", "false").nats(&nats).start().await;
    let other = Lobbyd::named("other").nats(&nats).start().await;
    hidden.knows(json!({"other": []})).await;
    hidden.add_labels("x:1").await;
    let already = wire.heard_from("other", "hi").len();
    // Both have the same KEEP_ALIVE: while the other spoke three times, this one had its turns too.
    wire.hears(already + 3, "other", "hi").await;
    hidden.signal(Signal::TERM);
    assert!(hidden.wait(LIMIT).await.status.success());
    other.signal(Signal::TERM);
    wire.hears(1, "other", "goodbye").await;
    assert!(wire.heard().iter().all(|message| !message.contains("hidden")), "{:?}", wire.heard());
}

#[actix_rt::test]
async fn lobbies_on_different_channels_do_not_meet() {
    let (nats, redis) = (NatsServer::start().await, RedisServer::start().await);
    let on = |name: &str, channel: &str| {
        let daemon = Lobbyd::named(name).nats(&nats).redis(&redis);
        daemon.set("NATS_DISCOVERY_CHANNEL", channel).set("REDIS_CHANNEL", channel)
    };
    let a = on("a", "one").start().await;
    let c = on("c", "two").start().await;
    let b = on("b", "one").start().await;
    let d = on("d", "two").start().await;
    for (daemon, expected) in [(&a, json!({"a": [], "b": []})), (&b, json!({"a": [], "b": []}))] {
        daemon.knows(expected).await;
    }
    for daemon in [&c, &d] {
        daemon.knows(json!({"c": [], "d": []})).await;
    }
}
