//! Lists of large fleets, which are written while they are sent.

use std::io::Read;

use flate2::read::GzDecoder;
use lobby_tests::{Answer, LIMIT, Lobbyd, NatsServer, RawPeer, ensure, eventually, http};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const HOSTS: usize = 4000;

/// A daemon that knows so many hosts that their list has 4 MB.
async fn daemon_of_a_large_fleet(nats: &NatsServer) -> Lobbyd {
    let wire = RawPeer::nats(nats).await;
    let daemon = Lobbyd::named("me").nats(nats).start().await;
    wire.hears(1, "me", "hi").await;
    let filler = format!("filler:{}", "x".repeat(900));
    for number in 0..HOSTS {
        wire.say_hi(&format!("host-{number:04}"), &[&filler, &format!("number:{number}")]).await;
    }
    eventually(LIMIT, async || {
        let records = daemon.get_json("/v1/status").await["records"].clone();
        ensure(records == HOSTS + 1, records)
    })
    .await;
    daemon
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
    let list = timeless(plain.json());
    let names: Vec<_> = list.as_array().unwrap().iter().map(|host| host["hostname"].as_str().unwrap()).collect();
    assert_eq!((names.len(), names.is_sorted(), names[17]), (HOSTS + 1, true, "host-0017"));
    let packed = daemon.request("GET", "/v1/discoveries", &[("Accept-Encoding", "gzip")], "").await;
    assert_eq!(timeless(unpacked(&packed)), list);
    assert_eq!(timeless(daemon.get_json("/v1/discoveries?pretty").await), list);
    let filtered = timeless(daemon.get_json("/v1/discoveries?prefixes=filler:,number:").await);
    assert_eq!(filtered.as_array().unwrap()[..], list.as_array().unwrap()[..HOSTS]);
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
        let mut reader = http::connect(daemon.address()).await;
        reader.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
        // The first bytes are there, so the answer is on its way.
        reader.read_exact(&mut [0; 15]).await.unwrap();
        readers.push(reader);
    }
    let cost = daemon.peak_memory() - before;
    assert!(cost < READERS * (whole >> 20) / 4, "{cost} MB more for {READERS} readers of {whole} bytes");
    for mut reader in readers {
        assert!(http::rest(&mut reader).await.len() > whole);
    }
}
