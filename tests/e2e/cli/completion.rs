//! Completion: what lobbyctl offers a shell that asks. Real shells ask in the tests of the system.

use std::process::{Command, Stdio};
use std::time::Duration;

use lobby_tests::{LIMIT, Lobbyd, lobbyctl_with, now, program};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

/// What is offered for the word of this place, which may be behind the last one.
async fn offered(daemon: &Lobbyd, words: &[&str], place: usize) -> Vec<String> {
    let (port, place) = (daemon.address().port().to_string(), place.to_string());
    let environment = [&asked_by_bash(&place)[..], &[("PORT", &port)]].concat();
    let outcome = lobbyctl_with(&environment, &[&["--", "lobbyctl"], words].concat()).await;
    assert_eq!((outcome.status, outcome.stderr.as_str()), (Some(0), ""), "{words:?}");
    outcome.stdout.lines().map(str::to_owned).collect()
}

fn asked_by_bash(place: &str) -> [(&str, &str); 3] {
    [("COMPLETE", "bash"), ("_CLAP_COMPLETE_INDEX", place), ("_CLAP_IFS", "\n")]
}

#[actix_rt::test]
async fn a_host_is_completed_whatever_of_it_is_typed() {
    let daemon = Lobbyd::named("web1").start().await;
    for begun in ["w", "web1"] {
        for words in [&["--host", begun][..], &["doctor", begun], &["ansible", "--host", begun]] {
            assert_eq!(offered(&daemon, words, words.len()).await, ["web1"], "{words:?}");
        }
    }
    for begun in ["", "w", "web1"] {
        let before_more = ["--host", begun, "resolve", "service:web"];
        assert_eq!(offered(&daemon, &before_more, 2).await, ["web1"], "{begun}");
    }
    assert_eq!(offered(&daemon, &["--host=w"], 1).await, ["--host=web1"]);
    assert_eq!(offered(&daemon, &["--host", "x"], 2).await, [""; 0]);
    // A host that is there already is asked.
    assert_eq!(offered(&daemon, &["--host", "nowhere.invalid", "doctor", "w"], 4).await, [""; 0]);
}

#[actix_rt::test]
async fn every_selector_is_completed_with_labels() {
    let daemon = Lobbyd::named("a").labels("service:web,other:1").start().await;
    for command in [
        &["discoveries"][..],
        &["resolve"],
        &["watch"],
        &["wait"],
        &["render", "x.j2"],
        &["table"],
        &["export", "hosts"],
        &["ansible", "--list"],
    ] {
        let words = [command, &["-l", "serv"]].concat();
        assert_eq!(offered(&daemon, &words, words.len()).await, ["service:web"], "{words:?}");
    }
}

/// How long lobbyctl waits for a daemon that takes its question and says nothing.
async fn wait_for_silence() -> Duration {
    let silent = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let mut command = Command::new(program("lobbyctl"));
    command.args(["--", "lobbyctl", "resolve", "se"]).env_clear().envs(asked_by_bash("2"));
    command.env("PORT", silent.local_addr().unwrap().port().to_string()).stdout(Stdio::piped());
    let asking = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
    let (mut question, _) = silent.accept().await.unwrap();
    let asked = now();
    let closed = tokio::time::timeout(LIMIT, question.read_to_end(&mut Vec::new())).await;
    let waited = asked.elapsed();
    closed.unwrap().ok();
    let output = asking.wait_with_output().await.unwrap();
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
    waited
}

#[actix_rt::test]
async fn without_an_answer_a_completion_is_empty_within_its_limit() {
    let mut waits = Vec::new();
    for _ in 0..5 {
        waits.push(wait_for_silence().await);
    }
    // A busy machine adds to some of them.
    let least = waits.iter().min().unwrap();
    let limit = Duration::from_millis(150)..Duration::from_millis(400);
    assert!(limit.contains(least), "{waits:?}");
}
