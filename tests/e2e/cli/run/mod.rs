//! lobbyctl run: labels that are there as long as a program and its check.

mod checks;
mod daemon;
mod signals;
mod terminal;

use std::path::{Path, PathBuf};
use std::process::Command;

use lobby_tests::{
    Feed, FeedEvent, LIMIT, Lobbyd, Process, Signal, ensure, eventually, lobbyctl, lobbyctl_with,
    program,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Runs a program of this shell script with the label `service:web`.
fn run(daemon: &Lobbyd, options: &[&str], script: &str) -> Process {
    let mut command = lobbyctl_run(daemon.address().port(), options);
    Process::start("run", command.args(["--", "sh", "-c", script]))
}

fn lobbyctl_run(port: u16, options: &[&str]) -> Command {
    let mut command = Command::new(program("lobbyctl"));
    command.args(["run", "--label", "service:web"]).args(options);
    command.env("PORT", port.to_string());
    command
}

async fn has_label(daemon: &Lobbyd) {
    daemon.knows(json!({"a": ["service:web"]})).await;
}

async fn has_no_label(daemon: &Lobbyd) {
    daemon.knows(json!({"a": []})).await;
}

/// The processes that a process has started.
fn children(id: u32) -> Vec<u32> {
    let path = format!("/proc/{id}/task/{id}/children");
    let children = std::fs::read_to_string(path).unwrap();
    children.split_whitespace().map(|id| id.parse().unwrap()).collect()
}

/// A command line that becomes a program which runs these commands, each when its signal comes. It
/// writes `ready` to the file before, and ends with the file.
fn heed(file: &str, traps: &[(&str, &str)]) -> String {
    let traps = traps.iter().map(|(name, command)| format!(" {name}='{command}'"));
    format!("exec {} {file}{}", program("heed").display(), traps.collect::<String>())
}

/// A directory for the files of a script.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn word(&self, name: &str) -> String {
        self.file(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.file(name), text).unwrap();
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.file(name)).unwrap_or_default()
    }

    async fn becomes(&self, name: &str, text: &str) {
        eventually(LIMIT, async || ensure(self.text(name) == text, self.text(name))).await;
    }
}

/// Waits until a feed tells of an update, and returns the labels that came and went.
async fn update(feed: &mut Feed) -> (Value, Value) {
    let FeedEvent { name, data, .. } = feed.next_change().await;
    assert_eq!(name, "update", "{data}");
    (data["added"].clone(), data["removed"].clone())
}

#[actix_rt::test]
async fn the_label_is_there_while_the_program_runs() {
    let daemon = Lobbyd::named("a").start().await;
    let place = Place::new();
    let script = format!("until test -e {}; do sleep 0.1; done; exit 7", place.word("end"));
    let run = run(&daemon, &["--label", "two words"], &script);
    daemon.knows(json!({"a": ["service:web", "two words"]})).await;
    place.write("end", "");
    assert_eq!(run.wait(LIMIT).await.status.code(), Some(7));
    // Not only before long: when it has ended the labels have gone.
    assert_eq!(daemon.own_labels().await, json!([]));
}

#[actix_rt::test]
async fn the_exit_status_is_that_of_the_program() {
    let daemon = Lobbyd::named("a").start().await;
    let script = Place::new();
    script.write("data", "not a program");
    let data = script.word("data");
    for (command, status) in [
        (&["true"][..], 0),
        (&["sh", "-c", "exit 3"], 3),
        (&["sh", "-c", "kill -KILL $$"], 137),
        (&["sh", "-c", "kill -TERM $$"], 143),
        (&["/nowhere/program"], 127),
        (&[data.as_str()], 126),
    ] {
        let words = [&["run", "--label", "x", "--ttl", "3s", "--"], command].concat();
        let outcome = lobbyctl(&daemon, &words).await;
        assert_eq!(outcome.status, Some(status), "{outcome:?}");
        has_no_label(&daemon).await;
    }
    let missing = lobbyctl(&daemon, &["run", "--label", "x", "--", "/nowhere/program"]).await;
    assert!(missing.stderr.starts_with("error: cannot run /nowhere/program: "), "{missing:?}");
}

#[actix_rt::test]
async fn a_label_that_comes_from_elsewhere_stays_and_is_told_of() {
    let daemon = Lobbyd::named("a").labels("env:1").start().await;
    lobbyctl(&daemon, &["labels", "add", "service:web"]).await;
    let options = ["--label", "x", "--label", "env:1", "--ttl", "3s"];
    let run = run(&daemon, &options, "sleep 60");
    let told = "stays whatever is run: it comes from ";
    run.logged(&format!("lobbyctl: service:web {told}lobbyctl labels add")).await;
    run.logged(&format!("lobbyctl: env:1 {told}LABELS")).await;
    daemon.knows(json!({"a": ["env:1", "service:web", "x"]})).await;
    run.signal(Signal::TERM);
    run.wait(LIMIT).await;
    daemon.knows(json!({"a": ["env:1", "service:web"]})).await;
    assert_eq!(
        std::fs::read_to_string(daemon.labels_path().join("_runtime")).unwrap().trim(),
        "service:web"
    );
}

#[actix_rt::test]
async fn a_standard_error_that_nobody_reads_loses_no_label() {
    let daemon = Lobbyd::named("a").start().await;
    let place = Place::new();
    place.write("well", "");
    let check = format!("test -e {}", place.word("well"));
    let options = ["--ttl", "3s", "--check", &check, "--every", "1s", "--fall", "1"];
    let run = run(&daemon, &options, "exec yes >&2");
    run.read_no_log(true);
    for _ in 0..2 {
        has_label(&daemon).await;
        std::fs::remove_file(place.file("well")).unwrap();
        has_no_label(&daemon).await;
        place.write("well", "");
    }
    has_label(&daemon).await;
    run.signal(Signal::TERM);
    let exit = run.wait(LIMIT).await;
    assert_eq!(exit.status.code(), Some(143));
    has_no_label(&daemon).await;
}

#[actix_rt::test]
async fn what_cannot_be_run_is_refused_before_anything_is_started() {
    let place = Place::new();
    let mark = place.word("mark");
    for options in [
        &["run", "--", "touch", &mark][..],
        &["run", "--label", "x"],
        &["run", "--label", " ", "--", "touch", &mark],
        &["run", "--label", "x", "--check", "a 'b", "--", "touch", &mark],
        &["run", "--label", "x", "--check", "true", "--rise", "0", "--", "touch", &mark],
        &["run", "--label", "x", "--ttl", "1s", "--", "touch", &mark],
    ] {
        let outcome = lobbyctl_with(&[("PORT", "9"), ("PATH", "/usr/bin:/bin")], options).await;
        assert_eq!((outcome.status, outcome.stdout.as_str()), (Some(2), ""), "{outcome:?}");
    }
    let closed = Lobbyd::named("a").set("TOKEN", "s3cret").start().await;
    let outcome = lobbyctl(&closed, &["run", "--label", "x", "--", "touch", &mark]).await;
    assert_eq!(outcome.status, Some(4), "{outcome:?}");
    assert!(!Path::new(&mark).exists());
}
