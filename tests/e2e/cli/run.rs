//! lobbyctl run: labels that are there as long as a program and its check.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use lobby_tests::{
    Feed, FeedEvent, LIMIT, Lobbyd, NatsServer, Process, Signal, ensure, eventually, free_port,
    lobbyctl, lobbyctl_with, program,
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
        let words = [&["run", "--label", "x", "--"], command].concat();
        let outcome = lobbyctl(&daemon, &words).await;
        assert_eq!(outcome.status, Some(status), "{outcome:?}");
        assert_eq!(daemon.own_labels().await, json!([]));
    }
    let missing = lobbyctl(&daemon, &["run", "--label", "x", "--", "/nowhere/program"]).await;
    assert!(missing.stderr.starts_with("error: cannot run /nowhere/program: "), "{missing:?}");
}

#[actix_rt::test]
async fn the_label_goes_before_the_program_is_told_to_stop() {
    let daemon = Lobbyd::named("a").start().await;
    for (signal, name) in [(Signal::TERM, "TERM"), (Signal::INT, "INT")] {
        let place = Place::new();
        let ask = format!("curl -s http://{}/v1/resolve?label=service:web", daemon.address());
        let (told, ready) = (place.word("told"), place.word("ready"));
        let script = format!(
            "trap '{ask} >{told}; exit 5' {name}; echo >{ready}; while :; do sleep 0.1; done"
        );
        let run = run(&daemon, &[], &script);
        has_label(&daemon).await;
        place.becomes("ready", "\n").await;
        run.signal(signal);
        assert_eq!(run.wait(LIMIT).await.status.code(), Some(5), "{name}");
        assert_eq!(place.text("told").trim(), "[]", "{name}");
    }
}

#[actix_rt::test]
async fn signals_are_passed_on_once_and_change_no_label() {
    let daemon = Lobbyd::named("a").start().await;
    let place = Place::new();
    let log = place.word("log");
    let traps = ["HUP", "USR1", "USR2", "WINCH"].map(|it| format!("trap 'echo {it} >>{log}' {it}"));
    let script = format!("{}; echo ready >{log}; while :; do sleep 0.1; done", traps.join("; "));
    let run = run(&daemon, &[], &script);
    place.becomes("log", "ready\n").await;
    has_label(&daemon).await;
    let mut expected = "ready\n".to_owned();
    for (signal, name) in [
        (Signal::HUP, "HUP"),
        (Signal::USR1, "USR1"),
        (Signal::USR2, "USR2"),
        (Signal::WINCH, "WINCH"),
        (Signal::HUP, "HUP"),
    ] {
        run.signal(signal);
        expected += &format!("{name}\n");
        place.becomes("log", &expected).await;
    }
    assert_eq!(daemon.own_labels().await, json!(["service:web"]));
    run.signal(Signal::TERM);
    assert_eq!(run.wait(LIMIT).await.status.code(), Some(143));
    assert_eq!(place.text("log"), expected);
}

#[actix_rt::test]
async fn what_was_ignored_at_the_start_stays_so_for_the_program() {
    let daemon = Lobbyd::named("a").start().await;
    let place = Place::new();
    let script = format!("echo >{}; while :; do sleep 0.1; done", place.word("ready"));
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$@\"", "sh"]).arg(program("lobbyctl"));
    command.args(["run", "--label", "service:web", "--", "sh", "-c", &script]);
    command.env("PORT", daemon.address().port().to_string());
    let run = Process::start("run", &mut command);
    place.becomes("ready", "\n").await;
    has_label(&daemon).await;
    // One that is passed on would end it with another status.
    run.signal(Signal::HUP);
    run.signal(Signal::TERM);
    assert_eq!(run.wait(LIMIT).await.status.code(), Some(143));
}

#[actix_rt::test]
async fn an_interrupt_from_a_terminal_is_not_doubled() {
    let daemon = Lobbyd::named("a").start().await;
    let place = Place::new();
    let log = place.word("log");
    place.write(
        "script",
        &format!(
            "trap 'echo INT >>{log}' INT; trap 'exit 9' TERM; echo ready >{log}\n\
             while :; do sleep 0.1; done\n"
        ),
    );
    let line = format!(
        "exec {} run --label service:web --port {} -- sh {}",
        program("lobbyctl").display(),
        daemon.address().port(),
        place.word("script")
    );
    let mut terminal = Command::new("script");
    terminal.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    terminal.stdin(Stdio::piped()).stdout(Stdio::null()).env("SHELL", "/bin/sh");
    let mut terminal = tokio::process::Command::from(terminal).kill_on_drop(true).spawn().unwrap();
    place.becomes("log", "ready\n").await;
    has_label(&daemon).await;
    let mut keys = terminal.stdin.take().unwrap();
    let press = async |keys: &mut tokio::process::ChildStdin| {
        tokio::io::AsyncWriteExt::write_all(keys, b"\x03").await.unwrap();
    };
    press(&mut keys).await;
    place.becomes("log", "ready\nINT\n").await;
    assert_eq!(daemon.own_labels().await, json!([]), "the label goes before");
    press(&mut keys).await;
    place.becomes("log", "ready\nINT\nINT\n").await;
    let run = children(terminal.id().unwrap());
    let told = Command::new("kill").arg("-TERM").arg(run[0].to_string()).status().unwrap();
    assert!(told.success());
    let status = tokio::time::timeout(LIMIT, terminal.wait()).await.unwrap().unwrap();
    assert_eq!((status.code(), place.text("log").as_str()), (Some(9), "ready\nINT\nINT\n"));
}

/// The processes that a process has started.
fn children(id: u32) -> Vec<u32> {
    let path = format!("/proc/{id}/task/{id}/children");
    let children = std::fs::read_to_string(path).unwrap();
    children.split_whitespace().map(|id| id.parse().unwrap()).collect()
}

/// A check that passes and fails as a plan has it, a letter `p` or `f` each, and its last letter
/// from then on.
fn plan(place: &Place, letters: &str) -> String {
    place.write("plan", &letters.chars().map(|letter| format!("{letter}\n")).collect::<String>());
    let plan = place.word("plan");
    let script = format!(
        "letter=$(head -n 1 {plan}); test $(wc -l <{plan}) -gt 1 && sed -i 1d {plan}\n\
         echo $letter >>{}; test $letter = p",
        place.word("done")
    );
    place.write("check", &script);
    format!("sh {}", place.word("check"))
}

/// Waits until a feed tells of an update, and returns the labels that came and went.
async fn update(feed: &mut Feed) -> (Value, Value) {
    let FeedEvent { name, data, .. } = feed.next_change().await;
    assert_eq!(name, "update", "{data}");
    (data["added"].clone(), data["removed"].clone())
}

#[actix_rt::test]
async fn a_program_that_flaps_loses_its_label_by_rows_only() {
    let daemon = Lobbyd::named("a").start().await;
    let mut feed = daemon.feed("/v1/events", &[]).await;
    assert_eq!(feed.next_change().await.name, "snapshot");
    let place = Place::new();
    let check = plan(&place, "pfppfpfffpfpp");
    let options = ["--check", &check, "--every", "1s", "--rise", "2", "--fall", "3"];
    let run = run(&daemon, &options, "sleep 60");
    let checked = || place.text("done").replace('\n', "");
    assert_eq!(update(&mut feed).await, (json!(["service:web"]), json!([])));
    assert_eq!(checked(), "pfpp");
    assert_eq!(update(&mut feed).await, (json!([]), json!(["service:web"])));
    assert_eq!(checked(), "pfppfpfff");
    assert_eq!(update(&mut feed).await, (json!(["service:web"]), json!([])));
    assert_eq!(checked(), "pfppfpfffpfpp");
    let told = run.logged("lobbyctl: removed service:web: sh ").await;
    assert!(told.ends_with("failed, exit status: 1"), "{told}");
    assert!(run.is_running());
    run.signal(Signal::TERM);
    assert_eq!(run.wait(LIMIT).await.status.code(), Some(143));
    assert_eq!(update(&mut feed).await, (json!([]), json!(["service:web"])));
}

#[actix_rt::test]
async fn a_check_that_hangs_counts_as_a_failure() {
    let daemon = Lobbyd::named("a").start().await;
    let place = Place::new();
    place.write("well", "");
    let check = format!("sh -c 'test -e {} || sleep 60'", place.word("well"));
    let options = ["--check", &check, "--every", "1s", "--fall", "2"];
    let run = run(&daemon, &options, "sleep 60");
    has_label(&daemon).await;
    std::fs::remove_file(place.file("well")).unwrap();
    has_no_label(&daemon).await;
    let told = run.logged("removed service:web").await;
    assert!(told.contains("did not end within 1s and was killed"), "{told}");
    run.signal(Signal::TERM);
    let exit = run.wait(LIMIT).await;
    assert!(exit.after < Duration::from_secs(5), "{exit:?}");
}

#[actix_rt::test]
async fn a_check_alone_decides_where_there_is_no_program() {
    let daemon = Lobbyd::named("a").start().await;
    let place = Place::new();
    let check = format!("test -e {}", place.word("well"));
    let options = ["--check", &check, "--every", "1s", "--fall", "1"];
    let gate = Process::start("gate", &mut lobbyctl_run(daemon.address().port(), &options));
    place.write("well", "");
    has_label(&daemon).await;
    std::fs::remove_file(place.file("well")).unwrap();
    has_no_label(&daemon).await;
    place.write("well", "");
    has_label(&daemon).await;
    gate.signal(Signal::TERM);
    assert_eq!(gate.wait(LIMIT).await.status.code(), Some(0));
    assert_eq!(daemon.own_labels().await, json!([]));
}

#[actix_rt::test]
async fn a_daemon_that_is_away_ends_no_program_and_gets_the_label_again() {
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
    run.logged("the daemon has answered again").await;
    second.kill();
    assert!(run.is_running());
    run.signal(Signal::TERM);
    let exit = run.wait(LIMIT).await;
    assert_eq!(exit.status.code(), Some(143));
    assert!(exit.after < Duration::from_secs(10), "{exit:?}");
    run.logged("service:web could not be removed, and ends within 3s").await;
}

#[actix_rt::test]
async fn a_daemon_that_hangs_holds_up_neither_start_nor_stop() {
    let daemon = Lobbyd::named("a").start().await;
    let place = Place::new();
    let script = format!("echo >{}; sleep 60", place.word("ready"));
    daemon.pause();
    let first = run(&daemon, &["--ttl", "3s"], &script);
    place.becomes("ready", "\n").await;
    first.logged("the daemon does not answer: it runs without labels so far").await;
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
async fn a_label_that_comes_from_elsewhere_stays_and_is_told_of() {
    let daemon = Lobbyd::named("a").labels("env:1").start().await;
    lobbyctl(&daemon, &["labels", "add", "service:web"]).await;
    let run = run(&daemon, &["--label", "x", "--label", "env:1"], "sleep 60");
    let told = "stays whatever is run: it comes from ";
    run.logged(&format!("lobbyctl: service:web {told}lobbyctl labels add")).await;
    run.logged(&format!("lobbyctl: env:1 {told}LABELS")).await;
    daemon.knows(json!({"a": ["env:1", "service:web", "x"]})).await;
    run.signal(Signal::TERM);
    run.wait(LIMIT).await;
    assert_eq!(daemon.own_labels().await, json!(["env:1", "service:web"]));
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
    let run = run(&daemon, &options, "yes >&2");
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
    assert_eq!(daemon.own_labels().await, json!([]));
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
