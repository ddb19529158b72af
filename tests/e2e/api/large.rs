//! Lists of large fleets, which are written while they are sent.

use std::io::Read;
use std::time::Duration;

use flate2::read::GzDecoder;
use lobby_tests::eventually::now;
use lobby_tests::{Answer, LIMIT, Lobbyd, NatsServer, RawPeer, ensure, eventually, http};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const HOSTS: usize = 4000;

/// A daemon that knows so many hosts that their list has 4 MB.
async fn daemon_of_a_large_fleet(nats: &NatsServer) -> Lobbyd {
    daemon_of_hosts_with(nats, 1).await
}

/// A daemon that knows many hosts with this number of long labels, of which each takes 4 MB in a
/// list of all.
async fn daemon_of_hosts_with(nats: &NatsServer, long_labels: usize) -> Lobbyd {
    let wire = RawPeer::nats(nats).await;
    let daemon = Lobbyd::named("me").set("TTL", "7200").nats(nats).start().await;
    wire.hears(1, "me", "hi").await;
    for number in 0..HOSTS {
        let fillers = (0..long_labels)
            .map(|place| format!("filler:{place}{}", noise(number * long_labels + place)));
        let labels: Vec<_> = fillers.chain([format!("number:{number}")]).collect();
        let labels: Vec<_> = labels.iter().map(String::as_str).collect();
        wire.say_hi(&format!("host-{number:04}"), &labels).await;
    }
    eventually(LIMIT * 3, async || {
        let status = daemon.get("/v1/status").await;
        let records = if status.status == 200 {
            status.json()["records"].clone()
        } else {
            status.text().into()
        };
        ensure(records == HOSTS + 1, records)
    })
    .await;
    daemon
}

/// A text of 900 letters that can hardly be packed, another one for each number.
fn noise(number: usize) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut state = number as u64;
    let letter = |_| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(LETTERS[usize::try_from(state >> 58).unwrap()])
    };
    (0..900).map(letter).collect()
}

fn unpacked(answer: &Answer) -> Value {
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    GzDecoder::new(answer.body.as_slice()).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A list without the times, which go on.
fn timeless(mut list: Value) -> Value {
    for host in list.as_array_mut().expect("a list") {
        host.as_object_mut().unwrap().remove("last_check").expect("a time");
    }
    list
}

#[actix_rt::test]
async fn a_large_list_has_the_same_hosts_in_every_form() {
    let nats = NatsServer::start().await;
    let daemon = daemon_of_a_large_fleet(&nats).await;
    let plain = daemon.get("/v1/discoveries").await;
    assert_eq!(plain.header("content-length"), Some(plain.body.len().to_string().as_str()));
    assert!(plain.body.len() > 3 << 20, "{} bytes", plain.body.len());
    let head = daemon.request("HEAD", "/v1/discoveries", &[], "").await;
    assert_eq!(
        (head.header("content-length"), head.body.len()),
        (plain.header("content-length"), 0)
    );
    let list = timeless(plain.json());
    let names: Vec<_> =
        list.as_array().unwrap().iter().map(|host| host["hostname"].as_str().unwrap()).collect();
    assert_eq!((names.len(), names.is_sorted(), names[17]), (HOSTS + 1, true, "host-0017"));
    let packed = daemon.request("GET", "/v1/discoveries", &[("Accept-Encoding", "gzip")], "").await;
    assert_eq!(
        (packed.header("content-length"), packed.body.len() > 2 << 20),
        (None, true),
        "too long to be kept"
    );
    assert_eq!(timeless(unpacked(&packed)), list);
    assert_eq!(timeless(daemon.get_json("/v1/discoveries?pretty").await), list);
    let filtered = timeless(daemon.get_json("/v1/discoveries?prefixes=filler:,number:").await);
    assert_eq!(filtered.as_array().unwrap()[..], list.as_array().unwrap()[..HOSTS]);
}

/// Asks for something without reading more of the answer than its beginning.
async fn begin(daemon: &Lobbyd, path: &str, headers: &str) -> TcpStream {
    let mut reader = http::connect(daemon.address()).await;
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
    reader.write_all(request.as_bytes()).await.unwrap();
    // The first bytes are there, so the answer is on its way.
    reader.read_exact(&mut [0; 15]).await.unwrap();
    reader
}

#[actix_rt::test]
async fn readers_that_pause_cost_little_and_get_the_whole_list_later() {
    const READERS: usize = 40;
    let nats = NatsServer::start().await;
    let daemon = daemon_of_a_large_fleet(&nats).await;
    let whole = daemon.get("/").await.body.len();
    let before = daemon.peak_memory();
    let mut readers = Vec::new();
    for _ in 0..READERS {
        readers.push(begin(&daemon, "/", "").await);
    }
    let cost = daemon.peak_memory() - before;
    assert!(
        cost < READERS * (whole >> 20) / 4,
        "{cost} MB more for {READERS} readers of {whole} bytes"
    );
    for mut reader in readers {
        assert!(http::rest(&mut reader).await.len() > whole);
    }
}

#[actix_rt::test]
async fn readers_that_pause_cost_little_in_every_form() {
    const READERS: usize = 40;
    let nats = NatsServer::start().await;
    let daemon = daemon_of_hosts_with(&nats, 3).await;
    let before = daemon.peak_memory();
    let mut readers = Vec::new();
    for number in 0..READERS / 4 {
        let filter = format!("/v1/discoveries?prefixes=filler:,none:{number}");
        for (path, headers) in [
            ("/?pretty", ""),
            (&format!("{filter}&pretty"), ""),
            (&filter, ""),
            (&filter, "Accept-Encoding: gzip\r\n"),
        ] {
            readers.push(begin(&daemon, path, headers).await);
        }
    }
    let cost = daemon.peak_memory() - before;
    assert!(cost < 40, "{cost} MB more for {READERS} readers of 12 MB");
}

#[actix_rt::test]
async fn readers_of_events_that_pause_hold_a_piece_each() {
    const READERS: usize = 40;
    let nats = NatsServer::start().await;
    let daemon = daemon_of_hosts_with(&nats, 3).await;
    let before = daemon.peak_memory();
    let mut readers = Vec::new();
    for number in 0..READERS {
        // Each of them asks for a list that nobody else is sent, and reads its beginning.
        let path = format!("/v1/events?selector=not%20none{number}");
        let mut reader = begin(&daemon, &path, "").await;
        reader.read_exact(&mut [0; 2_000]).await.unwrap();
        readers.push(reader);
    }
    let cost = daemon.peak_memory() - before;
    assert!(cost < 60, "{cost} MB more for {READERS} readers of 12 MB");
    // One that does read gets all of it, in pieces as they do.
    let event = daemon.feed("/v1/events?selector=not%20nobody", &[]).await.next_change().await;
    let hosts = event.data["hosts"].as_array().map(Vec::len);
    assert_eq!((event.name.as_str(), hosts), ("snapshot", Some(HOSTS + 1)));
    drop(readers);
}

#[actix_rt::test]
async fn every_form_of_a_large_list_lets_other_requests_pass() {
    let nats = NatsServer::start().await;
    let daemon = daemon_of_a_large_fleet(&nats).await;
    let forms =
        ["/?pretty", "/v1/discoveries?prefixes=filler:", "/v1/discoveries?prefixes=filler:&pretty"];
    let (address, begin) = (daemon.address(), now());
    let lists = std::thread::spawn(move || {
        let lists =
            (0..16).map(|number| http::send(address, "GET", forms[number % forms.len()], &[], ""));
        let answers = actix_rt::System::new().block_on(futures_util::future::join_all(lists));
        assert!(answers.iter().all(|answer| answer.status == 200 && answer.body.len() > 3 << 20));
    });
    let mut slowest = Duration::ZERO;
    while !lists.is_finished() {
        let asked = now();
        assert_eq!(daemon.get("/healthz").await.status, 200);
        slowest = slowest.max(asked.elapsed());
    }
    lists.join().unwrap();
    // On a machine with other work all of it takes long.
    let limit = Duration::from_secs(1).max(begin.elapsed() / 2);
    assert!(slowest < limit, "/healthz took {slowest:?} of {:?}", begin.elapsed());
}

#[actix_rt::test]
async fn a_client_that_takes_nothing_for_half_a_minute_is_cut() {
    let nats = NatsServer::start().await;
    let daemon = daemon_of_hosts_with(&nats, 3).await;
    let mut readers = Vec::new();
    for path in ["/", "/?pretty", "/v1/discoveries?prefixes=filler:"] {
        readers.push(begin(&daemon, path, "").await);
    }
    let (asked, open) = (now(), daemon.open_files());
    eventually(Duration::from_secs(60), async || {
        let files = daemon.open_files();
        ensure(files + readers.len() <= open, files)
    })
    .await;
    assert!(asked.elapsed() > Duration::from_secs(25), "cut after {:?}", asked.elapsed());
}
