//! What a reader is told when something is lost: the broker, the daemon, its own connection.

use std::time::Duration;

use lobby_tests::{LIMIT, Lobbyd, Signal, ensure, eventually, http, now};
use serde_json::json;

use super::Fixture;

#[actix_rt::test]
async fn nobody_leaves_while_the_broker_is_away_and_status_says_it() {
    let Fixture { daemon, peer, mut nats } = Fixture::with(&[("TTL", "2")]).await;
    let mut feed = daemon.feed("/v1/events", &[]).await;
    assert_eq!(feed.next_change().await.name, "snapshot");
    peer.say_hi("b", &[]).await;
    assert_eq!(feed.next_change().await.name, "join");
    nats.kill();
    let down = json!([{"name": "NATS", "state": "down"}]);
    let mut outage = Vec::new();
    while outage.last() != Some(&down) {
        let event = feed.next().await.unwrap();
        assert_eq!(event.name, "status", "{event:?}");
        outage.push(event.data["drivers"].clone());
    }
    daemon.is_cut_off_for(Duration::from_secs(4)).await;
    nats.restart().await;
    // One TTL after the broker is back who is silent has gone, and not before.
    loop {
        let event = feed.next().await.unwrap();
        if event.name == "leave" {
            assert_eq!(event.data["hostname"], "b");
            break;
        }
        assert_eq!(event.name, "status", "{event:?}");
        outage.push(event.data["drivers"].clone());
    }
    assert_eq!(outage.last(), Some(&json!([{"name": "NATS", "state": "up"}])));
}

#[actix_rt::test]
async fn a_daemon_that_stops_says_bye_and_its_next_run_starts_over() {
    let daemon = Lobbyd::named("a").start().await;
    let mut feeds = Vec::new();
    for _ in 0..50 {
        let mut feed = daemon.feed("/v1/events", &[]).await;
        assert_eq!(feed.next_change().await.name, "snapshot");
        feeds.push(feed);
    }
    daemon.signal(Signal::TERM);
    let exit = daemon.wait(LIMIT).await;
    assert!(exit.status.success() && exit.after < Duration::from_secs(1), "{exit:?}");
    for feed in &mut feeds {
        assert_eq!(feed.next_change().await.name, "bye");
        assert_eq!(feed.next().await, None);
    }
    let id = feeds[0].last_id().unwrap();
    let daemon = daemon.start_again().await;
    let mut feed = daemon.feed("/v1/events", &[("Last-Event-ID", id)]).await;
    assert_eq!(feed.next_change().await.name, "snapshot");
}

#[actix_rt::test]
async fn a_reader_that_goes_gives_its_place_back_at_once() {
    let daemon = Lobbyd::named("a").set("MAX_STREAMS", "1").start().await;
    let first = daemon.feed("/v1/events", &[]).await;
    let full = daemon.get("/v1/events").await;
    assert_eq!((full.status, full.header("retry-after")), (503, Some("5")), "{}", full.text());
    let asked = now();
    drop(first);
    eventually(LIMIT, async || {
        let (status, _stream) = http::begin(daemon.address(), "GET", "/v1/events", &[]).await;
        ensure(status == 200, status)
    })
    .await;
    assert!(asked.elapsed() < Duration::from_secs(10), "not only when it is written to");
}

#[actix_rt::test]
async fn a_reader_that_takes_nothing_is_cut_and_costs_nothing() {
    let settings = [("MAX_STREAMS", "1"), ("TTL", "300")];
    let Fixture { daemon, peer, nats: _nats } = Fixture::with(&settings).await;
    let (_, _stream) = http::begin(daemon.address(), "GET", "/v1/events", &[]).await;
    let before = daemon.peak_memory();
    let begun = now();
    let mut round = 0;
    // Until it is cut it is written to, more than all buffers on the way hold.
    let place = eventually(Duration::from_secs(90), async || {
        round += 1;
        let labels: Vec<_> = (0..100).map(|n| format!("{round}:{n:0900}")).collect();
        let labels: Vec<_> = labels.iter().map(String::as_str).collect();
        if round < 300 {
            peer.say_hi("b", &labels).await;
        }
        let answer = daemon.request("HEAD", "/v1/events", &[], "").await;
        assert_eq!(answer.status, 200);
        let (status, _other) = http::begin(daemon.address(), "GET", "/v1/events", &[]).await;
        ensure(status == 200, status)
    });
    place.await;
    assert!(begun.elapsed() > Duration::from_secs(25), "cut after {:?}", begun.elapsed());
    let cost = daemon.peak_memory().saturating_sub(before);
    assert!(cost < 60, "{cost} MB more for one reader that takes nothing");
}
