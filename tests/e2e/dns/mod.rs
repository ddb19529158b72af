//! DNS, asked by a real dig: the names there are, what strangers send, and recipes for resolvers.

mod hostile;
mod names;
mod outage;
mod recipes;

use std::net::SocketAddr;

use lobby_tests::{
    LIMIT, Lobbyd, LobbydBuilder, NatsServer, RawPeer, dig_status, ensure, eventually,
};

/// A daemon that answers DNS, and a peer that says what other servers are there.
struct Scene {
    nats: NatsServer,
    wire: RawPeer,
    daemon: Lobbyd,
    server: SocketAddr,
}

/// A daemon whose servers are there for the whole test.
fn answering(nats: &NatsServer) -> LobbydBuilder {
    Lobbyd::named("me").nats(nats).set("TTL", "7200").set("DNS_LISTEN", "127.0.0.1:0")
}

impl Scene {
    async fn set(hosts: &[(&str, &[&str])]) -> Self {
        Self::with(|daemon| daemon, hosts).await
    }

    /// With other settings, and these servers, each with its labels.
    async fn with(
        settings: impl FnOnce(LobbydBuilder) -> LobbydBuilder,
        hosts: &[(&str, &[&str])],
    ) -> Self {
        let nats = NatsServer::start().await;
        let wire = RawPeer::nats(&nats).await;
        let daemon = settings(answering(&nats)).start().await;
        let server = address_of(&daemon).await;
        wire.hears(1, "me", "hi").await;
        for (name, labels) in hosts {
            wire.say_hi(name, labels).await;
        }
        for (name, _) in hosts {
            daemon.meets(name).await;
        }
        is_warm(server).await;
        Self { nats, wire, daemon, server }
    }
}

async fn address_of(daemon: &Lobbyd) -> SocketAddr {
    daemon.logged_address("answering DNS").await
}

/// Waits until a server answers for its zone.
async fn is_warm(server: SocketAddr) {
    eventually(LIMIT, async move || {
        let status = dig_status(server, "lobby.internal SOA").await;
        ensure(status == "NOERROR", status)
    })
    .await;
}
