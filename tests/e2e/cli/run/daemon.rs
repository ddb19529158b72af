//! A daemon that is away, hangs or starts again.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lobby_tests::{
    LIMIT, Lobbyd, NatsServer, Process, Signal, ensure, eventually, free_port, lobbyctl, now,
};
use serde_json::json;
use tokio::time::Instant;

use super::{Place, has_label, has_no_label, heed, lobbyctl_run, run, update};

#[actix_rt::test]
async fn a_daemon_that_was_away_gets_the_label_of_a_program_again() {
    let port = free_port();
    let place = Place::new();
    let script = format!("echo >{}; sleep 60", place.word("ready"));
    let mut command = lobbyctl_run(port, &["--ttl", "3s"]);
    let run = Process::start("run", command.args(["--", "sh", "-c", &script]));
    // It has never seen the daemon yet.
    place.becomes("ready", "\n").await;
    run.logged("runs without labels so far").await;
    let first = Lobbyd::named("a").set("PORT", port.to_string()).start().await;
    has_label(&first).await;
    first.signal(Signal::KILL);
    first.wait(LIMIT).await;
    run.logged("trying again").await;
    let second = Lobbyd::named("a").set("PORT", port.to_string()).start().await;
    has_label(&second).await;
    run.logged("the daemon has added service:web").await;
    second.kill();
    assert!(run.is_running());
    run.signal(Signal::TERM);
    let exit = run.wait(LIMIT).await;
    assert_eq!(exit.status.code(), Some(143));
    assert!(exit.after < Duration::from_secs(10), "{exit:?}");
    run.logged("service:web could not be removed, and ends within 3s").await;
}

#[actix_rt::test]
async fn no_label_is_said_to_be_there_before_the_daemon_has_it() {
    let port = free_port();
    let mut command = lobbyctl_run(port, &["--check", "true", "--every", "1s"]);
    let run = Process::start("run", command.args(["--", "sleep", "60"]));
    run.logged("adding service:web: the check has passed").await;
    assert_eq!(run.logs_with("added"), [""; 0]);
    let daemon = Lobbyd::named("a").set("PORT", port.to_string()).start().await;
    run.logged("the daemon has added service:web").await;
    has_label(&daemon).await;
}

/// A daemon that cannot store labels that end, as long as there is this file.
async fn without_state_path() -> (Lobbyd, PathBuf) {
    let builder = Lobbyd::named("a");
    let file = builder.labels_path().with_file_name("state");
    std::fs::write(&file, "").unwrap();
    (builder.set("STATE_PATH", &file).start().await, file)
}

#[actix_rt::test]
async fn the_end_of_a_refusal_is_told_by_what_was_done() {
    let (daemon, file) = without_state_path().await;
    let run = run(&daemon, &[], "sleep 60");
    // It answers all the time.
    run.logged("STATE_PATH").await;
    std::fs::remove_file(&file).unwrap();
    run.logged("the daemon has added service:web").await;
    has_label(&daemon).await;
    assert_eq!(run.logs_with("answered again"), [""; 0]);
    run.signal(Signal::TERM);
    assert_eq!(run.wait(LIMIT).await.status.code(), Some(143));
    assert_eq!(run.logs_with("the daemon has"), ["lobbyctl: the daemon has added service:web"]);
}

#[actix_rt::test]
async fn labels_that_are_never_stored_are_not_said_to_be_removed() {
    let (daemon, _file) = without_state_path().await;
    let run = run(&daemon, &[], "sleep 60");
    run.logged("STATE_PATH").await;
    // Who tries again and again fills no log: one line in a minute has to do.
    for _ in 0..3 {
        let refused = daemon.request("POST", "/v1/labels?ttl=60s", &[], "x").await;
        assert_eq!(refused.status, 500, "{}", refused.text());
    }
    run.signal(Signal::TERM);
    assert_eq!(run.wait(LIMIT).await.status.code(), Some(143));
    assert_eq!(run.logs_with("the daemon has"), [""; 0]);
    assert_eq!(daemon.logs_with("labels were not stored").len(), 1, "{:?}", daemon.logs());
}

#[actix_rt::test]
async fn a_daemon_that_hangs_holds_up_neither_start_nor_stop() {
    let daemon = Lobbyd::named("a").start().await;
    let place = Place::new();
    let script = format!("echo >{}; sleep 60", place.word("ready"));
    daemon.pause();
    let first = run(&daemon, &["--ttl", "3s"], &script);
    place.becomes("ready", "\n").await;
    first.logged("the daemon does not answer: the program runs without labels so far").await;
    daemon.signal(Signal::CONT);
    has_label(&daemon).await;
    daemon.pause();
    first.signal(Signal::TERM);
    let exit = first.wait(LIMIT).await;
    assert_eq!(exit.status.code(), Some(143));
    assert!(exit.after < Duration::from_secs(8), "{exit:?}");
    daemon.signal(Signal::CONT);
    has_no_label(&daemon).await;
}

#[actix_rt::test]
async fn a_restart_of_the_daemon_loses_no_label_for_a_moment() {
    let nats = NatsServer::start().await;
    let watcher = Lobbyd::named("watcher").nats(&nats).start().await;
    let port = free_port().to_string();
    let mut daemon = Lobbyd::named("a").set("PORT", port).nats(&nats).start().await;
    let run = run(&daemon, &[], "sleep 60");
    let wanted = json!({"a": ["service:web"], "watcher": []});
    watcher.knows(wanted.clone()).await;
    let mut feed = watcher.feed("/v1/events", &[]).await;
    assert_eq!(feed.next_change().await.name, "snapshot");
    daemon.signal(Signal::KILL);
    daemon.wait(LIMIT).await;
    daemon = daemon.start_again().await;
    daemon.knows(wanted.clone()).await;
    // A restart with a goodbye is the next thing that is told: of the kill nothing was.
    daemon.signal(Signal::TERM);
    daemon.wait(LIMIT).await;
    let leave = feed.next_change().await;
    assert_eq!((leave.name.as_str(), &leave.data["reason"]), ("leave", &json!("goodbye")));
    daemon = daemon.start_again().await;
    daemon.knows(wanted).await;
    let join = feed.next_change().await;
    assert_eq!(join.name, "join");
    assert_eq!(join.data["host"]["labels"], json!(["service:web"]));
    // The end of the program is the next thing, so there was nothing else.
    run.signal(Signal::TERM);
    run.wait(LIMIT).await;
    assert_eq!(update(&mut feed).await, (json!([]), json!(["service:web"])));
}

#[actix_rt::test]
async fn no_label_comes_after_the_program_was_told_to_stop() {
    let daemon = Lobbyd::named("a").start().await;
    let mut feed = daemon.feed("/v1/events", &[]).await;
    assert_eq!(feed.next_change().await.name, "snapshot");
    let place = Place::new();
    let (told, ready) = (place.word("told"), place.word("ready"));
    daemon.pause();
    let run = run(&daemon, &[], &heed(&ready, &[("TERM", &format!("echo >{told}"))]));
    place.becomes("ready", "ready\n").await;
    // It waits to be told what the daemon can do, before it adds the label.
    run.signal(Signal::TERM);
    place.becomes("told", "\n").await;
    daemon.signal(Signal::CONT);
    daemon.knows(json!({"a": []})).await;
    std::fs::remove_file(&ready).unwrap();
    run.wait(LIMIT).await;
    lobbyctl(&daemon, &["labels", "add", "mark"]).await;
    assert_eq!(update(&mut feed).await, (json!(["mark"]), json!([])));
}

/// A daemon that takes every label, and keeps the moments at which it was asked to.
fn counting_daemon(port: u16) -> Arc<Mutex<Vec<Instant>>> {
    let moments = Arc::<Mutex<Vec<Instant>>>::default();
    let log = Arc::clone(&moments);
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap();
            let is_list = request[..length].starts_with(b"GET ");
            let text = if is_list { "[]" } else { "OK" };
            if request[..length].starts_with(b"POST ") {
                log.lock().unwrap().push(now());
            }
            let head = "HTTP/1.1 200 X\r\nconnection: close\r\ncontent-length: 2";
            write!(stream, "{head}\r\n\r\n{text}").unwrap();
        }
    });
    moments
}

#[actix_rt::test]
async fn a_label_is_renewed_each_third_of_its_time() {
    let port = free_port();
    let moments = counting_daemon(port);
    let mut command = lobbyctl_run(port, &["--ttl", "6s"]);
    let run = Process::start("run", command.args(["--", "sleep", "60"]));
    let all = || moments.lock().unwrap().clone();
    eventually(LIMIT, async || ensure(all().len() > 4, all())).await;
    let pauses: Vec<_> = all().windows(2).map(|pair| pair[1] - pair[0]).collect();
    // A machine that is busy may delay one.
    let third = Duration::from_millis(1_800)..Duration::from_secs(4);
    assert!(pauses.iter().all(|pause| third.contains(pause)), "{pauses:?}");
    run.signal(Signal::TERM);
    assert_eq!(run.wait(LIMIT).await.status.code(), Some(143));
}
