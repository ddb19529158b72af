//! Clients that break the rules of HTTP, or are slow: each is refused with a 4xx, and no other
//! client notices.

use std::time::Duration;

use lobby_tests::{LIMIT, Lobbyd, LobbydBuilder, NatsServer, RawPeer, Signal, http};
use lobbyd::raise_open_files;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const HEAD: &str = "Host: localhost\r\nConnection: close\r\n";

fn get(path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\n{HEAD}{headers}\r\n").into()
}

fn post(headers: &str, body: &str) -> Vec<u8> {
    format!("POST /v1/labels HTTP/1.1\r\n{HEAD}{headers}\r\n{body}").into()
}

/// The status of each answer on a connection, in order.
async fn statuses(daemon: &Lobbyd, bytes: &[u8]) -> Vec<u16> {
    let reply = http::exchange(daemon.address(), bytes).await.unwrap();
    let text = String::from_utf8_lossy(&reply);
    text.split("HTTP/1.1 ").skip(1).map(|answer| answer[..3].parse().unwrap()).collect()
}

/// What no parser takes, by what is wrong with it.
fn malformed() -> Vec<(&'static str, Vec<u8>)> {
    let chunked = "Transfer-Encoding: chunked\r\n";
    vec![
        ("garbage", b"GARBAGE\r\n\r\n".to_vec()),
        ("binary", b"\0\x01\x02\xff\r\n\r\n".to_vec()),
        ("TLS", [b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".as_slice(), &[7; 200]].concat()),
        ("no version", b"GET /\r\n\r\n".to_vec()),
        ("version of the future", format!("GET / HTTP/9.9\r\n{HEAD}\r\n").into()),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("space in the path", get("/a b", "")),
        ("path of 70 kB", get(&format!("/{}", "x".repeat(70_000)), "")),
        ("query of 100 kB", get(&format!("/?labels={}", "x".repeat(100_000)), "")),
        ("path without end", format!("GET /{}", "x".repeat(2_000_000)).into()),
        ("header of 200 kB", get("/", &format!("X: {}\r\n", "y".repeat(200_000)))),
        ("headers without end", get("/", &"X: y\r\n".repeat(100_000))),
        ("200 headers", get("/", &"X: y\r\n".repeat(200))),
        ("NUL in a header", get("/", "X: a\0b\r\n")),
        ("header without name", get("/", ": a\r\n")),
        ("header with space in its name", get("/", "X : a\r\n")),
        ("folded header", get("/", "X: a\r\n b\r\n")),
        ("no Host", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("two Hosts", get("/", "Host: localhost\r\n")),
        ("two Content-Lengths", post("Content-Length: 3\r\nContent-Length: 3\r\n", "a:1")),
        (
            "two different Content-Lengths",
            post("Content-Length: 3\r\nContent-Length: 4\r\n", "a:1"),
        ),
        ("Content-Length in words", post("Content-Length: three\r\n", "a:1")),
        ("Content-Length below zero", post("Content-Length: -3\r\n", "a:1")),
        ("Content-Length with a sign", post("Content-Length: +3\r\n", "a:1")),
        ("Content-Length past counting", post("Content-Length: 99999999999999999999\r\n", "a:1")),
        ("Content-Length of 2^64 - 1", post("Content-Length: 18446744073709551615\r\n", "a:1")),
        (
            "length and chunks",
            post(&format!("Content-Length: 3\r\n{chunked}"), "3\r\na:1\r\n0\r\n\r\n"),
        ),
        ("unknown encoding", post("Transfer-Encoding: gzip\r\n", "a:1")),
        ("chunk of no size", post(chunked, "zz\r\na:1\r\n0\r\n\r\n")),
        ("chunk past counting", post(chunked, "fffffffffffffffff\r\na:1\r\n0\r\n\r\n")),
        ("bad chunk behind a good one", post(chunked, "3\r\na:1\r\nzz\r\n\r\n")),
        ("chunk without its end", post(chunked, "3\r\na:1b:2\r\n0\r\n\r\n")),
    ]
}

#[actix_rt::test]
async fn a_malformed_request_gets_a_4xx_and_a_line_that_says_why() {
    let daemon = Lobbyd::named("a").start().await;
    for (wrong, bytes) in malformed() {
        let reply = http::exchange(daemon.address(), &bytes).await.unwrap();
        let reply = String::from_utf8_lossy(&reply);
        let (head, text) =
            reply.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{wrong}: {reply:?}"));
        assert!(head.starts_with("HTTP/1.1 4"), "{wrong}: {head}");
        assert!(head.to_ascii_lowercase().contains("content-type: text/plain"), "{wrong}: {head}");
        assert!(head.contains(&format!("content-length: {}\r\n", text.len())), "{wrong}: {reply}");
        assert!(text.len() > 20 && text.find('\n') == Some(text.len() - 1), "{wrong}: {text:?}");
    }
    assert_eq!(daemon.own_labels().await, json!([]));
}

#[actix_rt::test]
async fn the_line_names_what_is_wrong() {
    let daemon = Lobbyd::named("a").start().await;
    let told = async |bytes: Vec<u8>| {
        String::from_utf8(http::exchange(daemon.address(), &bytes).await.unwrap()).unwrap()
    };
    assert!(told(format!("GET / HTTP/9.9\r\n{HEAD}\r\n").into()).await.contains("version of HTTP"));
    assert!(told(get("/a b", "")).await.contains("request line"));
    assert!(
        told(post("Content-Length: three\r\n", "a:1"))
            .await
            .contains("Content-Length is not valid")
    );
    assert!(told(get("/", "X : a\r\n")).await.contains("header"));
    assert!(told(get(&format!("/{}", "x".repeat(200_000)), "")).await.contains("too long"));
}

#[actix_rt::test]
async fn garbage_behind_a_good_request_does_not_take_its_answer_away() {
    let daemon = Lobbyd::named("a").start().await;
    let good = "GET /v1/discovery HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(
        statuses(&daemon, format!("{good}{good}GARBAGE\r\n\r\n").as_bytes()).await,
        [200, 200, 400]
    );
}

#[actix_rt::test]
async fn malformed_requests_do_not_fill_the_log() {
    let daemon = Lobbyd::named("a").start().await;
    let before = daemon.logs().len();
    for _ in 0..50 {
        assert_eq!(statuses(&daemon, b"GARBAGE\r\n\r\n").await, [400]);
    }
    // Whatever was logged of them is there before the end.
    daemon.signal(Signal::TERM);
    daemon.wait(LIMIT).await;
    let logged = daemon.logs().len() - before;
    assert!(logged < 10, "{logged} lines for 50 malformed requests");
}

#[actix_rt::test]
async fn a_refusal_does_not_repeat_all_of_a_long_path() {
    let daemon = Lobbyd::named("a").start().await;
    let long = "x".repeat(50_000);
    for (path, status) in [(format!("/{long}"), 404), (format!("/?{long}=%zz"), 400)] {
        let answer = daemon.get(&path).await;
        assert_eq!(answer.status, status);
        assert!(answer.body.len() < 4096, "{} bytes", answer.body.len());
    }
}

#[actix_rt::test]
async fn a_client_that_sends_a_too_long_body_to_its_end_gets_the_413() {
    let daemon = Lobbyd::named("a").start().await;
    let answer = daemon.add_labels(&"x".repeat(20_000_000)).await;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (413, "the body is too long: at most 65536 bytes are allowed\n")
    );
    let chunks = "10000\r\n".to_owned() + &"x".repeat(65536) + "\r\n";
    assert_eq!(
        statuses(
            &daemon,
            &post("Transfer-Encoding: chunked\r\n", &(chunks.repeat(100) + "0\r\n\r\n"))
        )
        .await,
        [413]
    );
}

#[actix_rt::test]
async fn a_body_that_will_be_too_long_is_refused_before_it_is_sent() {
    let daemon = Lobbyd::named("a").start().await;
    assert_eq!(statuses(&daemon, &post("Content-Length: 65537\r\n", "")).await, [413]);
}

/// Sends this, then a piece of the rest from time to time; returns what is answered in the
/// meantime.
async fn answer_to_slow(daemon: &Lobbyd, beginning: &[u8], piece: &'static [u8]) -> String {
    answer_to_slow_on(http::connect(daemon.address()).await, beginning, piece).await
}

async fn answer_to_slow_on(
    connection: TcpStream,
    beginning: &[u8],
    piece: &'static [u8],
) -> String {
    let (mut from, mut to) = connection.into_split();
    to.write_all(beginning).await.unwrap();
    let drip = actix_rt::spawn(async move {
        while to.write_all(piece).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let mut reply = [0; 4096];
    let length = tokio::time::timeout(LIMIT, tokio::io::AsyncReadExt::read(&mut from, &mut reply))
        .await
        .unwrap()
        .unwrap();
    drip.abort();
    String::from_utf8_lossy(&reply[..length]).into_owned()
}

#[actix_rt::test]
async fn a_slow_head_behind_a_good_request_gets_408_too() {
    let daemon = Lobbyd::named("a").start().await;
    let mut connection = http::connect(daemon.address()).await;
    connection.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut first = [0; 4096];
    let read = tokio::io::AsyncReadExt::read(&mut connection, &mut first).await.unwrap();
    assert!(first[..read].starts_with(b"HTTP/1.1 200 "));
    let answer = answer_to_slow_on(connection, b"GET / HTTP/1.1\r\nX: ", b"x").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.ends_with("was not there in time\n"), "{answer}");
}

#[actix_rt::test]
async fn a_client_that_takes_too_long_over_a_request_gets_408() {
    let daemon = Lobbyd::named("a").start().await;
    let head = b"GET / HTTP/1.1\r\nX: ".to_vec();
    let body = post("Content-Length: 3000\r\n", "a:1\n");
    let chunks = post("Transfer-Encoding: chunked\r\n", "");
    let slow = [(head, b"x".as_slice()), (body, b"\n"), (chunks, b"1\r\n\n\r\n")];
    for answer in futures_util::future::join_all(
        slow.iter().map(|(start, piece)| answer_to_slow(&daemon, start, piece)),
    )
    .await
    {
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }
    assert_eq!(daemon.own_labels().await, json!([]));
}

/// A daemon started under a soft limit of open files as it is usual, or lower.
fn with_few_files(daemon: LobbydBuilder) -> LobbydBuilder {
    daemon
        .launched_by(["sh", "-c", "ulimit -S -n 512 && exec \"$@\"", "sh"].map(Into::into).to_vec())
}

async fn crowd(daemon: &Lobbyd, size: usize, bytes: &[u8]) -> Vec<TcpStream> {
    let mut crowd = vec![];
    for _ in 0..size {
        let mut stream = http::connect(daemon.address()).await;
        stream.write_all(bytes).await.unwrap();
        crowd.push(stream);
    }
    crowd
}

#[actix_rt::test]
async fn a_crowd_of_idle_and_slow_connections_delays_no_request() {
    raise_open_files();
    let daemon = with_few_files(Lobbyd::named("a")).start().await;
    let _idle = crowd(&daemon, 1000, b"").await;
    let _kept = crowd(&daemon, 500, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let _heads = crowd(&daemon, 250, b"GET / HTTP/1.1\r\nHo").await;
    let _bodies = crowd(&daemon, 250, &post("Content-Length: 10\r\n", "half")).await;
    let others = async {
        assert_eq!(daemon.add_labels("quick:1").await.status, 200);
        assert_eq!(daemon.own_labels().await, json!(["quick:1"]));
        assert_eq!(daemon.get("/healthz").await.status, 200);
    };
    // Sooner than after the 10 s in which the slow ones lose their connections.
    tokio::time::timeout(Duration::from_secs(8), others).await.unwrap();
}

/// A daemon that can never have more than 1,024 files open.
fn with_a_thousand_files(daemon: LobbydBuilder) -> LobbydBuilder {
    daemon.launched_by(["sh", "-c", "ulimit -n 1024 && exec \"$@\"", "sh"].map(Into::into).to_vec())
}

#[actix_rt::test]
async fn idle_connections_leave_files_for_the_broker_and_new_clients() {
    raise_open_files();
    let mut nats = NatsServer::start().await;
    let daemon = with_a_thousand_files(Lobbyd::named("a").nats(&nats)).start().await;
    let idle = crowd(&daemon, 1200, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    nats.restart().await;
    RawPeer::nats(&nats).await.hears(1, "a", "hi").await;
    assert!(daemon.open_files() < 1000, "{} files", daemon.open_files());
    assert_eq!(daemon.get("/healthz").await.status, 200);
    drop(idle);
}
