//! Several servers and one time limit.

use std::time::Duration;

use lobby_tests::{Certificates, LIMIT, Lobbyd, NatsServer, ensure, eventually, free_port, now};
use lobbyd::link::drivers::nats::{Nats, NatsSettings};

use crate::drivers::{link, nats_settings, works};

/// Time for a daemon to be up again when the server that it was connected to is silent.
const TAKEOVER: Duration = Duration::from_secs(5);

/// Three servers that know each other.
async fn cluster(lines: &str) -> Vec<NatsServer> {
    let ports = [free_port(), free_port(), free_port()];
    let routes = ports.map(|port| format!("\"nats://127.0.0.1:{port}\"")).join(", ");
    let mut servers = Vec::new();
    for port in ports {
        let cluster =
            format!("cluster {{ name: c, listen: \"127.0.0.1:{port}\", routes: [{routes}] }}");
        servers.push(NatsServer::with_config(&format!("{cluster}\n{lines}")).await);
    }
    servers
}

#[actix_rt::test]
async fn a_frozen_seed_of_a_cluster_is_left_within_five_seconds() {
    let servers = cluster("").await;
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
    let since = link(&a).await["since"].clone();
    eventually(LIMIT, async || {
        let link = link(&a).await;
        ensure(link["state"] == "up" && link["since"] != since, &link)
    })
    .await;
    assert!(frozen.elapsed() < TAKEOVER + Duration::from_secs(1), "{:?}", frozen.elapsed());
}

#[actix_rt::test]
async fn silent_servers_before_a_living_one_do_not_starve_it() {
    let servers = cluster("").await;
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
    let mut servers = cluster(&certificates.nats_config(false)).await;
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
