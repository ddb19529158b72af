//! How a daemon says that it is doing: /v1/status, lobbyctl status, /healthz, /readyz.

use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

use lobby_tests::{
    LIMIT, Lobbyd, NatsServer, RedisServer, ensure, eventually, lobbyctl, lobbyctl_with,
};
use serde_json::{Value, json};

async fn brokers() -> (NatsServer, RedisServer) {
    (NatsServer::start().await, RedisServer::start().await)
}

async fn status(daemon: &Lobbyd) -> Value {
    daemon.get_json("/v1/status").await
}

fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect()
}

/// Seconds since the Unix epoch.
fn wall_clock() -> i64 {
    UNIX_EPOCH.elapsed().unwrap().as_secs().try_into().unwrap()
}

#[actix_rt::test]
async fn it_tells_of_the_daemon_and_of_each_link() {
    let (nats, mut redis) = brokers().await;
    redis.kill();
    let started = wall_clock();
    let a = Lobbyd::named("a").nats(&nats).redis(&redis).start().await;
    a.links_are_each(json!({"NATS": "up", "Redis": "down"})).await;
    let status = status(&a).await;
    for (field, expected) in
        [("version", json!("2.0.0")), ("hostname", json!("a")), ("records", json!(1))]
    {
        assert_eq!(status[field], expected, "{field} in {status}");
    }
    assert!((started..=wall_clock()).contains(&status["started"].as_i64().unwrap()), "{status}");
    let (up, down) = (&status["drivers"][0], &status["drivers"][1]);
    let fields = "channel dropped invalid_ttl last_seen name reason received refused sent server since state unsigned";
    let fields: BTreeSet<_> = fields.split(' ').collect();
    assert_eq!((keys(up), keys(down)), (fields.clone(), fields));
    assert_eq!((&up["channel"], &up["server"]), (&json!("lobby.discovery"), &json!(nats.url())));
    assert_eq!(down["channel"], "lobby:discovery");
    assert_eq!(
        (&up["name"], &up["state"], &up["reason"]),
        (&json!("NATS"), &json!("up"), &json!(null))
    );
    assert_eq!((&down["name"], &down["state"]), (&json!("Redis"), &json!("down")));
    assert!((started..=wall_clock()).contains(&down["since"].as_i64().unwrap()), "{down}");
    let reason = down["reason"].as_str().unwrap();
    assert!(
        reason.contains(&format!("127.0.0.1:{}", redis.port())) && reason.contains("refused"),
        "{reason}"
    );
}

#[actix_rt::test]
async fn it_tells_the_interval_in_use_of_one_that_sends() {
    let daemon = Lobbyd::named("a").start().await;
    let told = status(&daemon).await;
    assert_eq!((&told["interval"], &told["packet_ttl"]), (&told["keep_alive"], &told["ttl"]));
    let listening = Lobbyd::named("b").set("REGISTER", "false").start().await;
    let told = status(&listening).await;
    assert_eq!((&told["interval"], &told["packet_ttl"]), (&json!(null), &json!(null)));
    assert!(told.as_object().unwrap().contains_key("interval"), "{told}");
}

#[actix_rt::test]
async fn packets_are_counted_as_received_sent_and_refused_by_reason() {
    let nats = NatsServer::start().await;
    let wire = lobby_tests::RawPeer::nats(&nats).await;
    let a = Lobbyd::named("a").nats(&nats).start().await;
    wire.hears(2, "a", "hi").await;
    for packet in ["garbage", "rubbish", r#"{"discovery":{"labels":[]},"message":"hi"}"#] {
        wire.say(packet).await;
    }
    wire.say_hi("b", &[]).await;
    a.meets("b").await;
    let status = status(&a).await;
    let link = &status["drivers"][0];
    assert_eq!(link["refused"], json!({"not_json": 2, "no_hostname": 1}));
    let (sent, received) = (link["sent"].as_u64().unwrap(), link["received"].as_u64().unwrap());
    // Own packets come back, but for the last that may still be on its way; four more came from the
    // wire.
    assert!(sent >= 2 && (sent + 3..=sent + 4).contains(&received), "{link}");
    assert_eq!((&link["dropped"], &status["records"]), (&json!(0), &json!(2)));
}

#[actix_rt::test]
async fn a_link_is_down_since_it_broke_and_up_since_it_is_back() {
    let mut nats = NatsServer::start().await;
    let a = Lobbyd::named("a").nats(&nats).start().await;
    a.links_are("up", LIMIT).await;
    let before = wall_clock();
    nats.kill();
    a.links_are("down", LIMIT).await;
    let broken = status(&a).await["drivers"][0]["since"].clone();
    assert!((before..=wall_clock()).contains(&broken.as_i64().unwrap()), "{broken}");
    a.is_cut_off_for(Duration::from_secs(2)).await;
    assert_eq!(
        status(&a).await["drivers"][0]["since"],
        broken,
        "each attempt that fails counts as a new outage"
    );
    let before = wall_clock();
    nats.restart().await;
    a.links_are("up", LIMIT).await;
    let link = status(&a).await["drivers"][0].clone();
    assert!((before..=wall_clock()).contains(&link["since"].as_i64().unwrap()), "{link}");
    assert_eq!(link["reason"], json!(null));
}

#[actix_rt::test]
async fn lobbyctl_prints_it_and_fails_while_a_driver_is_down() {
    let (mut nats, redis) = brokers().await;
    let a = Lobbyd::named("a").nats(&nats).redis(&redis).start().await;
    a.links_are("up", LIMIT).await;
    let well = lobbyctl(&a, &["status"]).await;
    assert_eq!((well.status, well.stderr.as_str()), (Some(0), ""), "{well:?}");
    for line in
        ["lobbyd 2.0.0 on a\n", "\n  records    1\n", "\nNATS is up for ", "\nRedis is up for "]
    {
        assert!(well.stdout.contains(line), "no {line:?} in {}", well.stdout);
    }
    nats.kill();
    a.links_are_each(json!({"NATS": "down", "Redis": "up"})).await;
    let ill = lobbyctl(&a, &["status"]).await;
    assert_eq!(ill.status, Some(1), "{ill:?}");
    for line in ["\nNATS is DOWN for ", "\n  reason     ", "\nRedis is up for "] {
        assert!(ill.stdout.contains(line), "no {line:?} in {}", ill.stdout);
    }
}

#[actix_rt::test]
async fn lobbyctl_gives_it_as_json_with_the_same_exit_status() {
    let mut nats = NatsServer::start().await;
    let a = Lobbyd::named("a").nats(&nats).start().await;
    for (state, exit) in [("up", 0), ("down", 1)] {
        a.links_are(state, LIMIT).await;
        let (host, port) = (a.address().ip().to_string(), a.address().port().to_string());
        let outcome =
            lobbyctl_with(&[("HOST", &host), ("PORT", &port)], &["--json", "status"]).await;
        assert_eq!(outcome.status, Some(exit), "{outcome:?}");
        let printed: Value = serde_json::from_str(&outcome.stdout).unwrap();
        assert_eq!(
            (&printed["hostname"], &printed["drivers"][0]["state"]),
            (&json!("a"), &json!(state))
        );
        nats.kill();
    }
}

#[actix_rt::test]
async fn the_status_wants_the_token_but_health_and_readiness_do_not() {
    let mut nats = NatsServer::start().await;
    let a = Lobbyd::named("a").set("TOKEN", "s3cret").nats(&nats).start().await;
    assert_eq!(a.get("/v1/status").await.status, 403);
    ready(&a).await;
    assert_eq!(a.get("/healthz").await.status, 200);
    nats.kill();
    let reasons = not_ready(&a).await;
    assert_eq!(reasons.trim(), "NATS is down");
    assert_eq!(a.get("/healthz").await.status, 200);
}

async fn ready(daemon: &Lobbyd) {
    eventually(LIMIT, async || {
        let answer = daemon.get("/readyz").await;
        ensure(answer.status == 200, answer.text())
    })
    .await;
}

async fn not_ready(daemon: &Lobbyd) -> String {
    eventually(LIMIT, async || {
        let answer = daemon.get("/readyz").await;
        if answer.status == 503 { Ok(answer.text()) } else { Err(answer.status.to_string()) }
    })
    .await
}

#[actix_rt::test]
async fn it_is_ready_when_it_is_warm_and_a_driver_is_up() {
    let (mut nats, mut redis) = brokers().await;
    nats.kill();
    redis.kill();
    let a = Lobbyd::named("a").nats(&nats).redis(&redis).start().await;
    let answer = a.get("/readyz").await;
    assert_eq!(answer.status, 503);
    let reasons = "not every host can have been heard yet; NATS is down; Redis is down";
    assert_eq!(answer.text().trim(), reasons);
    assert!(answer.header("retry-after").is_some());
    redis.restart().await;
    ready(&a).await;
    assert!(status(&a).await["warm"].as_bool().unwrap());
    redis.kill();
    assert_eq!(not_ready(&a).await.trim(), "NATS is down; Redis is down");
    nats.restart().await;
    ready(&a).await;
}

#[actix_rt::test]
async fn before_it_has_listened_for_a_keep_alive_it_is_not_ready() {
    let nats = NatsServer::start().await;
    let a = Lobbyd::named("a").without_keep_alive().nats(&nats).start().await;
    a.links_are("up", LIMIT).await;
    let answer = a.get("/readyz").await;
    assert_eq!(
        (answer.status, answer.text().trim()),
        (503, "not every host can have been heard yet")
    );
    assert_eq!(status(&a).await["warm"], json!(false));
}
