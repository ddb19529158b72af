//! SIGTERM and SIGINT: quick, whatever the brokers do, and requests are finished.

use std::time::Duration;

use lobby_tests::{
    LIMIT, Lobbyd, NatsServer, Process, RawPeer, RedisServer, Script, Signal, ensure, eventually,
    http,
};
use serde_json::json;
use tokio::io::AsyncWriteExt;

/// The contract says 1 s; a loaded machine may be slower, but nothing that waits for a broker ends
/// within this.
const AT_ONCE: Duration = Duration::from_secs(3);

async fn ends_at_once(daemon: &Process, signal: Signal) {
    daemon.signal(signal);
    let exit = daemon.wait(AT_ONCE).await;
    assert!(exit.status.success(), "{signal:?}: {:?}", exit.status);
}

#[actix_rt::test]
async fn sigterm_and_sigint_end_it_with_a_broker_alive() {
    let (nats, redis) = (NatsServer::start().await, RedisServer::start().await);
    for signal in [Signal::TERM, Signal::INT] {
        let daemon = Lobbyd::named("a").nats(&nats).redis(&redis).start().await;
        let wires = [RawPeer::nats(&nats).await, RawPeer::redis(&redis).await];
        for wire in &wires {
            wire.hears(1, "a", "hi").await;
        }
        ends_at_once(&daemon, signal).await;
        for wire in &wires {
            wire.hears(1, "a", "goodbye").await;
        }
    }
}

#[actix_rt::test]
async fn a_broker_that_was_never_there_does_not_delay_it() {
    let (mut nats, mut redis) = (NatsServer::start().await, RedisServer::start().await);
    nats.kill();
    redis.kill();
    ends_at_once(&*Lobbyd::named("a").nats(&nats).start().await, Signal::TERM).await;
    ends_at_once(&*Lobbyd::named("a").redis(&redis).start().await, Signal::TERM).await;
    ends_at_once(&*Lobbyd::named("a").nats(&nats).redis(&redis).start().await, Signal::TERM).await;
}

#[actix_rt::test]
async fn a_broker_that_died_does_not_delay_it() {
    let (mut nats, mut redis) = (NatsServer::start().await, RedisServer::start().await);
    let on_nats = Lobbyd::named("a").nats(&nats).start().await;
    let on_redis = Lobbyd::named("b").redis(&redis).start().await;
    RawPeer::nats(&nats).await.hears(1, "a", "hi").await;
    RawPeer::redis(&redis).await.hears(1, "b", "hi").await;
    nats.kill();
    redis.kill();
    ends_at_once(&on_nats, Signal::TERM).await;
    ends_at_once(&on_redis, Signal::TERM).await;
}

#[actix_rt::test]
async fn a_broker_that_is_frozen_does_not_delay_it() {
    let (nats, redis) = (NatsServer::start().await, RedisServer::start().await);
    let on_nats = Lobbyd::named("a").nats(&nats).start().await;
    let on_redis = Lobbyd::named("b").redis(&redis).start().await;
    RawPeer::nats(&nats).await.hears(1, "a", "hi").await;
    RawPeer::redis(&redis).await.hears(1, "b", "hi").await;
    nats.pause();
    redis.pause();
    ends_at_once(&on_nats, Signal::TERM).await;
    ends_at_once(&on_redis, Signal::TERM).await;
}

#[actix_rt::test]
async fn a_broker_that_is_frozen_from_the_start_does_not_delay_it() {
    let (nats, redis) = (NatsServer::start().await, RedisServer::start().await);
    nats.pause();
    redis.pause();
    let daemon = Lobbyd::named("a").nats(&nats).redis(&redis).start().await;
    assert_eq!(daemon.lobby().await, json!({"a": []}));
    ends_at_once(&daemon, Signal::TERM).await;
}

#[actix_rt::test]
async fn idle_connections_do_not_delay_it() {
    let daemon = Lobbyd::named("a").start().await;
    let mut idle = vec![];
    for request in [
        "",
        "GET /v1/disc",
        "POST /v1/labels HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf",
    ] {
        let mut stream = http::connect(daemon.address()).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        idle.push(stream);
    }
    assert_eq!(daemon.get("/v1/discovery").await.status, 200);
    ends_at_once(&daemon, Signal::TERM).await;
}

#[actix_rt::test]
async fn a_request_that_waits_is_answered() {
    let nats = NatsServer::start().await;
    let daemon =
        Lobbyd::named("a").set("KEEP_ALIVE", "600").set("TTL", "1200").labels("prometheus:ne");
    let daemon = daemon.nats(&nats).start().await;
    let mut stream = http::connect(daemon.address()).await;
    let request = format!("GET /v1/prometheus/ne HTTP/1.1\r\nHost: {}\r\n\r\n", daemon.address());
    stream.write_all(request.as_bytes()).await.unwrap();
    eventually(LIMIT, async || {
        let streams = daemon.get_json("/v1/status").await["streams"].take();
        ensure(streams == 1, streams)
    })
    .await;
    ends_at_once(&daemon, Signal::TERM).await;
    let reply = String::from_utf8(http::rest(&mut stream).await).unwrap();
    assert!(reply.starts_with("HTTP/1.1 503") || reply.starts_with("HTTP/1.1 200"), "{reply:?}");
    assert!(
        !reply.ends_with("[]"),
        "an empty document would make Prometheus drop its targets: {reply:?}"
    );
}

#[actix_rt::test]
async fn a_second_signal_ends_it_too() {
    let nats = NatsServer::start().await;
    let daemon = Lobbyd::named("a").nats(&nats).start().await;
    RawPeer::nats(&nats).await.hears(1, "a", "hi").await;
    nats.pause();
    daemon.signal(Signal::TERM);
    daemon.signal(Signal::INT);
    daemon.wait(LIMIT).await;
}

#[actix_rt::test]
async fn the_goodbye_is_the_last_packet() {
    let nats = NatsServer::start().await;
    let wire = RawPeer::nats(&nats).await;
    for round in 0..5 {
        let name = format!("a{round}");
        let daemon = Lobbyd::named(&name).nats(&nats).start().await;
        wire.hears(1, &name, "hi").await;
        daemon.add_labels("x:1").await;
        ends_at_once(&daemon, Signal::TERM).await;
        wire.hears(1, &name, "goodbye").await;
        let last = wire.heard().into_iter().rfind(|message| message.contains(&name)).unwrap();
        assert!(last.contains("goodbye"), "{last}");
    }
}

#[actix_rt::test]
async fn nothing_follows_the_goodbye_while_a_callback_delays_the_end() {
    let (nats, redis) = (NatsServer::start().await, RedisServer::start().await);
    let wires = [RawPeer::nats(&nats).await, RawPeer::redis(&redis).await];
    let script = Script::doing(r#"trap '' TERM; echo $$ >"$dir/id"; while :; do sleep 0.1; done"#);
    let daemon =
        Lobbyd::named("a").set("CALLBACK", script.command()).set("CALLBACK_FIRST_RUN_DELAY", "0");
    let daemon = daemon.nats(&nats).redis(&redis).start().await;
    script.writes("id").await;
    for wire in &wires {
        wire.hears(1, "a", "hi").await;
    }
    ends_at_once(&daemon, Signal::TERM).await;
    for wire in &wires {
        // What the daemon said is heard before what is said when it is gone.
        wire.say_hi("later", &[]).await;
        wire.hears(1, "later", "hi").await;
        let last = wire.heard().into_iter().rfind(|message| !message.contains("later")).unwrap();
        assert!(last.contains("goodbye"), "{last}");
    }
}

#[actix_rt::test]
async fn a_callback_does_not_outlive_a_daemon_that_is_cut_off() {
    let script = Script::doing(r#"trap '' TERM; echo $$ >"$dir/id"; while :; do sleep 0.1; done"#);
    let daemon =
        Lobbyd::named("a").set("CALLBACK", script.command()).set("CALLBACK_FIRST_RUN_DELAY", "0");
    let daemon = daemon.start().await;
    let callback = script.writes("id").await;
    // The thread of the actors gets no further.
    let hold_up = ["-o", "/dev/null", "-e", "inject=epoll_wait,epoll_pwait:delay_enter=60000000"];
    let mut tracer = std::process::Command::new("strace");
    let id = daemon.id().to_string();
    let mut tracer = tracer.args(hold_up).args(["-p", &id]).spawn().unwrap();
    eventually(LIMIT, async || {
        let healthz = daemon.get("/healthz").await;
        ensure(healthz.status == 503, healthz.text())
    })
    .await;
    daemon.signal(Signal::TERM);
    daemon.logged("did not end in time").await;
    // It is in the way of the end, too.
    tracer.kill().unwrap();
    tracer.wait().unwrap();
    assert_eq!(daemon.wait(LIMIT).await.status.code(), Some(1));
    let place = format!("/proc/{}", callback.trim());
    eventually(LIMIT, async || ensure(!std::path::Path::new(&place).exists(), &place)).await;
}
