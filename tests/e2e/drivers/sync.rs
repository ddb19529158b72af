//! Sync over NATS: a newcomer is told of everybody by a warm daemon.

use std::time::Duration;

use async_nats::Client;
use bytes::Bytes;
use futures_util::StreamExt;
use lobby_tests::{
    LIMIT, Lobbyd, LobbydBuilder, NatsServer, RawPeer, RedisServer, ensure, eventually, now,
};
use serde_json::json;

const SUBJECT: &str = "lobby.discovery.sync";

/// The permissions that were recommended before there was sync.
const BEFORE: &str = r#"
authorization {
  LOBBYD = {
    publish:   ["lobby.discovery", "_INBOX.lobbyd.>"]
    subscribe: ["lobby.discovery", "_INBOX.lobbyd.>"]
  }
  users = [ { user: lobbyd, password: "CHANGE-ME-1", permissions: $LOBBYD } ]
}
"#;

/// A hi that is good for long, and that nobody repeats.
fn lasting(host: &str) -> String {
    format!(
        r#"{{"discovery":{{"hostname":"{host}","labels":["x:1"],"last_check":0}},"message":"hi","ttl":3600}}"#
    )
}

/// A daemon that hears nobody by itself in the time of a test.
fn newcomer(name: &str) -> LobbydBuilder {
    Lobbyd::named(name).set("KEEP_ALIVE", "600").set("TTL", "1200")
}

async fn is_warm(daemon: &Lobbyd) {
    eventually(LIMIT, async || {
        let status = daemon.client().status().await.map_err(|error| error.to_string())?;
        ensure(status.warm, status)
    })
    .await;
}

/// A warm daemon that has heard silent servers.
async fn warm(nats: &NatsServer, silent: &[&str]) -> Lobbyd {
    let daemon = Lobbyd::named("warm").nats(nats).start().await;
    let wire = RawPeer::nats(nats).await;
    wire.hears(1, "warm", "hi").await;
    for host in silent {
        wire.say(lasting(host)).await;
        daemon.meets(host).await;
    }
    is_warm(&daemon).await;
    daemon
}

/// A peer that answers each question with these pieces.
async fn answering(nats: &NatsServer, pieces: Vec<String>) -> Client {
    let client = async_nats::connect(nats.url()).await.unwrap();
    let mut questions = client.queue_subscribe(SUBJECT, "lobby".to_owned()).await.unwrap();
    client.flush().await.unwrap();
    let answering = client.clone();
    actix_rt::spawn(async move {
        while let Some(question) = questions.next().await {
            for piece in &pieces {
                let reply = question.reply.clone().unwrap();
                answering.publish(reply, piece.clone().into()).await.unwrap();
            }
        }
    });
    client
}

#[actix_rt::test]
async fn a_newcomer_is_told_of_all_servers_and_is_warm() {
    let nats = NatsServer::start().await;
    let _warm = warm(&nats, &["silent"]).await;
    let newcomer = newcomer("new").nats(&nats).start().await;
    is_warm(&newcomer).await;
    newcomer.knows(json!({"new": [], "silent": ["x:1"], "warm": []})).await;
    newcomer.logged("another daemon has told of all servers").await;
}

#[actix_rt::test]
async fn ten_thousand_servers_are_told_in_pieces() {
    let nats = NatsServer::start().await;
    let warm = warm(&nats, &[]).await;
    let wire = RawPeer::nats(&nats).await;
    let labels: Vec<_> = (0..20).map(|number| format!("label-{number:02}:{number:020}")).collect();
    let labels = serde_json::to_string(&labels).unwrap();
    let packets: Vec<Bytes> = (0..10_000)
        .map(|n| lasting(&format!("host-{n}")).replace("[\"x:1\"]", &labels).into())
        .collect();
    for packets in packets.chunks(500) {
        wire.say_all(packets.to_vec()).await;
    }
    knows_so_many(&warm, 10_001).await;
    let newcomer = newcomer("new").nats(&nats).start().await;
    is_warm(&newcomer).await;
    knows_so_many(&newcomer, 10_002).await;
    newcomer.logged("another daemon has told of all servers").await;
}

async fn knows_so_many(daemon: &Lobbyd, servers: usize) {
    eventually(LIMIT, async || {
        let status = daemon.client().status().await.map_err(|error| error.to_string())?;
        ensure(status.records == servers, status)
    })
    .await;
}

#[actix_rt::test]
async fn where_nobody_answers_nothing_is_told_and_nothing_changes() {
    let nats = NatsServer::start().await;
    let first = Lobbyd::named("first").nats(&nats).start().await;
    is_warm(&first).await;
    assert_eq!(first.logs_with("no sync"), [""; 0]);
}

#[actix_rt::test]
async fn a_user_of_before_who_may_not_ask_loses_nothing_but_sync() {
    let nats = NatsServer::with_config(BEFORE).await;
    let url = format!("nats://lobbyd:CHANGE-ME-1@127.0.0.1:{}", nats.port());
    let a = Lobbyd::named("a").nats_at(&url).start().await;
    let b = Lobbyd::named("b").nats_at(&url).start().await;
    for daemon in [&a, &b] {
        daemon.knows(json!({"a": [], "b": []})).await;
        is_warm(daemon).await;
        let told = daemon.logged("no sync with other daemons").await;
        assert!(told.contains(SUBJECT), "{told}");
    }
    a.add_labels("x:1").await;
    b.knows(json!({"a": ["x:1"], "b": []})).await;
    for daemon in [&a, &b] {
        assert_eq!(daemon.logs_with("no sync").len(), 1, "{:?}", daemon.logs());
        assert_eq!(daemon.logs_with("link is down"), [""; 0]);
    }
}

#[actix_rt::test]
async fn a_peer_that_dies_in_the_middle_is_told_once_and_asked_again() {
    let nats = NatsServer::start().await;
    let dying = answering(&nats, vec![format!("10 {}\n", lasting("told"))]).await;
    let mut questions = dying.subscribe(SUBJECT).await.unwrap();
    dying.flush().await.unwrap();
    let wire = RawPeer::nats(&nats).await;
    let newcomer = newcomer("new").set("KEEP_ALIVE", "5").set("TTL", "1500").nats(&nats);
    let newcomer = newcomer.start().await;
    wire.hears(1, "new", "hi").await;
    // A large lobby with intervals of 12 seconds, as it tells: so long the newcomer is cold.
    for number in 0..60 {
        wire.say(lasting(&format!("large-{number}"))).await;
    }
    newcomer.meets("told").await;
    let told = newcomer.logged("no sync with other daemons").await;
    assert!(told.contains("no answer within 2s"), "{told}");
    for _ in 0..2 {
        tokio::time::timeout(LIMIT, questions.next()).await.unwrap().unwrap();
    }
    is_warm(&newcomer).await;
    assert_eq!(newcomer.logs_with("no sync").len(), 1, "{:?}", newcomer.logs());
    knows_so_many(&newcomer, 62).await;
}

#[actix_rt::test]
async fn pieces_that_are_not_valid_change_nothing() {
    for piece in [
        "nonsense\n".to_owned(),
        format!("10 {}\nnonsense\n", lasting("bad")),
        format!("10 {}\nend 2 0\n", "x".repeat(600_000)),
        format!("99999999 {}\nend 1 0\n", lasting("bad")),
    ] {
        let nats = NatsServer::start().await;
        let _odd = answering(&nats, vec![piece]).await;
        let newcomer = newcomer("new").nats(&nats).start().await;
        newcomer.logged("no sync with other daemons").await;
        assert_eq!(newcomer.lobby().await, json!({"new": []}));
        assert!(!newcomer.client().status().await.unwrap().warm);
        assert_eq!(newcomer.logs_with("link is down"), [""; 0]);
    }
}

#[actix_rt::test]
async fn what_is_told_lives_its_remaining_time_and_no_longer() {
    let nats = NatsServer::start().await;
    let old = lasting("old").replace("3600", "30");
    let answer = format!(
        "30000 {old}\n27000 {}\n0 {}\nend 3 0\n",
        old.replace("old", "dying"),
        old.replace("\"hi\"", "\"goodbye\"").replace("old", "gone"),
    );
    let _peer = answering(&nats, vec![answer]).await;
    let newcomer = newcomer("new").nats(&nats).start().await;
    let asked = now();
    is_warm(&newcomer).await;
    newcomer.knows(json!({"dying": ["x:1"], "new": []})).await;
    newcomer.knows(json!({"new": []})).await;
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
}

#[actix_rt::test]
async fn where_signatures_count_a_peer_cannot_invent_servers() {
    let nats = NatsServer::start().await;
    let keyed = |daemon: LobbydBuilder| {
        let file = daemon.labels_path().with_file_name("packet-keys");
        std::fs::write(&file, "5f0c1a7e9b3d4826-key").unwrap();
        daemon.set("PACKET_KEY_FILE", file).set("PACKET_VERIFY", "enforce").nats(&nats)
    };
    let signing = keyed(Lobbyd::named("signing")).start().await;
    is_warm(&signing).await;
    let first = keyed(newcomer("first")).start().await;
    is_warm(&first).await;
    first.knows(json!({"first": [], "signing": []})).await;
    signing.kill();
    first.kill();
    let _peer = answering(&nats, vec![format!("0 {}\nend 1 0\n", lasting("forged"))]).await;
    let second = keyed(newcomer("second")).start().await;
    is_warm(&second).await;
    let refused = second.client().status().await.unwrap().drivers[0].refused.clone();
    assert_eq!(refused.get("unsigned"), Some(&1), "{refused:?}");
    assert_eq!(second.lobby().await, json!({"second": []}));
}

#[actix_rt::test]
async fn questions_from_elsewhere_are_not_answered_and_bounded() {
    let nats = NatsServer::start().await;
    let _warm = warm(&nats, &["silent"]).await;
    let client = async_nats::connect(nats.url()).await.unwrap();
    let mut elsewhere = client.subscribe("elsewhere").await.unwrap();
    let mut inbox = client.subscribe("_INBOX.lobbyd.sync.test").await.unwrap();
    client.publish_with_reply(SUBJECT, "elsewhere", "".into()).await.unwrap();
    for _ in 0..20 {
        client.publish_with_reply(SUBJECT, "_INBOX.lobbyd.sync.test", "".into()).await.unwrap();
    }
    let mut answers = Vec::new();
    while answers.len() < 20 {
        let answer = tokio::time::timeout(LIMIT, inbox.next()).await.unwrap().unwrap();
        answers.push(String::from_utf8(answer.payload.to_vec()).unwrap());
    }
    let busy = answers.iter().filter(|answer| *answer == "busy\n").count();
    assert!((15..20).contains(&busy), "{answers:?}");
    let whole = answers.iter().find(|answer| *answer != "busy\n").unwrap();
    assert!(whole.contains("\"silent\"") && whole.ends_with("\nend 2 0\n"), "{whole}");
    client.flush().await.unwrap();
    assert!(futures_util::FutureExt::now_or_never(elsewhere.next()).is_none());
}

#[actix_rt::test]
async fn servers_of_another_driver_are_not_told() {
    let (nats, redis) = (NatsServer::start().await, RedisServer::start().await);
    let both = Lobbyd::named("both").nats(&nats).redis(&redis).start().await;
    let wire = RawPeer::redis(&redis).await;
    wire.hears(1, "both", "hi").await;
    wire.say(lasting("elsewhere")).await;
    both.meets("elsewhere").await;
    is_warm(&both).await;
    let newcomer = newcomer("new").nats(&nats).start().await;
    newcomer.logged("another daemon has told of all servers").await;
    assert_eq!(newcomer.lobby().await, json!({"both": [], "new": []}));
}
