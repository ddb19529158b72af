//! What a reader of the feed is told.

use lobby_tests::{Feed, FeedEvent, Lobbyd};
use serde_json::{Value, json};

use super::Fixture;

fn names(event: &FeedEvent) -> Vec<&str> {
    let hosts = event.data["hosts"].as_array().unwrap();
    hosts.iter().map(|host| host["hostname"].as_str().unwrap()).collect()
}

/// The name of an event and its data without the times.
fn told(event: &FeedEvent) -> (String, Value) {
    let mut data = event.data.clone();
    if let Some(host) = data.get_mut("host").and_then(Value::as_object_mut) {
        assert!(host.remove("last_check").is_some_and(|time| time.as_i64() > Some(0)), "{event:?}");
    }
    (event.name.clone(), data)
}

fn is(name: &str, data: Value) -> (String, Value) {
    (name.to_owned(), data)
}

/// The revision that an event's id names.
fn revision(event: &FeedEvent) -> u64 {
    event.id.as_deref().unwrap().rsplit_once('-').unwrap().1.parse().unwrap()
}

#[actix_rt::test]
async fn the_feed_tells_who_is_there_and_then_each_change() {
    let Fixture { daemon, peer, nats: _nats } = Fixture::new().await;
    let mut feed = daemon.feed("/v1/events", &[]).await;
    let head = feed.head().to_lowercase();
    for header in
        ["content-type: text/event-stream", "cache-control: no-cache", "x-accel-buffering: no"]
    {
        assert!(head.contains(&format!("\r\n{header}\r\n")), "{head}");
    }
    let snapshot = feed.next().await.unwrap();
    assert_eq!((snapshot.name.as_str(), names(&snapshot)), ("snapshot", vec!["me"]));
    let status = feed.next().await.unwrap();
    assert_eq!((status.name.as_str(), &status.id), ("status", &None));
    assert_eq!(status.data["drivers"], json!([{"name": "NATS", "state": "up"}]));

    peer.say_hi("b", &["x:1", "y"]).await;
    let join = feed.next_change().await;
    let host = json!({"hostname": "b", "labels": ["x:1", "y"]});
    assert_eq!(told(&join), is("join", json!({ "host": host })));
    peer.say_hi("b", &["x:2", "y"]).await;
    let update = feed.next_change().await;
    let host = json!({"hostname": "b", "labels": ["x:2", "y"]});
    let data = json!({"host": host, "added": ["x:2"], "removed": ["x:1"]});
    assert_eq!(told(&update), is("update", data));
    peer.say_goodbye("b").await;
    let leave = feed.next_change().await;
    let data = json!({"hostname": "b", "labels": ["x:2", "y"], "reason": "goodbye"});
    assert_eq!(told(&leave), is("leave", data));
    let revisions = [&snapshot, &join, &update, &leave].map(revision);
    assert_eq!(revisions.map(|revision| revision - revisions[0]), [0, 1, 2, 3]);
}

#[actix_rt::test]
async fn a_reader_is_told_that_the_daemon_is_warm_now() {
    let Fixture { daemon, nats: _nats, .. } = Fixture::with(&[("KEEP_ALIVE", "5")]).await;
    let mut feed = daemon.feed("/v1/events", &[]).await;
    assert_eq!(feed.next().await.unwrap().name, "snapshot");
    for warm in [false, true] {
        let status = feed.next().await.unwrap();
        let data = json!({"warm": warm, "drivers": [{"name": "NATS", "state": "up"}]});
        assert_eq!(told(&status), is("status", data));
        assert_eq!(status.id, None);
    }
}

#[actix_rt::test]
async fn a_reader_with_a_selector_is_told_of_its_hosts_alone() {
    let Fixture { daemon, peer, nats: _nats } = Fixture::new().await;
    peer.say_hi("c", &["x:2"]).await;
    daemon.meets("c").await;
    let mut feed = daemon.feed("/v1/events?selector=x=1", &[]).await;
    assert_eq!(names(&feed.next_change().await), Vec::<&str>::new());
    peer.say_hi("b", &["x:1"]).await;
    peer.say_hi("c", &["x:1"]).await;
    peer.say_hi("c", &["x:3"]).await;
    peer.say_goodbye("c").await;
    peer.say_goodbye("b").await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        let (name, data) = told(&feed.next_change().await);
        let host = if data["host"].is_null() { &data } else { &data["host"] };
        seen.push(format!("{name} {} {}", host["hostname"], data["reason"]));
    }
    let expected = [
        "join \"b\" null",
        "join \"c\" null",
        "leave \"c\" \"unmatched\"",
        "leave \"b\" \"goodbye\"",
    ];
    assert_eq!(seen, expected);
}

#[actix_rt::test]
async fn events_come_as_lines_of_json_to_those_who_prefer_them() {
    let Fixture { daemon, peer, nats: _nats } = Fixture::new().await;
    let accept = [("Accept", "application/x-ndjson")];
    for (path, headers) in [("/v1/events", &accept[..]), ("/v1/events?format=jsonl", &[])] {
        let mut feed = daemon.feed(path, headers).await;
        assert!(feed.head().contains("application/x-ndjson"), "{}", feed.head());
        assert_eq!(feed.next().await.unwrap().name, "snapshot");
        assert_eq!(feed.next().await.unwrap().name, "status");
        peer.say_hi("b", &["x:1"]).await;
        let join = feed.next_change().await;
        assert_eq!((join.name.as_str(), &join.data["host"]["labels"]), ("join", &json!(["x:1"])));
        assert!(join.id.is_some());
        peer.say_goodbye("b").await;
        assert_eq!(feed.next_change().await.data["reason"], "goodbye");
    }
}

#[actix_rt::test]
async fn a_host_that_falls_silent_leaves_as_expired() {
    let Fixture { daemon, peer, nats: _nats } = Fixture::with(&[("TTL", "2")]).await;
    let mut feed = daemon.feed("/v1/events", &[]).await;
    assert_eq!(feed.next_change().await.name, "snapshot");
    peer.say_hi("b", &[]).await;
    assert_eq!(feed.next_change().await.name, "join");
    let leave = feed.next_change().await;
    let data = json!({"hostname": "b", "labels": [], "reason": "expired"});
    assert_eq!(told(&leave), is("leave", data));
}

async fn resumed(daemon: &Lobbyd, id: &str) -> Feed {
    daemon.feed("/v1/events", &[("Last-Event-ID", id)]).await
}

#[actix_rt::test]
async fn a_reader_that_comes_back_hears_everything_once() {
    let Fixture { daemon, peer, nats: _nats } = Fixture::new().await;
    let mut feed = daemon.feed("/v1/events", &[]).await;
    let snapshot = feed.next_change().await;
    drop(feed);
    for host in ["b", "c", "d"] {
        peer.say_hi(host, &["x:1"]).await;
    }
    daemon.meets("d").await;
    // Cut in the middle of what came at once.
    let mut feed = resumed(&daemon, snapshot.id.as_deref().unwrap()).await;
    let first = feed.next_change().await;
    assert_eq!((first.name.as_str(), &first.data["host"]["hostname"]), ("join", &json!("b")));
    let id = feed.last_id().unwrap().to_owned();
    let mut feed = daemon.feed(&format!("/v1/events?since={id}"), &[]).await;
    for host in ["c", "d"] {
        let join = feed.next_change().await;
        assert_eq!((join.name.as_str(), &join.data["host"]["hostname"]), ("join", &json!(host)));
    }
    peer.say_goodbye("b").await;
    assert_eq!(feed.next_change().await.name, "leave");
}

#[actix_rt::test]
async fn an_unknown_place_is_answered_with_a_snapshot() {
    let Fixture { daemon, peer: _peer, nats: _nats } = Fixture::new().await;
    let mut feed = daemon.feed("/v1/events", &[]).await;
    let id = feed.next_change().await.id.unwrap();
    let instance = id.rsplit_once('-').unwrap().0;
    for unknown in ["0000000000000000-1", &format!("{instance}-100000"), "what?"] {
        let mut feed = resumed(&daemon, unknown).await;
        assert_eq!(feed.next().await.unwrap().name, "snapshot", "{unknown}");
        assert_eq!(feed.next().await.unwrap().name, "status", "{unknown}");
    }
    let mut feed = resumed(&daemon, &id).await;
    assert_eq!(feed.next().await.unwrap().name, "status", "it knows all that there is");
}

#[actix_rt::test]
async fn what_cannot_be_meant_is_refused() {
    let daemon = Lobbyd::named("a").start().await;
    for (query, told) in [
        ("since=5", "since: \"5\" is not a valid event id"),
        ("selector=", ""),
        ("selector=a%3D", ""),
        ("format=xml", "\"xml\" is not a valid form of events"),
        ("since=%zz", "bad escape"),
        ("labels=service:web", "labels does not choose the servers of events: use selector"),
        ("prefixes=service:", "prefixes does not choose the servers of events: use selector"),
    ] {
        let answer = daemon.get(&format!("/v1/events?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.text().contains(told), "{query}: {}", answer.text());
    }
    let head = daemon.request("HEAD", "/v1/events", &[], "").await;
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    assert_eq!(daemon.request("POST", "/v1/events", &[], "").await.status, 405);
}
