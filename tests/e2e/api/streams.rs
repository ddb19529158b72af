//! Clients that wait for something: how many there may be, and what ends their waiting.

use lobby_tests::{LIMIT, Lobbyd, ensure, eventually, http};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Duration, timeout};

const WAITING: &[u8] = b"GET /v1/prometheus/node HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A daemon that answers nobody who wants to know every host, with a place for one who waits.
async fn daemon_with_one_place() -> Lobbyd {
    Lobbyd::named("a").without_keep_alive().set("MAX_STREAMS", "1").start().await
}

/// Waits until so many clients read events or wait.
pub(super) async fn places_taken(daemon: &Lobbyd, count: usize) {
    eventually(LIMIT, async || {
        let streams = daemon.get_json("/v1/status").await["streams"].clone();
        ensure(streams == count, streams)
    })
    .await;
}

/// Sends a request that takes the only place and waits, and returns its connection.
async fn wait(daemon: &Lobbyd) -> TcpStream {
    places_taken(daemon, 0).await;
    let mut stream = http::connect(daemon.address()).await;
    stream.write_all(WAITING).await.unwrap();
    places_taken(daemon, 1).await;
    let mut answer = [0; 1024];
    let answered = timeout(Duration::from_millis(200), stream.read(&mut answer)).await;
    assert!(answered.is_err(), "{}", String::from_utf8_lossy(&answer));
    stream
}

#[actix_rt::test]
async fn a_client_that_goes_gives_its_place_to_the_next() {
    let daemon = daemon_with_one_place().await;
    let first = wait(&daemon).await;
    let full = daemon.get("/v1/prometheus/node").await;
    assert_eq!((full.status, full.header("retry-after")), (503, Some("5")), "{}", full.text());
    assert!(full.text().starts_with("1 clients read events or wait already"), "{}", full.text());
    assert_eq!(daemon.get("/v1/discoveries").await.status, 200);
    drop(first);
    wait(&daemon).await;
}

#[actix_rt::test]
async fn regular_expressions_of_those_who_stay_are_bounded() {
    let daemon = Lobbyd::named("a").start().await;
    let path = |number| {
        let term = |key| format!("k{key}%3D~%27{number}{key}%27");
        let terms: Vec<_> = (0..8).map(term).collect();
        format!("/v1/events?selector={}", terms.join(","))
    };
    let mut feeds = Vec::new();
    for number in 0..16 {
        feeds.push(daemon.feed(&path(number), &[]).await);
    }
    feeds.push(daemon.feed(&path(3), &[]).await);
    let one_more = daemon.get(&path(99)).await;
    assert_eq!((one_more.status, one_more.header("retry-after")), (503, Some("5")));
    assert!(one_more.text().contains("hold 128 regular expressions"), "{}", one_more.text());
    daemon.feed("/v1/events?selector=service", &[]).await;
    feeds.truncate(15);
    eventually(LIMIT, async || {
        let (status, _stream) = http::begin(daemon.address(), "GET", &path(99), &[]).await;
        ensure(status == 200, status)
    })
    .await;
}

#[actix_rt::test]
async fn a_client_that_only_ends_its_sending_is_answered() {
    let daemon = daemon_with_one_place().await;
    let mut stream = http::connect(daemon.address()).await;
    let post = "POST /v1/labels HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\na:1";
    stream.write_all(post.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let answer = String::from_utf8(http::rest(&mut stream).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("OK"), "{answer}");
}
