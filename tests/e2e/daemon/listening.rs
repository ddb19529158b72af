//! Where the API listens.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use lobby_tests::{HostNames, LIMIT, Lobbyd, Signal, SilentResolver, free_port, http};
use serde_json::json;

/// As in the tests of the end: nothing that waits for a resolver ends within this.
const AT_ONCE: Duration = Duration::from_secs(3);

async fn answers(address: &str, port: u16) -> bool {
    let address: SocketAddr = format!("{address}:{port}").parse().unwrap();
    http::exchange(address, b"GET /healthz HTTP/1.0\r\n\r\n").await.is_ok()
}

#[actix_rt::test]
async fn it_listens_where_it_is_told() {
    let daemon = Lobbyd::named("a").set("HOST", "::1").start().await;
    assert!(daemon.address().is_ipv6());
    assert_eq!(daemon.lobby().await, json!({"a": []}));
    let daemon = Lobbyd::named("a").set("HOST", "localhost").start().await;
    assert!(daemon.address().ip().is_loopback());
    assert_eq!(daemon.lobby().await, json!({"a": []}));
}

#[actix_rt::test]
async fn a_name_with_several_addresses_means_all_of_them() {
    let names = HostNames::none();
    // The last one, of a net for documentation, is not of this machine.
    names.add_addresses("api.example", &["127.0.0.1", "127.0.0.2", "192.0.2.1"]);
    let daemon =
        Lobbyd::named("a").set("HOST", "api.example").launched_by(names.launcher()).start().await;
    let port = daemon.address().port();
    assert!(answers("127.0.0.1", port).await && answers("127.0.0.2", port).await);
}

#[actix_rt::test]
async fn a_port_in_use_on_one_address_of_a_name_is_an_error() {
    let names = HostNames::none();
    names.add_addresses("api.example", &["127.0.0.1", "127.0.0.2"]);
    for taken in ["127.0.0.1", "127.0.0.2"] {
        let taken = TcpListener::bind((taken, free_port())).unwrap();
        let address = taken.local_addr().unwrap();
        let daemon =
            Lobbyd::named("a").set("HOST", "api.example").set("PORT", address.port().to_string());
        let daemon = daemon.launched_by(names.launcher()).spawn();
        assert_eq!(daemon.wait(LIMIT).await.status.code(), Some(1));
        let line = daemon.logged("in use").await;
        assert!(line.contains(&address.to_string()) && line.contains("HOST api.example"), "{line}");
    }
}

#[actix_rt::test]
async fn all_ipv4_or_all_ipv6_addresses_means_both() {
    for host in ["0.0.0.0", "::"] {
        let daemon = Lobbyd::named("a").set("HOST", host).start().await;
        let port = daemon.address().port();
        assert!(answers("127.0.0.1", port).await && answers("[::1]", port).await, "{host}");
    }
}

#[actix_rt::test]
async fn sigterm_ends_it_at_once_while_a_resolver_is_silent() {
    let named = || Lobbyd::named("a");
    for (setting, daemon) in [
        ("HOST", named().set("HOST", "api.example")),
        ("NATS_URL", named().nats_at("nats://broker.example")),
        ("REDIS_HOST", named().redis_at(6379).set("REDIS_HOST", "broker.example")),
    ] {
        let resolver = SilentResolver::new();
        let daemon = daemon.launched_by(resolver.launcher()).spawn();
        resolver.is_asked(daemon.id()).await;
        daemon.signal(Signal::TERM);
        let exit = daemon.wait(AT_ONCE).await;
        assert!(exit.status.success(), "{setting}: {exit:?}");
    }
}
