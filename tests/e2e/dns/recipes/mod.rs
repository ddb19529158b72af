//! Recipes of docs/dns.md, each run with the real program over an outage of the broker, a restart
//! of the daemon, and a server that is drained.

mod haproxy;
mod unbound;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use lobby_tests::{Lobbyd, NatsServer, free_port};

use super::is_warm;

/// A daemon that answers DNS, and two servers of a service.
struct Fleet {
    nats: NatsServer,
    me: Lobbyd,
    a: Lobbyd,
    _b: Lobbyd,
    server: SocketAddr,
}

impl Fleet {
    async fn start() -> Self {
        let nats = NatsServer::start().await;
        let server = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let daemon = |name| Lobbyd::named(name).nats(&nats).set("TTL", "4");
        let me = daemon("me").set("DNS_LISTEN", server.to_string()).set("DNS_TTL", "1");
        let a = daemon("a").labels("service:web,port:web:8080,address:127.0.0.2");
        let b = daemon("b").labels("service:web,port:web:8081,address:127.0.0.3");
        let (me, a, b) = tokio::join!(me.start(), a.start(), b.start());
        me.meets("a").await;
        me.meets("b").await;
        is_warm(server).await;
        Self { nats, me, a, _b: b, server }
    }

    /// Takes the broker away for longer than TTL, while this holds.
    async fn without_broker(&mut self, mut holds: impl AsyncFnMut()) {
        self.nats.kill();
        self.me.links_are("down", lobby_tests::LIMIT).await;
        let down = lobby_tests::now();
        while down.elapsed() < Duration::from_secs(6) {
            holds().await;
        }
        self.nats.restart().await;
        self.me.links_are("up", lobby_tests::LIMIT).await;
    }

    /// Kills the daemon and starts it again.
    async fn restart(&mut self) {
        self.me.kill();
        self.me = self.me.start_again().await;
    }
}

/// A recipe, with the port of this server in place of the one shown.
fn recipe(file: &str, server: SocketAddr) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/dns").join(file);
    std::fs::read_to_string(path).unwrap().replace("8653", &server.port().to_string())
}
