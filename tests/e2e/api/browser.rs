//! A browser must not be a way in, and the API may be switched off.

use std::net::{SocketAddr, TcpListener};

use lobby_tests::{Lobbyd, NatsServer};
use serde_json::json;

async fn post(daemon: &Lobbyd, headers: &[(&str, &str)]) -> u16 {
    daemon.request("POST", "/v1/labels", headers, "label:1").await.status
}

#[actix_rt::test]
async fn a_page_of_another_site_can_change_nothing() {
    let daemon = Lobbyd::named("a").start().await;
    let other_port = format!("http://{}", SocketAddr::from(([127, 0, 0, 1], 1)));
    for origin in ["http://evil.example", "null", &other_port] {
        assert_eq!(post(&daemon, &[("Origin", origin)]).await, 403, "{origin}");
        assert_eq!(
            daemon.request("DELETE", "/v1/labels", &[("Origin", origin)], "x").await.status,
            403,
            "{origin}"
        );
    }
    for site in ["cross-site", "same-site"] {
        assert_eq!(post(&daemon, &[("Sec-Fetch-Site", site)]).await, 403, "{site}");
    }
    assert_eq!(daemon.own_labels().await, json!([]));
}

#[actix_rt::test]
async fn the_token_does_not_let_a_page_of_another_site_in() {
    let daemon = Lobbyd::named("a").set("TOKEN", "s3cret").start().await;
    let token = ("Authorization", "Token s3cret");
    assert_eq!(post(&daemon, &[token, ("Origin", "http://evil.example")]).await, 403);
    assert_eq!(post(&daemon, &[token]).await, 200);
}

#[actix_rt::test]
async fn a_page_of_the_same_origin_may_change_labels() {
    let daemon = Lobbyd::named("a").start().await;
    let origin = format!("http://{}", daemon.address());
    assert_eq!(post(&daemon, &[("Origin", &origin)]).await, 200);
    assert_eq!(post(&daemon, &[("Sec-Fetch-Site", "same-origin"), ("Origin", &origin)]).await, 200);
}

#[actix_rt::test]
async fn reading_is_not_a_change() {
    let daemon = Lobbyd::named("a").start().await;
    let headers = [("Origin", "http://evil.example"), ("Sec-Fetch-Site", "cross-site")];
    let answer = daemon.request("GET", "/v1/discovery", &headers, "").await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        None,
        "a page of another site must not read it"
    );
}

#[actix_rt::test]
async fn without_token_only_addresses_and_own_names_are_served() {
    let daemon = Lobbyd::named("node-a").start().await;
    let port = daemon.address().port();
    for host in ["127.0.0.1", "localhost", "LocalHost", "[::1]", "10.1.2.3", "node-a"] {
        for host in [host.to_owned(), format!("{host}:{port}")] {
            assert_eq!(
                daemon.request("GET", "/v1/discovery", &[("Host", &host)], "").await.status,
                200,
                "{host}"
            );
        }
    }
    for host in
        ["evil.example", "evil.example:1313", "localhost.evil.example", "127.0.0.1.evil.example"]
    {
        let answer = daemon.request("GET", "/v1/discovery", &[("Host", host)], "").await;
        assert_eq!(answer.status, 403, "{host}");
        assert_eq!(post(&daemon, &[("Host", host)]).await, 403, "{host}");
    }
}

#[actix_rt::test]
async fn with_the_token_any_host_name_will_do() {
    let daemon = Lobbyd::named("a").set("TOKEN", "s3cret").start().await;
    let headers = [("Host", "lobby.example"), ("Authorization", "Token s3cret")];
    assert_eq!(daemon.request("GET", "/v1/discovery", &headers, "").await.status, 200);
}

#[actix_rt::test]
async fn without_api_nobody_listens_and_the_host_still_takes_part() {
    let nats = NatsServer::start().await;
    let reserved = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = reserved.local_addr().unwrap();
    let other = Lobbyd::named("other").nats(&nats).start().await;
    // The port is taken: a daemon that bound it would fail.
    let silent =
        Lobbyd::named("silent").set("DISABLE_API", "true").set("PORT", address.port().to_string());
    let silent = silent.nats(&nats).spawn();
    other.knows(json!({"other": [], "silent": []})).await;
    assert!(silent.is_running());
    assert!(silent.logs_with("listening").is_empty(), "{:?}", silent.logs());
}
