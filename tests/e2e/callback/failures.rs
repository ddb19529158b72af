//! Callbacks that misbehave do not disturb the daemon.

use std::time::Duration;

use lobby_tests::{
    LIMIT, Lobbyd, LobbydBuilder, NatsServer, RawPeer, Script, Signal, ensure, eventually, program,
};
use serde_json::json;

const SECOND: Duration = Duration::from_secs(1);

/// How much shorter than it is a pause between two runs may look to them.
const SLACK: Duration = Duration::from_millis(100);

/// A daemon `me` that runs this command at once and after each change.
fn daemon(command: &str) -> LobbydBuilder {
    let daemon = Lobbyd::named("me").set("CALLBACK", command).set("TTL", "7200");
    let daemon = daemon.set("CALLBACK_FIRST_RUN_DELAY", "0").set("CALLBACK_COOLDOWN", "0");
    daemon.set("CALLBACK_SETTLE", "0")
}

/// Whether a process is there and not just waiting to be reaped.
fn lives(id: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/stat", id.trim())).unwrap_or_default();
    status.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}

async fn dies(id: &str) {
    eventually(LIMIT, async || ensure(!lives(id), format!("process {id} lives"))).await;
}

/// A run that waits for a child, which ends with the test at the latest.
const WITH_A_CHILD: &str = r#"while [ -e "$dir" ]; do sleep 0.1; done &
echo $! >"$dir/child"; echo $$ >"$dir/id"; wait"#;

#[actix_rt::test]
async fn a_script_that_hangs_blocks_nothing_else() {
    let script = Script::doing(r#"echo $$ >"$dir/id"; while [ -e "$dir" ]; do sleep 0.1; done"#);
    let nats = NatsServer::start().await;
    let daemon = daemon(&script.command()).nats(&nats).start().await;
    let id = script.writes("id").await;
    assert_eq!(daemon.add_labels("x:1").await.status, 200);
    daemon.knows(json!({"me": ["x:1"]})).await;
    let _other = Lobbyd::named("other").nats(&nats).start().await;
    daemon.knows(json!({"me": ["x:1"], "other": []})).await;
    assert!(lives(&id));
}

#[actix_rt::test]
async fn a_script_that_hangs_without_reading_its_input_blocks_nothing() {
    let script = Script::doing(r#"echo $$ >>"$dir/ids"; while [ -e "$dir" ]; do sleep 0.1; done"#);
    let nats = NatsServer::start().await;
    let wire = RawPeer::nats(&nats).await;
    let daemon =
        daemon(&script.command()).set("CALLBACK_FIRST_RUN_DELAY", "4").nats(&nats).start().await;
    wire.hears(1, "me", "hi").await;
    for number in 0..1000 {
        wire.say_hi(
            &format!("host-{number}"),
            &["some:label", "another:label", "yet:another-label"],
        )
        .await;
    }
    script.writes("ids").await;
    daemon.add_labels("x:1").await;
    eventually(LIMIT, async || {
        let hosts = daemon.discoveries().await.len();
        ensure(hosts == 1001, hosts)
    })
    .await;
    daemon.signal(Signal::TERM);
    assert!(daemon.wait(LIMIT).await.status.success());
}

#[actix_rt::test]
async fn a_script_that_reads_nothing_is_not_an_error_and_runs_again() {
    let script = Script::doing(r#"echo run >>"$dir/runs.txt""#);
    let nats = NatsServer::start().await;
    let wire = RawPeer::nats(&nats).await;
    let daemon = daemon(&script.command()).set("CALLBACK_COOLDOWN", "1").nats(&nats).start().await;
    wire.hears(1, "me", "hi").await;
    for number in 0..1000 {
        wire.say_hi(
            &format!("host-{number}"),
            &["some:label", "another:label", "yet:another-label"],
        )
        .await;
    }
    eventually(LIMIT, async || {
        let hosts = daemon.discoveries().await.len();
        ensure(hosts == 1001, hosts)
    })
    .await;
    for round in 0..3 {
        let before = script.writes("runs.txt").await.len();
        daemon.add_labels(&format!("round:{round}")).await;
        eventually(LIMIT, async || {
            ensure(script.writes("runs.txt").await.len() > before, "no run")
        })
        .await;
    }
    let mut complaints = daemon.logs_with("lobby::callback");
    complaints.retain(|line| line.contains("WARN") || line.contains("ERROR"));
    assert!(complaints.is_empty(), "{complaints:?}");
}

#[actix_rt::test]
async fn a_script_that_fails_is_logged_and_run_again_at_a_change() {
    let script = Script::recording_then("exit 77");
    let daemon = daemon(&script.command()).start().await;
    script.runs_until(|_| true).await;
    daemon.logged("77").await;
    daemon.add_labels("x:1").await;
    script.runs_until(|run| run.labels_of("me") == Some(&json!(["x:1"]))).await;
}

#[actix_rt::test]
async fn a_run_that_failed_is_tried_again_until_one_succeeds() {
    let script = Script::recording_then(
        r#"echo "$LOBBY_REASON" >>"$dir/reasons"; [ "$(wc -l <"$dir/reasons")" -ge 3 ]"#,
    );
    let daemon = daemon(&script.command()).start().await;
    daemon.logged("callback succeeded").await;
    assert_eq!(script.writes("reasons").await, "first\nretry\nretry\n");
    let runs = script.runs();
    let pause = |index: usize| Duration::from_nanos_u128(runs[index + 1].begin - runs[index].end);
    assert!(pause(0) >= SECOND - SLACK && pause(1) >= SECOND * 2 - SLACK, "{runs:?}");
}

#[actix_rt::test]
async fn a_run_that_takes_too_long_is_ended_with_all_it_started() {
    let script = Script::doing(WITH_A_CHILD);
    let daemon = daemon(&script.command()).set("CALLBACK_TIMEOUT", "1").start().await;
    let (id, child) = (script.writes("id").await, script.writes("child").await);
    daemon.logged("CALLBACK_TIMEOUT").await;
    dies(&id).await;
    dies(&child).await;
    daemon.logged("callback failed").await;
}

#[actix_rt::test]
async fn a_run_that_takes_too_long_and_ignores_sigterm_is_killed() {
    let script = Script::doing(
        r#"trap '' TERM; echo $$ >>"$dir/ids"; while [ -e "$dir" ]; do sleep 0.1; done"#,
    );
    let daemon = daemon(&script.command()).set("CALLBACK_TIMEOUT", "1").start().await;
    let ids = script.writes("ids").await;
    dies(ids.lines().next().unwrap()).await;
    eventually(LIMIT, async || ensure(script.writes("ids").await.lines().count() > 1, "no retry"))
        .await;
    assert!(daemon.is_running());
}

#[actix_rt::test]
async fn a_script_that_is_missing_is_logged_and_not_fatal() {
    let directory = tempfile::TempDir::new().unwrap();
    let script = directory.path().join("late-script");
    let daemon = daemon(&script.display().to_string()).start().await;
    daemon.logged("late-script").await;
    assert_eq!(daemon.add_labels("x:1").await.status, 200);
    daemon.knows(json!({"me": ["x:1"]})).await;
    assert!(daemon.is_running());
}

#[actix_rt::test]
async fn output_is_logged_line_by_line() {
    let script = Script::doing("echo first line; echo second line >&2; printf 'no line break'");
    let daemon = daemon(&script.command()).start().await;
    for line in ["first line", "second line", "no line break"] {
        daemon.logged(line).await;
    }
    assert!(daemon.logs_with("first line").iter().all(|line| !line.contains("second line")));
}

#[actix_rt::test]
async fn endless_output_disturbs_nothing() {
    let script = Script::doing(r#"echo $$ >"$dir/id"; yes | tr -d '\n'"#);
    let daemon = daemon(&script.command()).start().await;
    script.writes("id").await;
    assert_eq!(daemon.add_labels("x:1").await.status, 200);
    daemon.knows(json!({"me": ["x:1"]})).await;
    daemon.signal(Signal::TERM);
    assert!(daemon.wait(LIMIT).await.status.success());
}

#[actix_rt::test]
async fn on_shutdown_a_running_script_is_asked_to_end() {
    let script = Script::doing(
        // A shell that waits heeds a signal at once; one that starts a child may lose it.
        r#"trap 'echo asked >"$dir/end"; exit' TERM; sleep 60 & echo $$ >"$dir/id"; wait"#,
    );
    let daemon = daemon(&script.command()).start().await;
    let id = script.writes("id").await;
    daemon.signal(Signal::TERM);
    assert!(daemon.wait(LIMIT).await.status.success());
    assert_eq!(script.writes("end").await, "asked\n");
    dies(&id).await;
}

#[actix_rt::test]
async fn on_shutdown_a_script_that_ignores_sigterm_is_killed() {
    let script = Script::doing(r#"trap '' TERM; echo $$ >"$dir/id"; while :; do sleep 0.1; done"#);
    let daemon = daemon(&script.command()).start().await;
    let id = script.writes("id").await;
    daemon.signal(Signal::TERM);
    assert!(daemon.wait(LIMIT).await.status.success());
    dies(&id).await;
}

#[actix_rt::test]
async fn a_second_signal_kills_a_script_that_ignores_the_first() {
    let heed = program("heed");
    let script = Script::doing(&format!(
        r#"echo $$ >"$dir/id"; exec {} "$dir/ready" TERM="echo asked >'$dir/asked'""#,
        heed.display()
    ));
    let daemon = daemon(&script.command()).start().await;
    let id = script.writes("id").await;
    script.writes("ready").await;
    daemon.signal(Signal::TERM);
    script.writes("asked").await;
    daemon.signal(Signal::TERM);
    assert!(daemon.wait(LIMIT).await.status.success());
    daemon.logged("exiting at once").await;
    dies(&id).await;
}

#[actix_rt::test]
async fn on_shutdown_the_children_of_a_script_do_not_stay_behind() {
    let script = Script::doing(WITH_A_CHILD);
    let daemon = daemon(&script.command()).start().await;
    let (id, child) = (script.writes("id").await, script.writes("child").await);
    daemon.signal(Signal::TERM);
    assert!(daemon.wait(LIMIT).await.status.success());
    dies(&id).await;
    dies(&child).await;
}
