//! The processes of callbacks: those that cannot be started yet, and those that are left behind.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use lobby_tests::{
    LIMIT, Lobbyd, LobbydBuilder, Process, Script, Signal, ensure, enter, eventually, process_one,
};

/// Takes a lease on a file: whoever opens it waits until the lease is given back. So does a file on
/// a dead NFS.
const LEASE: &str = r#"$SIG{IO} = sub { print STDERR "somebody waits\n" };
open(F, "+<", $ARGV[0]) && fcntl(F, 1024, 1) or die "no lease: $!";
print STDERR "leased\n";
sleep 1000 while 1"#;

/// A daemon `me` that runs this command at once.
fn daemon(command: &str) -> LobbydBuilder {
    Lobbyd::named("me")
        .set("CALLBACK", command)
        .set("CALLBACK_FIRST_RUN_DELAY", "0")
        .set("CALLBACK_COOLDOWN", "0")
        .set("CALLBACK_SETTLE", "0")
}

/// Writes an executable script that leaves a file `ran` beside itself, and returns it still open
/// for writing.
fn executable(path: &Path) -> File {
    let mut file = File::create(path).unwrap();
    file.write_all(b"#!/bin/sh\necho yes >\"${0%/*}/ran\"\n").unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    file
}

/// State and parent of a process.
fn state_and_parent(id: &str) -> Option<(char, u32)> {
    let status = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let mut fields = status.rsplit(')').next()?.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// The processes with this parent that have ended and were not waited for.
fn zombies_of(parent: u32) -> Vec<String> {
    let processes = fs::read_dir("/proc")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    processes.filter(|id| state_and_parent(id) == Some(('Z', parent))).collect()
}

#[actix_rt::test]
async fn a_process_in_the_background_may_write_after_the_run() {
    let script = Script::doing(r#"(sleep 2; echo late; echo yes >"$dir/alive") & echo early"#);
    let daemon = daemon(&script.command()).start().await;
    daemon.logged("callback succeeded").await;
    script.writes("alive").await;
    daemon.logged("late").await;
}

#[actix_rt::test]
async fn as_process_1_it_leaves_no_zombies() {
    let script = Script::recording_then(r#"(sleep 0.1; echo yes >>"$dir/orphans") & sleep 0.05"#);
    let daemon = daemon(&script.command()).launched_by(process_one()).start().await;
    for number in 0..5 {
        daemon.add_labels(&format!("n:{number}")).await;
        let labels = daemon.own_labels().await;
        script.runs_until(|run| run.labels_of("me") == Some(&labels)).await;
    }
    eventually(LIMIT, async || {
        let (ended, runs) = (script.writes("orphans").await.lines().count(), script.runs().len());
        ensure(ended == runs, (ended, runs))
    })
    .await;
    let launcher = daemon.id();
    let children =
        fs::read_to_string(format!("/proc/{launcher}/task/{launcher}/children")).unwrap();
    let id = children.trim().parse().unwrap();
    eventually(LIMIT, async || ensure(zombies_of(id).is_empty(), zombies_of(id))).await;
    assert!(daemon.logs_with("cannot wait").is_empty());
}

/// The ids of the children of a process.
fn children_of(id: &str) -> String {
    fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap().trim().to_owned()
}

#[actix_rt::test]
async fn as_process_1_it_reaps_orphans_without_a_callback_too() {
    let daemon = Lobbyd::named("me").launched_by(process_one()).start().await;
    let id = children_of(&daemon.id().to_string());
    let words = enter(id.parse().unwrap(), "--pid");
    let in_background = "sh -c 'while :; do sleep 0.1; done' & echo left behind";
    let mut inside = Command::new(&words[0]);
    inside.args(&words[1..]).args(["sh", "-c", in_background]);
    assert!(inside.stdout(std::process::Stdio::null()).status().unwrap().success());
    eventually(LIMIT, async || ensure(!children_of(&id).is_empty(), daemon.logs())).await;
    assert!(Command::new("kill").arg(children_of(&id)).status().unwrap().success());
    eventually(LIMIT, async || ensure(children_of(&id).is_empty(), children_of(&id))).await;
}

#[actix_rt::test]
async fn a_program_on_a_file_system_that_hangs_stops_nothing() {
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("callback");
    drop(executable(&path));
    let lease = Process::start("lease", Command::new("perl").args(["-e", LEASE]).arg(&path));
    lease.logged("leased").await;
    let daemon = daemon(&path.display().to_string()).start().await;
    lease.logged("somebody waits").await;
    assert_eq!(daemon.get("/healthz").await.status, 200);
    assert_eq!(daemon.add_labels("x:1").await.status, 200);
    lease.kill();
    daemon.logged("callback succeeded").await;
    assert!(directory.path().join("ran").exists());
    daemon.signal(Signal::TERM);
    assert!(daemon.wait(LIMIT).await.status.success());
}

#[actix_rt::test]
async fn a_program_that_is_being_written_is_tried_again() {
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("callback");
    let written = executable(&path);
    let daemon = daemon(&path.display().to_string()).start().await;
    daemon.logged("Text file busy").await;
    drop(written);
    daemon.logged("callback succeeded").await;
}

#[actix_rt::test]
async fn a_program_that_cannot_be_run_is_told_at_the_start() {
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("callback");
    fs::write(&path, "").unwrap();
    let path = path.display().to_string();
    let problems =
        [("/nowhere/callback x", "/nowhere/callback does not exist"), (&path, "is not executable")];
    for (command, problem) in
        problems.into_iter().chain([("no-such-program", "no program no-such-program")])
    {
        let daemon = daemon(command).set("CALLBACK_FIRST_RUN_DELAY", "3600").start().await;
        let line = daemon.logged(problem).await;
        assert!(line.contains("WARN") && line.contains("CALLBACK"), "{line}");
    }
}
