//! What the daemon tells the service manager, systemd for one.

use std::path::Path;
use std::time::Duration;

use lobby_tests::{
    LIMIT, Lobbyd, LobbydBuilder, NatsServer, RedisServer, ServiceManager, Signal, Tracer, ensure,
    eventually, now,
};

/// A daemon of a service manager that wants to hear within a second that it works.
fn watched_by(manager: &ServiceManager) -> LobbydBuilder {
    Lobbyd::named("me").set("NOTIFY_SOCKET", manager.path()).set("WATCHDOG_USEC", "1000000")
}

#[actix_rt::test]
async fn it_is_ready_without_a_broker_once_the_api_listens() {
    let mut nats = NatsServer::start().await;
    nats.kill();
    let manager = ServiceManager::listening();
    let daemon = watched_by(&manager).nats(&nats).start().await;
    manager.hears(1, "READY=1\n").await;
    assert_eq!(daemon.get("/healthz").await.status, 200);
    let text = manager.hears(1, "STATUS=").await;
    assert!(text.starts_with("STATUS=1 server so far; NATS down since "), "{text}");
}

#[actix_rt::test]
async fn without_an_api_it_is_ready_when_its_drivers_were_started() {
    let manager = ServiceManager::listening();
    let daemon = watched_by(&manager).set("DISABLE_API", "true").spawn();
    manager.hears(1, "READY=1\n").await;
    manager.hears(1, "STATUS=1 server; Local up\n").await;
    assert!(daemon.is_running());
}

#[actix_rt::test]
async fn the_status_follows_servers_and_links() {
    let (nats, mut redis) = (NatsServer::start().await, RedisServer::start().await);
    let manager = ServiceManager::listening();
    let _daemon = watched_by(&manager).nats(&nats).redis(&redis).start().await;
    manager.hears(1, "STATUS=1 server; NATS up, Redis up\n").await;
    let other = Lobbyd::named("other").nats(&nats).start().await;
    manager.hears(1, "STATUS=2 servers; NATS up, Redis up\n").await;
    redis.kill();
    manager.hears(1, "STATUS=2 servers; NATS up, Redis down since ").await;
    other.signal(Signal::TERM);
    manager.hears(1, "STATUS=1 server; NATS up, Redis down since ").await;
}

#[actix_rt::test]
async fn the_watchdog_hears_of_a_daemon_that_works_and_of_no_other() {
    let manager = ServiceManager::listening();
    let daemon = watched_by(&manager).start().await;
    let started = now();
    manager.hears(4, "WATCHDOG=1\n").await;
    assert!(started.elapsed() >= Duration::from_secs(1), "{:?}", started.elapsed());
    daemon.pause();
    let before = manager.count("WATCHDOG=1");
    tokio::time::timeout(Duration::from_secs(2), manager.hears(before + 1, "WATCHDOG=1"))
        .await
        .expect_err("a frozen daemon is silent");
    daemon.signal(Signal::CONT);
    manager.hears(before + 1, "WATCHDOG=1").await;
}

#[actix_rt::test]
async fn a_disk_that_hangs_does_not_stop_the_watchdog() {
    let manager = ServiceManager::listening();
    let tracer = Tracer::of("fsync").delays("fsync", Duration::from_secs(8));
    let daemon = watched_by(&manager).launched_by(tracer.launcher()).start().await;
    let before = manager.count("WATCHDOG=1");
    let answer = daemon.add_labels("late:1").await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    let during = manager.count("WATCHDOG=1") - before;
    assert!(during >= 4, "{during} signs of life in the five seconds of that answer");
    manager.hears(before + during + 2, "WATCHDOG=1").await;
}

#[actix_rt::test]
async fn a_reload_and_the_end_are_told() {
    let manager = ServiceManager::listening();
    let daemon = watched_by(&manager).start().await;
    manager.hears(1, "READY=1\n").await;
    daemon.signal(Signal::HUP);
    let reloading = manager.hears(1, "RELOADING=1\n").await;
    let micros = reloading.trim().split_once("\nMONOTONIC_USEC=").map(|(_, micros)| micros);
    assert!(micros.is_some_and(|micros| micros.parse::<u64>().is_ok()), "{reloading}");
    manager.hears(2, "READY=1\n").await;
    daemon.signal(Signal::TERM);
    manager.hears(1, "STOPPING=1\n").await;
    assert_eq!(daemon.wait(LIMIT).await.status.code(), Some(0));
}

#[actix_rt::test]
async fn a_service_manager_that_is_not_there_is_one_warning() {
    for socket in [Path::new("/nowhere/notify"), Path::new("@nobody")] {
        let daemon =
            Lobbyd::named("me").set("NOTIFY_SOCKET", socket).set("WATCHDOG_USEC", "100000");
        let daemon = daemon.start().await;
        daemon.logged("the service manager cannot be told").await;
        eventually(LIMIT, async || ensure(daemon.get("/readyz").await.status == 200, "")).await;
        assert_eq!(daemon.logs_with("service manager").len(), 1, "{:?}", daemon.logs());
    }
}

#[actix_rt::test]
async fn a_service_manager_that_does_not_read_holds_nobody_up() {
    let manager = ServiceManager::listening();
    let daemon = watched_by(&manager).set("WATCHDOG_USEC", "2000").start().await;
    // Its queue takes about a dozen notices; a thousand a second are tried.
    eventually(LIMIT, async || ensure(daemon.get("/readyz").await.status == 200, "")).await;
    assert_eq!(daemon.get("/healthz").await.status, 200);
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait(LIMIT).await.status.code(), Some(0));
}
