//! A real browser's EventSource.

use lobby_tests::{Browser, LIMIT, Lobbyd, Proxy};
use serde_json::json;

use super::Fixture;

/// Keeps what comes, and how often the connection was opened.
const FOLLOW: &str = "
    window.seen = []; window.opened = 0;
    window.source = new EventSource('/v1/events');
    source.onopen = () => opened++;
    for (const name of ['snapshot', 'join', 'update', 'leave', 'bye'])
        source.addEventListener(name, event => seen.push([name, event.lastEventId, JSON.parse(event.data)]));
    return true";

#[actix_rt::test]
async fn a_browser_that_loses_its_connection_goes_on_where_it_was() {
    let Fixture { daemon, peer, nats: _nats } = Fixture::new().await;
    let proxy = Proxy::to(daemon.address().port()).await;
    let browser = Browser::start().await;
    browser.open(&format!("http://127.0.0.1:{}/healthz", proxy.port())).await;
    browser.run(FOLLOW).await;
    browser.becomes("seen.length === 1 && seen[0][0] === 'snapshot'").await;
    peer.say_hi("b", &["x:1"]).await;
    browser.becomes("seen.length === 2 && seen[1][2].host.hostname === 'b'").await;
    proxy.close();
    browser.becomes("source.readyState === EventSource.CONNECTING").await;
    peer.say_hi("c", &["x:1"]).await;
    peer.say_goodbye("b").await;
    daemon.knows(json!({"me": [], "c": ["x:1"]})).await;
    proxy.open();
    browser.becomes("opened === 2 && seen.length === 4").await;
    let names = browser.run("return seen.map(event => event[0])").await;
    assert_eq!(names, json!(["snapshot", "join", "join", "leave"]));
    let revisions = browser.run("return seen.map(event => Number(event[1].split('-')[1]))").await;
    let first = revisions[0].as_u64().unwrap();
    assert_eq!(revisions, json!([first, first + 1, first + 2, first + 3]));
}

#[actix_rt::test]
async fn a_browser_starts_over_with_the_next_run_of_the_daemon() {
    let daemon = Lobbyd::named("a").labels("run:1").start().await;
    let port = daemon.address().port().to_string();
    let browser = Browser::start().await;
    browser.open(&format!("http://127.0.0.1:{port}/healthz")).await;
    browser.run(FOLLOW).await;
    browser.becomes("seen.length === 1").await;
    daemon.signal(lobby_tests::Signal::TERM);
    daemon.wait(LIMIT).await;
    let _again = Lobbyd::named("a").labels("run:2").set("PORT", &port).start().await;
    browser.becomes("opened === 2 && seen.length >= 3").await;
    let names = browser.run("return seen.slice(0, 3).map(event => event[0])").await;
    assert_eq!(names, json!(["snapshot", "bye", "snapshot"]));
    let labels = browser.run("return seen[2][2].hosts[0].labels").await;
    assert_eq!(labels, json!(["run:2"]));
}
