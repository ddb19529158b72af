//! Lists that a client asks for again: tags of filtered answers, waiting for another answer, and
//! waiting for a whole fleet.

use std::time::Duration;

use futures_util::future::{join, join_all};
use futures_util::join;
use lobby_tests::{
    Answer, LIMIT, Lobbyd, NatsServer, RawPeer, Signal, ensure, eventually, free_port, http, now,
};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::streams::places_taken;

const FILTERED: [&str; 5] = [
    "/v1/discoveries?selector=service%3Dweb",
    "/v1/discoveries?labels=service:web",
    "/v1/resolve?label=service:web",
    "/v1/resolve?selector=service",
    "/v1/prometheus/web?selector=service",
];

/// A daemon `c` that knows `a`, which has the label `service:web`, for as long as `ttl`.
async fn fleet(ttl: &str) -> (Lobbyd, NatsServer, RawPeer) {
    let nats = NatsServer::start().await;
    let wire = RawPeer::nats(&nats).await;
    let daemon = Lobbyd::named("c").set("TTL", ttl).set("CLEAN_EVERY", "3600").nats(&nats);
    let daemon = daemon.start().await;
    eventually(LIMIT, async || {
        wire.say_hi("a", &["prometheus:web", "service:web"]).await;
        let hosts = daemon.discoveries().await.len();
        ensure(hosts == 2, hosts)
    })
    .await;
    (daemon, nats, wire)
}

async fn tag(daemon: &Lobbyd, path: &str) -> String {
    daemon.get(path).await.header("etag").expect("an ETag").to_owned()
}

async fn ask(daemon: &Lobbyd, path: &str, known: &str) -> Answer {
    daemon.request("GET", path, &[("If-None-Match", known)], "").await
}

#[actix_rt::test]
async fn the_tag_of_a_filtered_list_is_that_of_its_answer() {
    let (daemon, _nats, wire) = fleet("7200").await;
    for path in FILTERED {
        let known = tag(&daemon, path).await;
        wire.say_hi("b", &[&format!("other:{}", path.len())]).await;
        daemon.meets("b").await;
        let answer = ask(&daemon, path, &known).await;
        assert_eq!((answer.status, answer.header("etag")), (304, Some(&*known)), "{path}");
        wire.say_goodbye("b").await;
        wire.say_hi("b", &["prometheus:web", "service:web"]).await;
        eventually(LIMIT, async || {
            let answer = ask(&daemon, path, &known).await;
            ensure(answer.status == 200 && answer.text().contains('b'), answer)
        })
        .await;
        wire.say_goodbye("b").await;
        eventually(LIMIT, async || {
            let answer = ask(&daemon, path, &known).await;
            ensure(answer.status == 304, "the first answer is back")
        })
        .await;
    }
}

#[actix_rt::test]
async fn a_waiting_request_is_answered_when_its_answer_is_another() {
    let (daemon, _nats, wire) = fleet("7200").await;
    for path in FILTERED.into_iter().chain(["/?pretty"]) {
        let known = tag(&daemon, path).await;
        let wait = format!("{path}&wait=60s");
        let mut waiting = Box::pin(ask(&daemon, &wait, &known));
        if path != "/?pretty" {
            wire.say_hi("b", &["other:1"]).await;
            daemon.meets("b").await;
        }
        let early = timeout(Duration::from_millis(300), &mut waiting).await;
        assert!(early.is_err(), "{path}: {early:?}");
        wire.say_hi("b", &["prometheus:web", "service:web"]).await;
        let answer = waiting.await;
        assert!(answer.status == 200 && answer.text().contains('b'), "{path}: {answer:?}");
        wire.say_goodbye("b").await;
        eventually(LIMIT, async || {
            let hosts = daemon.discoveries().await.len();
            ensure(hosts == 2, hosts)
        })
        .await;
    }
}

#[actix_rt::test]
async fn a_death_ends_waiting_at_its_moment() {
    let (daemon, _nats, _wire) = fleet("6").await;
    let path = "/v1/resolve?selector=service&wait=60";
    let (known, asked) = (tag(&daemon, path).await, now());
    let answer = ask(&daemon, path, &known).await;
    assert_eq!((answer.status, answer.json()), (200, json!([])));
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
}

#[actix_rt::test]
async fn waiting_in_vain_ends_with_304_and_its_headers() {
    let (daemon, _nats, _wire) = fleet("7200").await;
    let path = "/v1/discoveries?selector=service&wait=1s";
    let (known, asked) = (tag(&daemon, path).await, now());
    let answer = ask(&daemon, path, &known).await;
    assert!(asked.elapsed() >= Duration::from_secs(1), "{:?}", asked.elapsed());
    assert_eq!((answer.status, answer.header("etag")), (304, Some(&*known)));
    assert_eq!(answer.header("vary"), Some("Accept-Encoding"));
    let head = daemon.request("HEAD", path, &[("If-None-Match", &known)], "").await;
    assert_eq!(head.status, 304);
}

#[actix_rt::test]
async fn without_an_answer_of_before_nobody_waits() {
    let (daemon, _nats, _wire) = fleet("7200").await;
    for known in ["", "garbage", "\"other\""] {
        let asked = now();
        let answer = ask(&daemon, "/?wait=60s", known).await;
        assert_eq!(answer.status, 200);
        assert!(asked.elapsed() < Duration::from_secs(10), "{known:?}");
    }
}

#[actix_rt::test]
async fn a_bad_time_to_wait_is_400_and_shown() {
    let daemon = Lobbyd::named("a").start().await;
    for path in ["/", "/v1/discoveries", "/v1/resolve", "/v1/prometheus/web"] {
        let answer = daemon.get(&format!("{path}?wait=1h")).await;
        let expected =
            "wait=\"1h\" is not a time to wait: expected 0s to 300s, such as 30s or 5m\n";
        assert_eq!((answer.status, &*answer.text()), (400, expected), "{path}");
    }
}

#[actix_rt::test]
async fn those_who_wait_are_bounded_and_let_go_at_a_stop() {
    let daemon = Lobbyd::named("a").set("MAX_STREAMS", "1").start().await;
    let known = tag(&daemon, "/").await;
    let mut first = http::connect(daemon.address()).await;
    let request =
        format!("GET /?wait=60s HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: {known}\r\n\r\n");
    first.write_all(request.as_bytes()).await.unwrap();
    places_taken(&daemon, 1).await;
    let full = ask(&daemon, "/?wait=1s", &known).await;
    assert_eq!((full.status, full.header("retry-after")), (503, Some("5")));
    assert_eq!(ask(&daemon, "/", &known).await.status, 304, "nobody else waits");
    let stopped = now();
    daemon.signal(Signal::TERM);
    assert!(daemon.wait(LIMIT).await.status.success());
    assert!(stopped.elapsed() < Duration::from_secs(2), "{:?}", stopped.elapsed());
    let answer = String::from_utf8(http::rest(&mut first).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 304 "), "{answer}");
}

/// A daemon `a` that is not warm yet and hears others.
async fn cold() -> (Lobbyd, NatsServer, RawPeer) {
    let nats = NatsServer::start().await;
    let wire = RawPeer::nats(&nats).await;
    let daemon = Lobbyd::named("a").set("KEEP_ALIVE", "5").nats(&nats).start().await;
    wire.hears(1, "a", "hi").await;
    (daemon, nats, wire)
}

async fn is_warm(daemon: &Lobbyd) -> bool {
    daemon.get_json("/v1/status").await["warm"] == true
}

#[actix_rt::test]
async fn a_warm_list_comes_when_all_must_have_been_heard() {
    let (daemon, _nats, wire) = cold().await;
    let paths = ["/?warm", "/v1/discoveries?warm", "/v1/resolve?selector=x%3D1&warm"];
    let waiting = join_all(paths.map(|path| daemon.get_json(path)));
    let heard = async {
        wire.say_hi("b", &["x:1"]).await;
        daemon.meets("b").await;
        assert!(!is_warm(&daemon).await, "it is a slow machine");
    };
    let (lists, ()) = join!(waiting, heard);
    assert!(is_warm(&daemon).await);
    for list in &lists[..2] {
        let names: Vec<_> = list.as_array().unwrap().iter().map(|host| &host["hostname"]).collect();
        assert_eq!(names, ["a", "b"]);
    }
    assert_eq!(lists[2], json!(["b"]));
}

#[actix_rt::test]
async fn a_list_that_waits_and_must_be_warm_is_warm_first() {
    let (daemon, _nats, wire) = cold().await;
    let (path, other) = ("/v1/resolve?selector=x%3D1", "/v1/resolve?selector=x%3D2");
    let (known, known_other) = (tag(&daemon, path).await, tag(&daemon, other).await);
    let (changed, same) = (format!("{path}&warm&wait=60s"), format!("{other}&warm&wait=0s"));
    let waiting = join(ask(&daemon, &changed, &known), ask(&daemon, &same, &known_other));
    let heard = async {
        wire.say_hi("b", &["x:1"]).await;
        daemon.meets("b").await;
        assert!(!is_warm(&daemon).await, "it is a slow machine");
    };
    let ((changed, same), ()) = join!(waiting, heard);
    assert!(is_warm(&daemon).await);
    assert_eq!((changed.status, changed.json()), (200, json!(["b"])));
    assert_eq!((same.status, same.header("etag")), (304, Some(&*known_other)));
}

#[actix_rt::test]
async fn a_warm_list_is_503_where_no_broker_is() {
    let daemon = Lobbyd::named("a").nats_at(&format!("nats://127.0.0.1:{}", free_port()));
    let daemon = daemon.start().await;
    for path in ["/", "/v1/discoveries", "/v1/resolve"] {
        for more in ["?warm", "?warm&wait=1s"] {
            let answer = daemon.get(&format!("{path}{more}")).await;
            let (status, again) = (answer.status, answer.header("retry-after"));
            assert_eq!((status, again), (503, Some("1")), "{path}{more}");
            assert!(answer.text().starts_with("no driver has come up yet"), "{}", answer.text());
        }
        assert_eq!(daemon.get(path).await.status, 200);
    }
}

#[actix_rt::test]
async fn a_list_waits_until_warm_only_if_it_is_asked_to() {
    let daemon = Lobbyd::named("a").without_keep_alive().set("MAX_STREAMS", "1").start().await;
    for path in ["/", "/v1/discoveries", "/v1/resolve"] {
        assert_eq!(daemon.get(path).await.status, 200);
        assert_eq!(daemon.get(&format!("{path}?warm=0")).await.status, 200);
        let warm = format!("{path}?warm");
        let waiting = timeout(Duration::from_millis(200), daemon.get(&warm)).await;
        assert!(waiting.is_err(), "{path}: {waiting:?}");
        // Who has gone gives the only place back.
        places_taken(&daemon, 0).await;
    }
}
