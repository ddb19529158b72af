//! Run on a terminal.

use std::ffi::OsString;
use std::process::{Command, Stdio};

use lobby_tests::{LIMIT, Lobbyd, ensure, eventually, process_one, program};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin};

use super::{Place, children, has_label, has_no_label, heed};

/// A terminal with a keyboard, on which a command line runs.
struct Terminal {
    child: Child,
    keys: ChildStdin,
}

const CTRL_C: &[u8] = b"\x03";

const CTRL_Z: &[u8] = b"\x1a";

impl Terminal {
    fn start(line: &str) -> Self {
        Self::launched_by(&[], line)
    }

    fn launched_by(launcher: &[OsString], line: &str) -> Self {
        let script = ["script", "--quiet", "--return", "--command", line, "/dev/null"];
        let mut words = launcher.iter().cloned().chain(script.map(OsString::from));
        let mut command = Command::new(words.next().unwrap());
        command.args(words);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).env("SHELL", "/bin/sh");
        let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
        let keys = child.stdin.take().unwrap();
        Self { child, keys }
    }

    async fn press(&mut self, key: &[u8]) {
        self.keys.write_all(key).await.unwrap();
    }

    /// The process that it has started.
    fn process(&self) -> u32 {
        children(self.child.id().unwrap())[0]
    }

    /// Its exit status, which is that of the command line.
    async fn ended(mut self) -> Option<i32> {
        tokio::time::timeout(LIMIT, self.child.wait()).await.unwrap().unwrap().code()
    }

    /// Takes it away, as somebody does who closes the window.
    async fn close(mut self) {
        self.child.kill().await.unwrap();
    }
}

/// The command line that runs a script of this text.
fn line(daemon: &Lobbyd, place: &Place, options: &str, script: &str) -> String {
    place.write("script", script);
    let (program, port) = (program("lobbyctl"), daemon.address().port());
    format!(
        "{} run --label service:web {options} --port {port} -- sh {}",
        program.display(),
        place.word("script")
    )
}

fn terminate(id: u32) {
    assert!(Command::new("kill").arg("-TERM").arg(id.to_string()).status().unwrap().success());
}

fn is_stopped(id: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| stat.contains(") T "))
}

#[actix_rt::test]
async fn an_interrupt_from_a_terminal_is_not_doubled() {
    let daemon = Lobbyd::named("a").start().await;
    let place = Place::new();
    let log = place.word("log");
    let script = heed(&log, &[("INT", &format!("echo INT >>{log}")), ("TERM", "exit 9")]);
    let line = line(&daemon, &place, "--ttl 3s", &script);
    let mut terminal = Terminal::start(&format!("exec {line}"));
    place.becomes("log", "ready\n").await;
    has_label(&daemon).await;
    // There is no shell that would let it go on.
    terminal.press(CTRL_Z).await;
    terminal.press(CTRL_C).await;
    place.becomes("log", "ready\nINT\n").await;
    has_no_label(&daemon).await;
    terminal.press(CTRL_C).await;
    place.becomes("log", "ready\nINT\nINT\n").await;
    terminate(terminal.process());
    assert_eq!(terminal.ended().await, Some(9));
    assert_eq!(place.text("log"), "ready\nINT\nINT\n");
}

#[actix_rt::test]
async fn keys_work_in_a_container_that_a_session_outside_has_started() {
    let daemon = Lobbyd::named("a").start().await;
    let place = Place::new();
    let log = place.word("log");
    let script = heed(&log, &[("INT", "exit 4")]);
    let line = line(&daemon, &place, "--ttl 3s", &script);
    // What runs there sees itself in its own /proc, and there the terminal belongs to a process
    // whose session and group are outside: they have the number 0.
    let mut launcher = process_one();
    launcher.push("--mount-proc".into());
    let mut terminal = Terminal::launched_by(&launcher, &format!("exec {line}"));
    place.becomes("log", "ready\n").await;
    has_label(&daemon).await;
    terminal.press(CTRL_Z).await;
    terminal.press(CTRL_C).await;
    assert_eq!(terminal.ended().await, Some(4));
    has_no_label(&daemon).await;
}

#[actix_rt::test]
async fn a_program_that_reads_the_terminal_can_be_ended() {
    let daemon = Lobbyd::named("a").start().await;
    for script in ["read line </dev/tty", "cat </dev/tty; exit 3", "stty -echo </dev/tty"] {
        let place = Place::new();
        let line = line(&daemon, &place, "--ttl 3s", script);
        let terminal = Terminal::start(&format!("exec {line} 2>{}", place.word("said")));
        let told = "lobbyctl: the program was stopped: it wants the terminal";
        eventually(LIMIT, async || ensure(place.text("said").contains(told), place.text("said")))
            .await;
        has_label(&daemon).await;
        terminate(terminal.process());
        assert_eq!(terminal.ended().await, Some(143), "{script}");
        has_no_label(&daemon).await;
    }
}

#[actix_rt::test]
async fn ctrl_z_stops_both_and_fg_lets_both_go_on() {
    let daemon = Lobbyd::named("a").start().await;
    let place = Place::new();
    let ids = place.word("ids");
    let script = format!("echo $$ $PPID >{ids}; while test -e {ids}; do sleep 0.1; done");
    let line = line(&daemon, &place, "--ttl 3s", &script);
    let go = place.word("go");
    place.write("shell", &format!("set -m\n{line}\nuntil test -e {go}; do sleep 0.1; done\nfg\n"));
    let mut terminal = Terminal::start(&format!("exec bash {}", place.word("shell")));
    has_label(&daemon).await;
    eventually(LIMIT, async || ensure(place.text("ids").ends_with('\n'), "no ids")).await;
    let ids: Vec<u32> =
        place.text("ids").split_whitespace().map(|id| id.parse().unwrap()).collect();
    terminal.press(CTRL_Z).await;
    let both_are = |stopped| ids.iter().all(|id| is_stopped(*id) == stopped);
    eventually(LIMIT, async || ensure(both_are(true), &ids)).await;
    has_no_label(&daemon).await;
    place.write("go", "");
    eventually(LIMIT, async || ensure(both_are(false), &ids)).await;
    has_label(&daemon).await;
    terminate(ids[1]);
    assert_eq!(terminal.ended().await, Some(143));
    has_no_label(&daemon).await;
}

#[actix_rt::test]
async fn a_terminal_that_goes_away_tells_all_of_the_program() {
    let daemon = Lobbyd::named("a").start().await;
    let place = Place::new();
    let waiting = |name| {
        let (log, ready) = (place.word(name), place.word(&format!("{name}-ready")));
        heed(&ready, &[("HUP", &format!("echo HUP >>{log}; exit 1"))])
    };
    let script = format!("({}) &\n{}\n", waiting("other"), waiting("first"));
    let line = line(&daemon, &place, "--ttl 3s", &script);
    let terminal = Terminal::start(&format!("exec {line}"));
    has_label(&daemon).await;
    place.becomes("first-ready", "ready\n").await;
    place.becomes("other-ready", "ready\n").await;
    terminal.close().await;
    place.becomes("first", "HUP\n").await;
    place.becomes("other", "HUP\n").await;
    has_no_label(&daemon).await;
}
