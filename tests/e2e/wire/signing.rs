//! Signed packets: signatures, replays, a fleet half moved, a change of keys.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use lobby_client::HostName;
use lobby_core::signing::keys::Keys;
use lobby_core::wire::envelope::{self, Message, MessageKind};
use lobby_core::wire::instance_id::InstanceId;
use lobby_tests::{
    LIMIT, Lobbyd, LobbydBuilder, NatsServer, RawPeer, RedisServer, Signal, ensure, eventually,
    lobbyctl,
};
use serde_json::{Value, json};
use tempfile::TempDir;

const KEY: &str = "5f0c1a7e9b3d4826-old";
const NEW_KEY: &str = "a1b2c3d4e5f60718-new";

/// A daemon with a key file of its own that holds these keys.
fn keyed(name: &str, keys: &str) -> LobbydBuilder {
    let daemon = Lobbyd::named(name);
    let file = key_file(&daemon.labels_path());
    std::fs::write(&file, keys).unwrap();
    daemon.set("PACKET_KEY_FILE", file)
}

fn enforcing(name: &str) -> LobbydBuilder {
    keyed(name, KEY).set("PACKET_VERIFY", "enforce")
}

fn key_file(labels_path: &Path) -> PathBuf {
    labels_path.with_file_name("packet-keys")
}

/// A packet without labels as a daemon with this key would have signed it some seconds ago.
fn signed(key: &str, kind: MessageKind, host: &str, seconds_ago: i64) -> Vec<u8> {
    let now = i64::try_from(UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    let timestamp = u64::try_from(now - seconds_ago * 1000).unwrap();
    let hostname = &HostName::parse(host).unwrap();
    let message = Message {
        kind,
        hostname,
        labels: Some(&[]),
        instance: InstanceId::new(0x00c0_ffee_00c0_ffee),
        ttl: None,
    };
    message.encode(Some(&Keys::parse(key).unwrap().sign(&message, timestamp)))
}

/// Packets refused on the first link, by reason.
async fn refused(daemon: &Lobbyd) -> Value {
    daemon.get_json("/v1/status").await["drivers"][0]["refused"].clone()
}

/// Waits until as many packets were refused for that reason, and for no other.
async fn refuses(daemon: &Lobbyd, reason: &str, count: u64) {
    eventually(LIMIT, async || {
        let refused = refused(daemon).await;
        ensure(refused == json!({reason: count}), refused)
    })
    .await;
}

async fn stop(daemon: &Lobbyd) {
    daemon.signal(Signal::TERM);
    assert!(daemon.wait(LIMIT).await.status.success());
}

#[actix_rt::test]
async fn a_half_moved_fleet_meets_and_unsigned_packets_are_counted() {
    let nats = NatsServer::start().await;
    let wire = RawPeer::nats(&nats).await;
    let a = keyed("a", KEY).nats(&nats).start().await;
    let b = keyed("b", KEY).nats(&nats).start().await;
    let c = Lobbyd::named("c").nats(&nats).start().await;
    let fleet = json!({"a": [], "b": [], "c": [], "original": ["x:1"]});
    for daemon in [&a, &b, &c] {
        eventually(LIMIT, async || {
            wire.say_hi("original", &["x:1"]).await;
            let lobby = daemon.lobby().await;
            ensure(lobby == fleet, lobby)
        })
        .await;
    }
    let status = a.client().status().await.unwrap();
    assert!(status.drivers[0].unsigned >= 2, "{status:?}");
    assert_eq!(
        c.client().status().await.unwrap().drivers[0].unsigned,
        0,
        "without a key nothing is verified"
    );
    assert!(lobbyctl(&a, &["status"]).await.stdout.contains(" accepted without signature\n"));
    a.logged("packet without signature accepted").await;
    for daemon in [&a, &b, &c] {
        assert_eq!(refused(daemon).await, json!({}));
    }
    wire.say_goodbye("original").await;
    a.knows(json!({"a": [], "b": [], "c": []})).await;
}

#[actix_rt::test]
async fn an_invalid_signature_is_refused_in_a_half_moved_fleet() {
    let nats = NatsServer::start().await;
    let wire = RawPeer::nats(&nats).await;
    let a = keyed("a", KEY).nats(&nats).start().await;
    wire.hears(1, "a", "hi").await;
    wire.say_hi("x", &[]).await;
    a.knows(json!({"a": [], "x": []})).await;
    wire.say(signed(NEW_KEY, MessageKind::Goodbye, "x", 0)).await;
    refuses(&a, "bad_signature", 1).await;
    assert_eq!(a.lobby().await, json!({"a": [], "x": []}));
}

#[actix_rt::test]
async fn with_enforce_a_goodbye_without_a_key_removes_no_host() {
    let nats = NatsServer::start().await;
    let wire = RawPeer::nats(&nats).await;
    let a = enforcing("a").nats(&nats).start().await;
    let _b = enforcing("b").labels("x:1").nats(&nats).start().await;
    a.knows(json!({"a": [], "b": ["x:1"]})).await;
    wire.say_goodbye("b").await;
    wire.say_hi("b", &["forged"]).await;
    wire.say_hi("stranger", &[]).await;
    refuses(&a, "unsigned", 3).await;
    a.logged("host stranger: not signed").await;
    assert_eq!(a.lobby().await, json!({"a": [], "b": ["x:1"]}));
}

#[actix_rt::test]
async fn with_enforce_a_forged_packet_of_the_own_name_is_no_duplicate() {
    let nats = NatsServer::start().await;
    let wire = RawPeer::nats(&nats).await;
    let a = enforcing("a").nats(&nats).start().await;
    wire.hears(1, "a", "hi").await;
    wire.say_goodbye("a").await;
    refuses(&a, "unsigned", 1).await;
    let status = a.client().status().await.unwrap();
    assert_eq!((status.duplicate, status.records), (None, 1));
    wire.say(signed(KEY, MessageKind::Hi, "a", 3)).await;
    eventually(LIMIT, async || {
        let duplicate = a.client().status().await.unwrap().duplicate;
        ensure(duplicate.is_some(), duplicate)
    })
    .await;
}

#[actix_rt::test]
async fn packets_captured_on_the_wire_are_of_no_use() {
    let nats = NatsServer::start().await;
    let wire = RawPeer::nats(&nats).await;
    let a = enforcing("a").nats(&nats).start().await;
    let b = enforcing("b").nats(&nats).start().await;
    let hi = wire.hears(1, "b", "hi").await.remove(0);
    a.meets("b").await;
    wire.say(&hi).await;
    refuses(&a, "replayed", 1).await;
    stop(&b).await;
    a.knows(json!({"a": []})).await;
    let goodbye = wire.hears(1, "b", "goodbye").await.remove(0);
    wire.say(&hi).await;
    refuses(&a, "replayed", 2).await;
    assert_eq!(a.lobby().await, json!({"a": []}), "b was brought back from the dead");
    let _b = b.start_again().await;
    a.meets("b").await;
    wire.say(&goodbye).await;
    refuses(&a, "replayed", 3).await;
    assert_eq!(a.lobby().await, json!({"a": [], "b": []}), "b was sent away");
}

#[actix_rt::test]
async fn a_packet_signed_long_ago_or_in_a_distant_future_is_stale() {
    let nats = NatsServer::start().await;
    let wire = RawPeer::nats(&nats).await;
    let a = enforcing("a").nats(&nats).start().await;
    wire.hears(1, "a", "hi").await;
    wire.say(signed(KEY, MessageKind::Hi, "early", 20)).await;
    wire.say(signed(KEY, MessageKind::Hi, "late", -20)).await;
    a.knows(json!({"a": [], "early": [], "late": []})).await;
    wire.say(signed(KEY, MessageKind::Hi, "x", 60)).await;
    wire.say(signed(KEY, MessageKind::Hi, "x", -60)).await;
    refuses(&a, "stale", 2).await;
    for odd in ["behind that of this server", "ahead of that of this server"] {
        a.logged(odd).await;
        assert!(a.logs_with(odd).len() == 1, "{:?}", a.logs());
    }
    a.knows(json!({"a": [], "early": [], "late": []})).await;
}

#[actix_rt::test]
async fn the_same_packet_through_two_drivers_is_no_replay() {
    let (nats, redis) = (NatsServer::start().await, RedisServer::start().await);
    let a = enforcing("a").nats(&nats).redis(&redis).start().await;
    let b = enforcing("b").nats(&nats).redis(&redis).start().await;
    a.meets("b").await;
    b.meets("a").await;
    stop(&b).await;
    a.knows(json!({"a": []})).await;
    let b = b.start_again().await;
    a.meets("b").await;
    eventually(LIMIT, async || {
        let drivers = b.client().status().await.unwrap().drivers;
        ensure(drivers.iter().all(|driver| driver.received >= 4), drivers)
    })
    .await;
    for driver in a.client().status().await.unwrap().drivers {
        assert!(driver.refused.is_empty(), "{driver:?}");
    }
}

#[actix_rt::test]
async fn signed_packets_in_a_directory_are_read_by_late_comers() {
    let directory = TempDir::new().unwrap();
    let a = enforcing("a").local(directory.path()).start().await;
    let b = enforcing("b").local(directory.path()).start().await;
    a.meets("b").await;
    b.meets("a").await;
    stop(&a).await;
    b.knows(json!({"b": []})).await;
    let a = a.start_again().await;
    a.meets("b").await;
    b.meets("a").await;
    assert_eq!((refused(&a).await, refused(&b).await), (json!({}), json!({})));
}

/// Writes a daemon's key file anew and has it read.
async fn change_keys(daemon: &Lobbyd, keys: &str, change: usize) {
    std::fs::write(key_file(&daemon.labels_path()), keys).unwrap();
    daemon.signal(Signal::HUP);
    eventually(LIMIT, async || {
        let changes = daemon.logs_with("with the new keys of PACKET_KEY_FILE");
        ensure(changes.len() == change, changes)
    })
    .await;
}

#[actix_rt::test]
async fn keys_are_changed_without_a_single_packet_refused() {
    let nats = NatsServer::start().await;
    let wire = RawPeer::nats(&nats).await;
    let a = enforcing("a").nats(&nats).start().await;
    let b = enforcing("b").nats(&nats).start().await;
    let steps =
        [format!("{KEY}\n{NEW_KEY}\n"), format!("{NEW_KEY}\n{KEY}\n"), format!("{NEW_KEY}\n")];
    for (step, keys) in steps.iter().enumerate() {
        for (daemon, name) in [(&a, "a"), (&b, "b")] {
            change_keys(daemon, keys, step + 1).await;
            let already = wire.heard_from(name, "hi").len();
            wire.hears(already + 1, name, "hi").await;
        }
    }
    for daemon in [&a, &b] {
        daemon.knows(json!({"a": [], "b": []})).await;
        assert_eq!(refused(daemon).await, json!({}));
    }
    wire.say(signed(KEY, MessageKind::Goodbye, "b", 0)).await;
    refuses(&a, "bad_signature", 1).await;
    assert_eq!(a.lobby().await, json!({"a": [], "b": []}));
}

#[actix_rt::test]
async fn a_key_file_that_becomes_unusable_changes_nothing() {
    let nats = NatsServer::start().await;
    let wire = RawPeer::nats(&nats).await;
    let a = enforcing("a").nats(&nats).start().await;
    for (text, said) in
        [(Some("short"), "the key on line 1 has 5 bytes"), (None, "PACKET_KEY_FILE: cannot read")]
    {
        let file = key_file(&a.labels_path());
        text.map_or_else(|| std::fs::remove_file(&file), |text| std::fs::write(&file, text))
            .unwrap();
        a.signal(Signal::HUP);
        a.logged(said).await;
    }
    wire.say(signed(KEY, MessageKind::Hi, "x", 0)).await;
    a.meets("x").await;
}

#[actix_rt::test]
async fn with_off_signatures_are_made_but_not_looked_at() {
    let nats = NatsServer::start().await;
    let wire = RawPeer::nats(&nats).await;
    let a = keyed("a", KEY).set("PACKET_VERIFY", "off").nats(&nats).start().await;
    let plain = Lobbyd::named("plain").nats(&nats).start().await;
    let hi = wire.hears(1, "a", "hi").await.remove(0);
    let envelope = envelope::decode(hi.as_bytes()).unwrap();
    assert!(
        Keys::parse(KEY)
            .unwrap()
            .verify(envelope.signed_fields(), envelope.signature.as_ref().unwrap()),
        "{hi}"
    );
    plain.meets("a").await;
    a.meets("plain").await;
    wire.say_hi("original", &[]).await;
    wire.say(signed(NEW_KEY, MessageKind::Hi, "wrong", 0)).await;
    wire.say(signed(KEY, MessageKind::Hi, "old", 600)).await;
    let fleet = json!({"a": [], "plain": [], "original": [], "wrong": [], "old": []});
    a.knows(fleet.clone()).await;
    plain.knows(fleet).await;
    assert_eq!(a.client().status().await.unwrap().drivers[0].unsigned, 0);
    let hi = wire.hears(1, "plain", "hi").await.remove(0);
    assert!(!hi.contains("signature") && !hi.contains("timestamp"), "{hi}");
}

#[actix_rt::test]
async fn wrong_settings_are_refused_with_their_name_and_never_the_key() {
    let missing = keyed("a", KEY).set("PACKET_KEY_FILE", "/nowhere/keys");
    for (daemon, status, said) in [
        (Lobbyd::named("a").set("PACKET_VERIFY", "enforce"), 2, "PACKET_KEY_FILE is missing"),
        (keyed("a", KEY).set("PACKET_VERIFY", "always"), 2, "PACKET_VERIFY: \"always\""),
        (keyed("a", "hush"), 2, "PACKET_KEY_FILE: the key on line 1 has 4 bytes"),
        (missing, 1, "PACKET_KEY_FILE: cannot read secret file /nowhere/keys"),
    ] {
        let process = daemon.spawn();
        let line = process.logged(said).await;
        assert!(!line.contains("hush"), "{line}");
        assert_eq!(process.wait(LIMIT).await.status.code(), Some(status), "{line}");
    }
}
