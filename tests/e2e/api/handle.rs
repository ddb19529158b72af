//! lobby-client's handle, which works on every runtime and without one, and its events.

use std::process::Command;
use std::thread;

use lobby_client::{
    Client, Error, Event, Filter, Handle, HostName, Label, LeaveReason, Query, Selector,
};
use lobby_tests::{LIMIT, Lobbyd, NatsServer, Process, RawPeer, free_port, program};
use tempfile::TempDir;
use tokio::time::timeout;

fn is_send_and_sync<T: Send + Sync>(_: &T) {}

fn url(daemon: &Lobbyd) -> String {
    format!("http://{}", daemon.address())
}

fn label(text: &str) -> Label {
    Label::parse(text).unwrap()
}

#[actix_rt::test]
async fn a_handle_makes_every_call_from_a_runtime_of_many_threads() {
    let daemon = Lobbyd::named("a").labels("prometheus:ne:x:1").start().await;
    let handle = Handle::new(&url(&daemon)).unwrap();
    is_send_and_sync(&handle);
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            handle.add_labels(&[label("x:1"), label("y")]).await.unwrap();
            handle.delete_labels(&[label("y")]).await.unwrap();
            let own = handle.discovery().await.unwrap();
            assert_eq!(own.labels, [label("prometheus:ne:x:1"), label("x:1")]);
            let all = handle.discoveries(&Filter::All).await.unwrap();
            assert_eq!(all.len(), 1);
            let names = handle.resolve("prometheus:ne:x:1").await.unwrap();
            assert_eq!(names, [HostName::parse("a").unwrap()]);
            assert_eq!(handle.prometheus("ne").await.unwrap().len(), 1);
            let meta = handle.prometheus_with_meta("ne").await.unwrap();
            assert_eq!(meta[0].labels["__meta_lobby_hostname"], "a");
            assert_eq!(handle.prometheus_groups().await.unwrap(), ["ne"]);
            assert_eq!(handle.refusals().await.unwrap(), []);
            assert_eq!(handle.status().await.unwrap().records, 1);
            assert!(handle.json(&Query::Status).await.unwrap().contains("\"warm\""));
            handle.ping().await.unwrap();
            handle.call(async |client: Client| client.status().await.map(drop)).await.unwrap();
        });
    };
    // A plain runtime without timers or input of its own, on another thread.
    thread::scope(|scope| scope.spawn(run).join().unwrap());
}

#[actix_rt::test]
async fn a_handle_makes_every_call_without_a_runtime() {
    let daemon = Lobbyd::named("a").labels("prometheus:ne:x:1").start().await;
    let url = url(&daemon);
    let run = move || {
        let client = Handle::new(&url).unwrap().blocking();
        client.add_labels(&[label("x:1"), label("y")]).unwrap();
        client.delete_labels(&[label("y")]).unwrap();
        assert_eq!(client.discovery().unwrap().labels.len(), 2);
        assert_eq!(client.discoveries(&Filter::All).unwrap().len(), 1);
        assert_eq!(client.resolve("prometheus:ne:x:1").unwrap().len(), 1);
        assert_eq!(client.prometheus("ne").unwrap().len(), 1);
        let meta = client.prometheus_with_meta("ne").unwrap();
        assert_eq!(meta[0].labels["__meta_lobby_hostname"], "a");
        assert_eq!(client.prometheus_groups().unwrap(), ["ne"]);
        assert_eq!(client.refusals().unwrap(), []);
        assert!(client.json(&Query::Status).unwrap().contains("\"warm\""));
        client.ping().unwrap();
        let started = client.status().unwrap().started;
        let first = client.events(None).next().unwrap().unwrap();
        assert!(matches!(first, Event::Snapshot { hosts } if hosts.len() == 1));
        started
    };
    assert!(thread::spawn(run).join().unwrap() > 0);
}

#[actix_rt::test]
async fn errors_of_a_handle_are_those_of_the_client() {
    assert!(matches!(Handle::new("not a url"), Err(Error::Invalid(_))));
    let nobody = Handle::new(&format!("http://127.0.0.1:{}", free_port())).unwrap();
    assert!(matches!(nobody.discovery().await, Err(Error::Unreachable { .. })));
    let lost = nobody.events(None).next().await.unwrap();
    assert!(matches!(lost, Ok(Event::Lost { .. })), "{lost:?}");
    let closed = Lobbyd::named("a").set("TOKEN", "s3cret").start().await;
    let mut events = Handle::new(&url(&closed)).unwrap().events(None);
    assert!(matches!(events.next().await, Some(Err(Error::Unauthorised { .. }))));
    assert_eq!(events.next().await, None);
}

#[actix_rt::test]
async fn events_are_typed_and_go_on_over_a_restart() {
    let nats = NatsServer::start().await;
    let peer = RawPeer::nats(&nats).await;
    let daemon = Lobbyd::named("me").nats(&nats).start().await;
    daemon.links_are("up", LIMIT).await;
    let port = daemon.address().port().to_string();
    let selector = Selector::parse("x").unwrap();
    let client = daemon.client();
    let mut events = client.events(Some(&selector));
    let mut next = async || loop {
        let event = timeout(LIMIT, events.next()).await.expect("an event").unwrap().unwrap();
        if !matches!(event, Event::Status(_)) {
            return event;
        }
    };
    assert_eq!(next().await, Event::Snapshot { hosts: vec![] });
    peer.say_hi("b", &["x:1"]).await;
    assert!(matches!(next().await, Event::Join { host } if host.labels == [label("x:1")]));
    peer.say_hi("b", &["x:2"]).await;
    assert!(matches!(next().await, Event::Update { added, .. } if added == [label("x:2")]));
    peer.say_hi("b", &[]).await;
    let leave = next().await;
    let unmatched = LeaveReason::Unmatched;
    assert!(matches!(leave, Event::Leave { reason, .. } if reason == unmatched), "{leave:?}");
    daemon.signal(lobby_tests::Signal::TERM);
    assert_eq!(next().await, Event::Bye);
    assert!(matches!(next().await, Event::Lost { .. }));
    daemon.wait(LIMIT).await;
    let _again = Lobbyd::named("me").labels("x:9").nats(&nats).set("PORT", &port).start().await;
    loop {
        match next().await {
            Event::Lost { .. } => {}
            Event::Snapshot { hosts } => break assert_eq!(hosts.len(), 1),
            other => panic!("{other:?}"),
        }
    }
}

#[actix_rt::test]
async fn the_examples_for_tokio_and_for_blocking_code_run() {
    let nats = NatsServer::start().await;
    let peer = RawPeer::nats(&nats).await;
    let daemon = Lobbyd::named("me").nats(&nats).start().await;
    daemon.links_are("up", LIMIT).await;
    let directory = TempDir::new().unwrap();
    let start = |example: &str, argument: &str| {
        let line = format!(
            "exec {} {} {argument} >{}",
            program(&format!("examples/{example}")).display(),
            url(&daemon),
            directory.path().join(example).display()
        );
        Process::start(example, Command::new("sh").args(["-c", &line]))
    };
    let printed = async |example: &str, text: &str| {
        lobby_tests::eventually(LIMIT, async || {
            let output = std::fs::read_to_string(directory.path().join(example));
            let output = output.unwrap_or_default();
            lobby_tests::ensure(output.contains(text), output)
        })
        .await;
    };
    let (_follow, wait) = (start("follow", "x=1"), start("wait_for", "x:1"));
    printed("follow", "0 servers\n").await;
    printed("wait_for", "asking me\n").await;
    peer.say_hi("b", &["x:1"]).await;
    printed("follow", "b came\n").await;
    assert!(wait.wait(LIMIT).await.status.success());
    printed("wait_for", "b has x:1\n").await;
}
