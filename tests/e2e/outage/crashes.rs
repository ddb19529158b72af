//! A crash is seen in seconds, where the NATS server tells of closed connections.

use std::process::Command;
use std::time::Duration;

use lobby_tests::{
    LIMIT, Lobbyd, LobbydBuilder, NatsAccounts, NatsServer, Network, Process, Proxy, Signal,
    app_is_refused, ensure, eventually, now,
};
use nkeys::KeyPair;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::outage::NOISE;

const RECOMMENDED: &str = include_str!("../../../config/nats/events.conf");
const WITHOUT_EVENTS: &str = include_str!("../../../config/nats-permissions.conf");
const EVENTS: &str = "$SYS.ACCOUNT.LOBBY.DISCONNECT";

/// Time in which a crash is seen.
const SEEN: Duration = Duration::from_secs(4);

fn url(user: &str, port: u16) -> String {
    format!("nats://{user}@127.0.0.1:{port}")
}

/// A daemon that hears of closed connections.
fn listening(name: &str, port: u16) -> LobbydBuilder {
    Lobbyd::named(name).nats_at(&url("lobbyd:CHANGE-ME-1", port)).set("NATS_EVENTS", EVENTS)
}

/// Follows a daemon that knows these hosts, its own included.
async fn feed(daemon: &Lobbyd, hosts: &[&str]) -> lobby_tests::Feed {
    for host in hosts {
        daemon.meets(host).await;
    }
    let mut feed = daemon.feed("/v1/events", &[]).await;
    assert_eq!(feed.next_change().await.name, "snapshot");
    feed
}

#[actix_rt::test]
async fn a_daemon_that_was_killed_is_gone_within_seconds() {
    let nats = NatsServer::with_config(RECOMMENDED).await;
    let watcher = listening("watcher", nats.port()).start().await;
    let dead = listening("dead", nats.port()).labels("x:1").start().await;
    let mut feed = feed(&watcher, &["dead"]).await;
    let killed = now();
    dead.kill();
    let leave = feed.next_change().await;
    let took = killed.elapsed();
    assert_eq!(leave.data, json!({"hostname": "dead", "labels": ["x:1"], "reason": "lost"}));
    assert!(took > Duration::from_secs(2) && took < SEEN + NOISE, "{took:?}");
    watcher.logged("host lost").await;
    watcher.knows(json!({"watcher": []})).await;
}

#[actix_rt::test]
async fn a_frozen_daemon_is_gone_after_its_ttl_as_ever() {
    let nats = NatsServer::with_config(RECOMMENDED).await;
    let watcher = listening("watcher", nats.port()).start().await;
    let frozen = listening("frozen", nats.port()).set("TTL", "6").start().await;
    let mut feed = feed(&watcher, &["frozen"]).await;
    frozen.signal(Signal::STOP);
    let leave = feed.next_change().await;
    assert_eq!(leave.data["reason"], "expired");
}

#[actix_rt::test]
async fn a_daemon_that_says_goodbye_or_is_started_again_is_not_lost() {
    let nats = NatsServer::with_config(RECOMMENDED).await;
    let watcher = listening("watcher", nats.port()).start().await;
    let daemon = listening("daemon", nats.port()).labels("x:1").start().await;
    let mut feed = feed(&watcher, &["daemon"]).await;
    daemon.kill();
    let again = daemon.start_again().await;
    again.add_labels("again").await;
    let update = feed.next_change().await;
    assert_eq!((&*update.name, &update.data["added"]), ("update", &json!(["again"])));
    again.signal(Signal::TERM);
    assert_eq!(feed.next_change().await.data["reason"], "goodbye");
}

#[actix_rt::test]
async fn a_reconnection_to_another_server_of_the_cluster_is_no_death() {
    let servers = NatsServer::cluster(RECOMMENDED).await;
    let proxy = Proxy::to(servers[0].port()).await;
    let watcher = listening("watcher", servers[2].port()).set("LOG_LEVEL", "debug").start().await;
    let moving = listening("moving", proxy.port()).set("KEEP_ALIVE", "600").set("TTL", "1200");
    let moving = moving.start().await;
    let other = listening("other", servers[1].port()).start().await;
    let mut feed = feed(&watcher, &["moving", "other"]).await;
    proxy.close();
    watcher.logged("connection of a daemon closed").await;
    moving.logged("link is down").await;
    // It knows the other servers of the cluster from the first one.
    eventually(LIMIT, async || {
        let link = moving.get_json("/v1/status").await["drivers"][0].clone();
        ensure(link["state"] == "up", link)
    })
    .await;
    // Whoever was to be lost by then would be lost before this one.
    other.kill();
    assert_eq!(feed.next_change().await.data["hostname"], "other");
    watcher.meets("moving").await;
}

#[actix_rt::test]
async fn a_user_who_may_not_publish_there_cannot_forge_a_crash() {
    let nats = NatsServer::with_config(RECOMMENDED).await;
    let watcher = listening("watcher", nats.port()).set("LOG_LEVEL", "debug").start().await;
    let victim = listening("victim", nats.port()).set("KEEP_ALIVE", "600").set("TTL", "1200");
    let victim = victim.start().await;
    watcher.meets("victim").await;
    app_is_refused(&nats, EVENTS, forged(&victim).await).await;
    assert!(watcher.logs_with("connection of a daemon closed").is_empty());
}

#[actix_rt::test]
async fn others_cannot_forge_a_crash_whoever_they_say_they_are() {
    let nats = NatsServer::with_config(RECOMMENDED).await;
    let app = json!({"user": "app", "pass": "CHANGE-ME-2"});
    // The server tells it as the user, unchecked.
    let as_lobbyd = json!({"user": "app", "pass": "CHANGE-ME-2", "nkey": "lobbyd"});
    let watcher = only_the_crash_counts(&nats, &[app, as_lobbyd]).await;
    assert!(watcher.logs_with("closed connection ignored").is_empty());
}

#[actix_rt::test]
async fn a_crash_is_seen_by_daemons_that_log_in_with_an_nkey() {
    let pair = KeyPair::new_user();
    let login = format!("nkey: {}", pair.public_key());
    let config = RECOMMENDED.replace(r#"user: lobbyd, password: "CHANGE-ME-1""#, &login);
    let nats = NatsServer::with_config(&config).await;
    let seed = ("NATS_NKEY_SEED_FILE", &*pair.seed().unwrap());
    a_crash_is_seen(&nats, EVENTS, seed).await;
}

#[actix_rt::test]
async fn a_crash_is_seen_by_daemons_that_log_in_with_creds() {
    let accounts = NatsAccounts::new();
    let nats = NatsServer::with_config(&accounts.config).await;
    a_crash_is_seen(&nats, &accounts.events, ("NATS_CREDS_FILE", &accounts.creds)).await;
}

/// Kills one of two daemons with the same login, which this setting names a file for.
async fn a_crash_is_seen(nats: &NatsServer, events: &str, (setting, login): (&str, &str)) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), login).unwrap();
    let daemon = |name| {
        let daemon = Lobbyd::named(name).nats_at(&nats.url()).set("NATS_EVENTS", events);
        daemon.set(setting, file.path().to_str().unwrap())
    };
    let watcher = daemon("watcher").start().await;
    let dead = daemon("dead").start().await;
    let mut feed = feed(&watcher, &["dead"]).await;
    dead.kill();
    assert_eq!(feed.next_change().await.data["reason"], "lost");
}

/// The news that a daemon's connection was closed, which it was not.
async fn forged(daemon: &Lobbyd) -> String {
    let name = connection_name(daemon).await;
    json!({"type": "io.nats.server.advisory.v1.client_disconnect", "client": {"name": name}})
        .to_string()
}

async fn connection_name(daemon: &Lobbyd) -> String {
    let status = daemon.client().status().await.unwrap();
    format!("lobbyd/{}/{}", status.hostname.unwrap(), status.instance)
}

/// Makes a connection under the name of a daemon's, and closes it.
async fn impersonate(daemon: &Lobbyd, port: u16, mut connect: Value) {
    connect["name"] = json!(connection_name(daemon).await);
    connect["verbose"] = json!(false);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(format!("CONNECT {connect}\r\nPING\r\n").as_bytes()).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    let said = async {
        assert!(lines.next_line().await.unwrap().unwrap().starts_with("INFO"));
        lines.next_line().await.unwrap().unwrap()
    };
    assert_eq!(timeout(LIMIT, said).await.unwrap(), "PONG");
}

/// A watcher, a victim that never answers as it does not hear of closed connections, and another
/// one. Whoever was to be lost by the time that the other one is lost would be lost before it.
async fn only_the_crash_counts(nats: &NatsServer, forgers: &[Value]) -> Lobbyd {
    let slow = |daemon: LobbydBuilder| daemon.set("KEEP_ALIVE", "600").set("TTL", "1200");
    let watcher = listening("watcher", nats.port()).set("LOG_LEVEL", "debug").start().await;
    let victim = Lobbyd::named("victim").nats_at(&url("lobbyd:CHANGE-ME-1", nats.port()));
    let victim = slow(victim).start().await;
    let other = slow(listening("other", nats.port())).start().await;
    let mut feed = feed(&watcher, &["victim", "other"]).await;
    for forger in forgers {
        impersonate(&victim, nats.port(), forger.clone()).await;
    }
    // What is heard in the millisecond of its end would speak for it: its greetings are over.
    eventually(LIMIT, async || {
        let now = watcher.client().status().await.unwrap().now;
        let servers = watcher.get_json("/v1/discoveries").await;
        let other = servers.as_array().unwrap().iter().find(|server| server["hostname"] == "other");
        let last = other.and_then(|other| other["last_check"].as_i64());
        ensure(last.is_some_and(|last| now - last > 1), last)
    })
    .await;
    other.kill();
    assert_eq!(feed.next_change().await.data["hostname"], "other");
    watcher.meets("victim").await;
    assert!(watcher.logs_with("connection of a daemon closed connection=lobbyd/victim").is_empty());
    watcher
}

#[actix_rt::test]
async fn a_connection_under_a_daemons_name_is_no_crash_of_it() {
    let with_guest = RECOMMENDED
        .replace("{ user: lobbyd,", "{ user: guest, password: guest }\n      { user: lobbyd,");
    let nats = NatsServer::with_config(&with_guest).await;
    let guest = json!({"user": "guest", "pass": "guest"});
    let watcher = only_the_crash_counts(&nats, &[guest.clone(), guest]).await;
    let told = watcher.logs_with("closed connection ignored");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("lobbyd/victim/") && !told[0].contains("guest"), "{told:?}");
}

#[actix_rt::test]
async fn a_living_daemon_answers_a_forged_crash_and_stays() {
    let nats = NatsServer::start().await;
    let daemon = |name| Lobbyd::named(name).nats(&nats).set("NATS_EVENTS", "closed.*");
    let slow = |name| daemon(name).set("KEEP_ALIVE", "600").set("TTL", "1200");
    let watcher = daemon("watcher").start().await;
    let (victim, other) = (slow("victim").start().await, slow("other").start().await);
    let mut feed = feed(&watcher, &["victim", "other"]).await;
    let stranger = async_nats::connect(nats.url()).await.unwrap();
    let before = victim.client().status().await.unwrap().drivers[0].sent;
    let (of_victim, of_other) = (forged(&victim).await, forged(&other).await);
    for _ in 0..1000 {
        stranger.publish("closed.x", of_victim.clone().into()).await.unwrap();
        stranger.publish("closed.x", r#"{"client":{"name":7}}"#.into()).await.unwrap();
    }
    other.kill();
    stranger.publish("closed.x", of_other.into()).await.unwrap();
    assert_eq!(feed.next_change().await.data["hostname"], "other");
    watcher.meets("victim").await;
    let sent = victim.client().status().await.unwrap().drivers[0].sent - before;
    assert!((1..60).contains(&sent), "{sent} packets");
}

#[actix_rt::test]
async fn a_subject_that_may_not_be_subscribed_to_leaves_the_link_up() {
    let nats = NatsServer::with_config(WITHOUT_EVENTS).await;
    let a = listening("a", nats.port()).start().await;
    let b = listening("b", nats.port()).start().await;
    a.meets("b").await;
    b.meets("a").await;
    a.logged("may not subscribe to NATS_EVENTS").await;
    let told = a.logs_with("may not subscribe to NATS_EVENTS");
    assert_eq!(told.len(), 1, "{told:?}");
    let link = a.get_json("/v1/status").await["drivers"][0].clone();
    assert_eq!(link["state"], "up", "{link}");
}

/// The server takes its own deliveries for a sign of life, and does not notice that nobody gets
/// them.
#[actix_rt::test]
async fn a_cut_cable_lasts_a_ttl_and_its_late_end_loses_nobody() {
    let broker = Network::new().await;
    let far = broker.beside().await;
    broker.connect(&far, "10.77.0.1/24", "10.77.0.2/24");
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("nats.conf");
    std::fs::write(&config, format!("listen: \"10.77.0.1:4222\"\n{RECOMMENDED}")).unwrap();
    let launcher = broker.launcher();
    let mut command = Command::new(&launcher[0]);
    command.args(&launcher[1..]).args(["nats-server", "--config"]).arg(&config);
    let nats = Process::start("nats-server", &mut command);
    nats.logged("Server is ready").await;
    let daemon = |name, network: &Network| {
        let daemon = Lobbyd::named(name).nats_at("nats://lobbyd:CHANGE-ME-1@10.77.0.1:4222");
        daemon.set("NATS_EVENTS", EVENTS).launched_by(network.launcher())
    };
    let watcher = daemon("watcher", &broker).set("LOG_LEVEL", "debug").start().await;
    let other = daemon("other", &broker).start().await;
    let _far = daemon("far", &far).set("TTL", "6").start().await;
    watcher.logged("host joined host=far").await;
    far.ip("link set cable down");
    watcher.logged("host expired host=far").await;
    far.ip("link set cable up");
    eventually(LIMIT, async || {
        let joins = watcher.logs_with("host joined host=far").len();
        ensure(joins == 2, joins)
    })
    .await;
    // The system resends what the cut connection still had to deliver, and hears that it is over.
    watcher.logged("connection of a daemon closed connection=lobbyd/far").await;
    other.kill();
    watcher.logged("host lost host=other").await;
    assert!(watcher.logs_with("host lost host=far").is_empty());
}
