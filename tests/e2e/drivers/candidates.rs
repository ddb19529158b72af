//! Several servers and one time limit.

use std::time::Duration;

use lobby_tests::{
    Certificates, HostNames, LIMIT, Lobbyd, LobbydBuilder, NatsServer, Process, RedisServer,
    ensure, eventually, now,
};
use lobbyd::link::drivers::nats::{Nats, NatsSettings};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};

use crate::drivers::{nats_settings, works};

/// Time for a daemon to be up again when the server that it was connected to is silent, or that it
/// connects to.
const TAKEOVER: Duration = Duration::from_secs(5);

/// What a busy machine adds to that: three PINGs and a head start make 4.75 s of it.
const NOISE: Duration = Duration::from_millis(750);

/// When its link came up so many times, by its own log: whoever asks it may be late.
async fn comes_up(daemon: &Process, times: usize) -> Instant {
    eventually(LIMIT, async || {
        let ups = daemon.times_of("link is up");
        ups.get(times - 1).copied().ok_or_else(|| format!("{:?}", daemon.logs()))
    })
    .await
}

#[actix_rt::test]
async fn a_frozen_seed_of_a_cluster_is_left_within_five_seconds() {
    let servers = NatsServer::cluster("").await;
    let a =
        Lobbyd::named("a").nats(&servers[0]).set("KEEP_ALIVE", "5").set("TTL", "30").start().await;
    let _others = [
        Lobbyd::named("b").nats(&servers[1]).start().await,
        Lobbyd::named("c").nats(&servers[2]).start().await,
    ];
    a.meets("b").await;
    a.meets("c").await;
    servers[0].pause();
    let frozen = now();
    let taken = comes_up(&a, 2).await - frozen;
    assert!(taken <= TAKEOVER + NOISE, "{taken:?}");
}

#[actix_rt::test]
async fn silent_servers_before_a_living_one_do_not_starve_it() {
    let servers = NatsServer::cluster("").await;
    servers[0].pause();
    servers[1].pause();
    let list = servers.iter().map(NatsServer::url).collect::<Vec<_>>().join(",");
    for _ in 0..4 {
        works(&Nats::new(nats_settings(&list))).await;
    }
}

#[actix_rt::test]
async fn a_learned_server_inherits_the_name_it_was_learned_through() {
    let certificates = Certificates::of_server(&["localhost"]);
    let mut servers = NatsServer::cluster(&certificates.nats_config(false)).await;
    let url = format!("tls://localhost:{}", servers[0].port());
    let others: Vec<_> = servers[1..].iter().map(NatsServer::port).collect();
    // Servers learn of each other in their own time.
    eventually(LIMIT, async || {
        let options =
            async_nats::ConnectOptions::new().add_root_certificates(certificates.authority());
        let client = options.connect(&url).await.map_err(|error| error.to_string())?;
        let known = client.server_info().connect_urls;
        ensure(
            others.iter().all(|port| known.iter().any(|url| url.ends_with(&format!(":{port}")))),
            known,
        )
    })
    .await;
    let driver =
        Nats::new(NatsSettings { ca_file: Some(certificates.authority()), ..nats_settings(&url) });
    works(&driver).await;
    servers.remove(0);
    works(&driver).await;
}

/// A link over a name whose first address takes connections and never answers.
async fn is_up_though_the_first_address_is_silent(broker: u16, daemon: LobbydBuilder) {
    let silent = TcpListener::bind(("::1", broker)).await.unwrap();
    let names = HostNames::none();
    names.add_addresses("broker.example", &["::1", "127.0.0.1"]);
    let daemon = daemon.launched_by(names.launcher()).spawn();
    let _unanswered = timeout(LIMIT, silent.accept()).await.expect("it is asked first").unwrap();
    let asked = now();
    let taken = comes_up(&daemon, 1).await - asked;
    assert!(taken <= TAKEOVER + NOISE, "{taken:?}");
}

#[actix_rt::test]
async fn a_silent_address_of_nats_url_does_not_starve_the_next_one() {
    let nats = NatsServer::start().await;
    let url = format!("nats://broker.example:{}", nats.port());
    is_up_though_the_first_address_is_silent(nats.port(), Lobbyd::named("a").nats_at(&url)).await;
}

#[actix_rt::test]
async fn a_silent_address_of_redis_host_does_not_starve_the_next_one() {
    let redis = RedisServer::start().await;
    let daemon = Lobbyd::named("a").redis(&redis).set("REDIS_HOST", "broker.example");
    is_up_though_the_first_address_is_silent(redis.port(), daemon).await;
}
