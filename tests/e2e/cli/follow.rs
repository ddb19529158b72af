//! lobbyctl watch and lobbyctl wait.

use std::process::{Command, Stdio};
use std::time::Duration;

use lobby_tests::{
    LIMIT, Lobbyd, Process, Signal, ensure, eventually, free_port, lobbyctl, lobbyctl_with, now,
    program,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::timeout;

use crate::events::Fixture;

/// A lobby, and a file for what lobbyctl prints of it.
struct Follower {
    lobby: Fixture,
    directory: TempDir,
}

impl Follower {
    async fn new() -> Self {
        let lobby = Fixture::with(&[("LABELS", "own:1")]).await;
        Self { lobby, directory: TempDir::new().unwrap() }
    }

    /// Starts lobbyctl with its output in the file.
    fn start(&self, words: &str) -> Process {
        let output = self.directory.path().join("output");
        let line = format!("exec {} {words} >{}", program("lobbyctl").display(), output.display());
        let mut shell = Command::new("sh");
        shell.args(["-c", &line]).env("PORT", self.lobby.daemon.address().port().to_string());
        Process::start("lobbyctl", &mut shell)
    }

    fn printed(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("output")).unwrap_or_default()
    }

    /// Waits until something is printed.
    async fn prints(&self, text: &str) {
        eventually(LIMIT, async || ensure(self.printed().contains(text), self.printed())).await;
    }
}

#[actix_rt::test]
async fn watch_prints_a_line_for_each_event() {
    let follower = Follower::new().await;
    let _watch = follower.start("watch");
    follower.prints("  here    me  own:1\n").await;
    follower.prints(", NATS up\n").await;
    follower.lobby.peer.say_hi("b", &["x:1"]).await;
    follower.prints("  join    b  x:1\n").await;
    follower.lobby.peer.say_hi("b", &["y"]).await;
    follower.prints("  update  b  +y  -x:1\n").await;
    follower.lobby.peer.say_goodbye("b").await;
    follower.prints("  leave   b  goodbye  y\n").await;
    let printed = follower.printed();
    let time = printed.split(' ').next().unwrap();
    assert!(time.len() == 20 && time.ends_with('Z'), "{time}");
    assert!(!printed.contains('\u{1b}'), "no colours in a file");
}

#[actix_rt::test]
async fn watch_prints_the_json_of_what_is_chosen() {
    let follower = Follower::new().await;
    let _watch = follower.start("watch --json -l 'x=1 and not y'");
    follower.prints("snapshot").await;
    follower.lobby.peer.say_hi("b", &["x:1"]).await;
    follower.lobby.peer.say_hi("b", &["x:1", "y"]).await;
    follower.prints("unmatched").await;
    let events = follower.printed();
    let events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let changes = events.filter(|event| event["event"] != "status");
    let names: Vec<_> = changes.map(|event| event["event"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names, ["snapshot", "join", "leave"]);
}

#[actix_rt::test]
async fn watch_finds_the_next_run_of_the_daemon_and_says_so() {
    let first = Lobbyd::named("a").labels("run:1").start().await;
    let port = first.address().port().to_string();
    let directory = TempDir::new().unwrap();
    let output = directory.path().join("output");
    let line = format!("exec {} watch >{}", program("lobbyctl").display(), output.display());
    let watch = Process::start("watch", Command::new("sh").args(["-c", &line]).env("PORT", &port));
    let printed = || std::fs::read_to_string(&output).unwrap_or_default();
    eventually(LIMIT, async || ensure(printed().contains("here    a  run:1"), printed())).await;
    first.signal(Signal::KILL);
    first.wait(LIMIT).await;
    watch.logged("trying again").await;
    let _second = Lobbyd::named("a").labels("run:2").set("PORT", &port).start().await;
    let told = "update  a  +run:2  -run:1";
    eventually(LIMIT, async || ensure(printed().contains(told), printed())).await;
}

#[actix_rt::test]
async fn watch_ends_quietly_with_its_reader() {
    let daemon = Lobbyd::named("a").start().await;
    let watch = program("lobbyctl");
    let line = format!("set -o pipefail; {} watch | head -n 1", watch.display());
    let mut shell = tokio::process::Command::new("bash");
    shell.args(["-c", &line]).env("PORT", daemon.address().port().to_string());
    shell.stdin(Stdio::null()).kill_on_drop(true);
    let ended = timeout(LIMIT, shell.output()).await.expect("it ends").unwrap();
    assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
    assert!(String::from_utf8(ended.stdout).unwrap().contains("  here    a"));
}

#[actix_rt::test]
async fn wait_ends_when_enough_servers_are_there() {
    let follower = Follower::new().await;
    let wait = follower.start("wait -l x=1 --count 2");
    wait.logged("waiting for 2 servers with x=1").await;
    follower.lobby.peer.say_hi("b", &["x:1"]).await;
    wait.logged("1 is there").await;
    follower.lobby.peer.say_hi("c", &["x:2"]).await;
    follower.lobby.peer.say_hi("c", &["x:1"]).await;
    assert!(wait.wait(LIMIT).await.status.success());
    let already = lobbyctl(&follower.lobby.daemon, &["wait", "-l", "x=1"]).await;
    assert_eq!((already.status, already.stdout.as_str()), (Some(0), ""));
}

#[actix_rt::test]
async fn wait_ends_when_nobody_is_there_any_more() {
    let follower = Follower::new().await;
    follower.lobby.peer.say_hi("b", &["x:1"]).await;
    follower.lobby.daemon.meets("b").await;
    let wait = follower.start("wait -l x --none");
    wait.logged("1 is there").await;
    follower.lobby.peer.say_goodbye("b").await;
    assert!(wait.wait(LIMIT).await.status.success());
}

#[actix_rt::test]
async fn wait_doubts_only_when_it_must_and_names_a_broker_down() {
    let fixture = Fixture::new().await;
    let ready = async || {
        let status = fixture.daemon.get("/readyz").await.status;
        ensure(status == 200, status)
    };
    eventually(LIMIT, ready).await;
    let none = lobbyctl(&fixture.daemon, &["wait", "-l", "x", "--none"]).await;
    assert_eq!((none.status, none.stderr.as_str()), (Some(0), "waiting for no server with x\n"));
    let daemon = Lobbyd::named("a").redis_at(free_port()).start().await;
    let outcome = lobbyctl(&daemon, &["wait", "--count", "2", "--timeout", "2s"]).await;
    assert_eq!(outcome.status, Some(5), "{outcome:?}");
    assert!(outcome.stderr.ends_with("within 2s: 1 is there; down: Redis\n"), "{outcome:?}");
}

#[actix_rt::test]
async fn nobody_is_not_believed_of_a_daemon_that_just_started() {
    let daemon = Lobbyd::named("a").without_keep_alive().start().await;
    let outcome = lobbyctl(&daemon, &["wait", "-l", "x", "--none", "--timeout", "1s"]).await;
    assert_eq!(outcome.status, Some(5), "{outcome:?}");
    let told = "error: not within 1s: none, but the daemon may not know every server yet\n";
    assert!(outcome.stderr.ends_with(told), "{}", outcome.stderr);
}

#[actix_rt::test]
async fn wait_waits_for_the_daemon_too_and_no_longer_than_it_may() {
    let port = free_port().to_string();
    let environment = [("PORT", port.as_str())];
    let asked = now();
    let outcome = lobbyctl_with(&environment, &["wait", "--timeout", "1"]).await;
    assert_eq!(outcome.status, Some(5), "{outcome:?}");
    assert!(outcome.stderr.contains("cannot reach"), "{}", outcome.stderr);
    assert!((1..10).contains(&asked.elapsed().as_secs()), "{:?}", asked.elapsed());
    let watch = lobbyctl_with(&environment, &["watch"]).await;
    assert_eq!((watch.status, watch.stdout.as_str()), (Some(3), ""), "{watch:?}");
}

#[actix_rt::test]
async fn what_cannot_be_meant_is_wrong_usage() {
    for words in [
        &["watch", "-l", "a="][..],
        &["wait", "-l", ""],
        &["wait", "-l", "a b"],
        &["wait", "--count", "0"],
        &["wait", "--count", "2", "--none"],
        &["wait", "--timeout", "soon"],
        &["wait", "--timeout", "0"],
        &["wait", "--json"],
        &["ping", "--json"],
        &["table", "--json"],
        &["export", "hosts", "--json"],
    ] {
        let outcome = lobbyctl_with(&[], words).await;
        assert_eq!((outcome.status, outcome.stdout.as_str()), (Some(2), ""), "{words:?}");
        assert!(outcome.stderr.starts_with("error: "), "{words:?}: {}", outcome.stderr);
    }
    let closed = Lobbyd::named("a").set("TOKEN", "s3cret").start().await;
    let outcome = timeout(Duration::from_secs(10), lobbyctl(&closed, &["watch"])).await.unwrap();
    assert_eq!(outcome.status, Some(4), "{outcome:?}");
}
