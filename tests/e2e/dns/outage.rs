//! DNS before the daemon knows everybody, and while it hears nobody.

use lobby_tests::{Lobbyd, NatsServer, RedisServer, dig_short, dig_status, ensure, eventually};

use super::{Scene, address_of, is_warm};

const WEB: &str = "web.service.lobby.internal";

#[actix_rt::test]
async fn a_daemon_that_just_started_fails_and_names_no_half_a_fleet() {
    let nats = NatsServer::start().await;
    let daemon = super::answering(&nats).without_keep_alive().start().await;
    let server = address_of(&daemon).await;
    daemon.meets("me").await;
    for name in [WEB, "me.node.lobby.internal", "lobby.internal", "-x 10.0.0.1"] {
        assert_eq!(dig_status(server, name).await, "SERVFAIL", "{name}");
    }
    assert_eq!(dig_status(server, "example.com").await, "REFUSED");
}

#[actix_rt::test]
async fn the_answer_stays_while_the_broker_is_away() {
    let hosts: &[(&str, &[&str])] = &[("a", &["service:web", "address:10.0.0.1"])];
    let mut scene = Scene::with(|daemon| daemon.set("TTL", "3"), hosts).await;
    scene.nats.kill();
    scene.daemon.links_are("down", lobby_tests::LIMIT).await;
    let down = lobby_tests::now();
    while down.elapsed() < std::time::Duration::from_secs(8) {
        assert_eq!(dig_short(scene.server, WEB).await, ["10.0.0.1"]);
        assert_eq!(dig_status(scene.server, "nothing.lobby.internal").await, "NXDOMAIN");
    }
}

#[actix_rt::test]
async fn a_server_that_dies_leaves_the_answer_at_its_ttl() {
    let redis = RedisServer::start().await;
    let watcher =
        Lobbyd::named("me").redis(&redis).set("TTL", "3").set("DNS_LISTEN", "127.0.0.1:0");
    let watcher = watcher.start().await;
    let server = address_of(&watcher).await;
    let dying = Lobbyd::named("a").redis(&redis).labels("service:web,address:10.0.0.1");
    let dying = dying.set("TTL", "3");
    let dying = dying.start().await;
    is_warm(server).await;
    watcher.meets("a").await;
    assert_eq!(dig_short(server, WEB).await, ["10.0.0.1"]);
    dying.kill();
    eventually(lobby_tests::LIMIT, async move || {
        let status = dig_status(server, WEB).await;
        ensure(status == "NXDOMAIN", status)
    })
    .await;
}

#[actix_rt::test]
async fn a_daemon_that_answers_dns_ends_as_quickly_as_any() {
    let scene = Scene::set(&[]).await;
    let _idle = std::net::TcpStream::connect(scene.server).unwrap();
    scene.daemon.signal(lobby_tests::Signal::TERM);
    let exit = scene.daemon.wait(lobby_tests::LIMIT).await;
    assert_eq!(exit.status.code(), Some(0));
    assert!(exit.after < std::time::Duration::from_secs(2), "{:?}", exit.after);
}
