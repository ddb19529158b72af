//! Why one daemon does not see another: the ways to miss a server, each found on both sides.

use lobby_tests::{
    Channel, LIMIT, Lobbyd, LobbydBuilder, NatsServer, Outcome, RedisServer, ensure, eventually,
    lobbyctl,
};

/// Waits until the doctor on this side says all of this, and ends with this status.
async fn says(daemon: &Lobbyd, words: &[&str], status: i32, expected: &[&str]) {
    let arguments = [&["doctor"], words].concat();
    eventually(LIMIT, async || {
        let Outcome { stdout, stderr, status: ended } = lobbyctl(daemon, &arguments).await;
        let is_complete = expected.iter().all(|text| stdout.contains(text));
        ensure(is_complete && ended == Some(status), format!("{ended:?} {stdout}{stderr}"))
    })
    .await;
}

const UNHEARD: &str = "nothing was heard of ";
const ALONE: &str = "- no other server has been heard for ";

async fn two(
    nats: &NatsServer,
    change: impl FnOnce(LobbydBuilder) -> LobbydBuilder,
) -> [Lobbyd; 2] {
    let b = change(Lobbyd::named("b"));
    [Lobbyd::named("a").nats(nats).start().await, b.start().await]
}

#[actix_rt::test]
async fn two_that_meet_have_nothing_odd() {
    let nats = NatsServer::start().await;
    let [a, b] = two(&nats, |b| b.nats(&nats)).await;
    for (here, other) in [(&a, "b"), (&b, "a")] {
        says(here, &[], 0, &["nothing is odd, 2 servers are in the list"]).await;
        says(here, &[other], 0, &[&format!("{other} is in the list, last heard ")]).await;
    }
}

#[actix_rt::test]
async fn what_was_mended_is_no_finding_for_long() {
    let channel = Channel::nats().await;
    let hasty = |name| Lobbyd::named(name).set("TTL", "2").set("KEEP_ALIVE", "1").on(&channel);
    let (daemon, _other) = (hasty("a").start().await, hasty("b").start().await);
    daemon.meets("b").await;
    channel.wire().await.say("nonsense").await;
    let odd = "- 1 packet was refused on NATS (not_json): something else writes to this channel";
    says(&daemon, &[], 1, &[odd]).await;
    // Three TTL later.
    let past = "\nno more since ";
    says(&daemon, &[], 0, &["nothing is odd, 2 servers are", past, "not_json"]).await;
}

#[actix_rt::test]
async fn another_channel_is_found_on_both_sides() {
    let nats = NatsServer::start().await;
    let [a, b] = two(&nats, |b| b.nats(&nats).set("NATS_DISCOVERY_CHANNEL", "other")).await;
    for (here, other, channel) in [(&a, "b", "lobby.discovery"), (&b, "a", "other")] {
        let channel = format!("channel {channel}\n");
        says(here, &[other], 1, &[&channel, UNHEARD]).await;
        says(here, &[], 1, &[&channel, ALONE]).await;
    }
}

#[actix_rt::test]
async fn a_server_that_is_not_announced_is_found_on_both_sides() {
    let nats = NatsServer::start().await;
    let [a, b] = two(&nats, |b| b.nats(&nats).set("REGISTER", "false")).await;
    says(&b, &[], 1, &["register   no", "- REGISTER=false: ", "set REGISTER=true"]).await;
    says(&b, &["a"], 0, &["a is in the list"]).await;
    says(&a, &["b"], 1, &[UNHEARD, "REGISTER=true there"]).await;
}

#[actix_rt::test]
async fn another_driver_is_found_on_both_sides() {
    let (nats, redis) = (NatsServer::start().await, RedisServer::start().await);
    let [a, b] = two(&nats, |b| b.redis(&redis)).await;
    says(&a, &["b"], 1, &["NATS       up, server nats://127.0.0.1:", UNHEARD]).await;
    says(&b, &["a"], 1, &["Redis      up, server 127.0.0.1:", UNHEARD]).await;
}

fn with_key(daemon: LobbydBuilder, key: &str) -> LobbydBuilder {
    let file = daemon.labels_path().with_file_name("keys");
    std::fs::write(&file, key).unwrap();
    daemon.set("PACKET_KEY_FILE", file).set("PACKET_VERIFY", "enforce")
}

#[actix_rt::test]
async fn a_missing_key_is_found_on_both_sides() {
    let nats = NatsServer::start().await;
    let a = with_key(Lobbyd::named("a").nats(&nats), "0123456789abcdef").start().await;
    let b = Lobbyd::named("b").nats(&nats).start().await;
    let refused = "packets of b were refused on NATS: host b: not signed";
    says(&a, &["b"], 1, &["verify     enforce, keys ", refused, "PACKET_KEY_FILE"]).await;
    says(&b, &["a"], 0, &["verify     off, no key", "a is in the list"]).await;
}

#[actix_rt::test]
async fn another_key_is_found_on_both_sides() {
    let nats = NatsServer::start().await;
    let a = with_key(Lobbyd::named("a").nats(&nats), "0123456789abcdef").start().await;
    let b = with_key(Lobbyd::named("b").nats(&nats), "fedcba9876543210").start().await;
    for (here, other) in [(&a, "b"), (&b, "a")] {
        let refused = format!("packets of {other} were refused on NATS");
        says(here, &[other], 1, &[&refused, "its key is another one"]).await;
        says(here, &[], 1, &[&refused, ALONE]).await;
    }
    let key = async |daemon| {
        let report = lobbyctl(daemon, &["doctor", "--json"]).await.stdout;
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        report["fingerprint"]["verify"].clone()
    };
    assert_ne!(key(&a).await, key(&b).await);
}

#[actix_rt::test]
async fn a_broker_that_is_away_is_told_with_its_reason() {
    let daemon = Lobbyd::named("a").redis_at(lobby_tests::free_port()).start().await;
    says(&daemon, &[], 1, &["DOWN", "- Redis is down: ", "no link is up"]).await;
    says(&daemon, &["b"], 1, &[UNHEARD, "- Redis is down: "]).await;
}
