//! Signals at the start, and whatever the parent process had made of them.

use std::time::Duration;

use lobby_tests::{LIMIT, Lobbyd, Process, Script, Signal, Tracer};

/// Whether a process catches a signal, by its number.
fn catches(process: &Process, signal: u32) -> bool {
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0");
    u64::from_str_radix(caught.trim(), 16).unwrap() >> (signal - 1) & 1 == 1
}

/// The processor time that a process has had.
fn running_time(process: &Process) -> Duration {
    let statistics = std::fs::read_to_string(format!("/proc/{}/schedstat", process.id())).unwrap();
    Duration::from_nanos(statistics.split(' ').next().unwrap().parse().unwrap())
}

/// Starts a daemon with much to read in its settings, and returns when it has run for two
/// milliseconds. The first thing that its program catches is SIGSEGV, for overflows of the stack.
async fn just_started() -> Process {
    let daemon = Lobbyd::named("a").set("NATS_URL", "nats://broker.example,".repeat(5000)).spawn();
    let mut begin = None;
    while begin.is_none_or(|begin| running_time(&daemon) < begin + Duration::from_millis(2)) {
        assert!(daemon.is_running(), "{:?}", daemon.logs());
        tokio::time::sleep(Duration::from_millis(1)).await;
        begin = begin.or_else(|| catches(&daemon, 11).then(|| running_time(&daemon)));
    }
    daemon
}

#[actix_rt::test]
async fn sighup_in_the_first_milliseconds_does_not_end_it() {
    for _ in 0..5 {
        let daemon = just_started().await;
        daemon.signal(Signal::HUP);
        daemon.logged("listening").await;
        daemon.logged("reading label files").await;
    }
}

#[actix_rt::test]
async fn sigterm_in_the_first_milliseconds_is_a_clean_end() {
    for _ in 0..5 {
        let daemon = just_started().await;
        daemon.signal(Signal::TERM);
        let exit = daemon.wait(LIMIT).await;
        assert!(exit.status.success(), "{:?}", exit.status);
    }
}

#[actix_rt::test]
async fn signals_blocked_or_ignored_by_the_parent_are_handled() {
    let script = Script::recording_then("");
    let launcher =
        ["env", "--block-signal=TERM,HUP", "--ignore-signal=CHLD,HUP,INT"].map(Into::into).to_vec();
    let daemon =
        Lobbyd::named("a").set("CALLBACK", script.command()).set("CALLBACK_FIRST_RUN_DELAY", "0");
    let daemon = daemon.launched_by(launcher).start().await;
    daemon.logged("callback succeeded").await;
    daemon.signal(Signal::HUP);
    daemon.logged("reading label files").await;
    daemon.signal(Signal::TERM);
    assert!(daemon.wait(LIMIT).await.status.success());
}

#[actix_rt::test]
async fn a_secret_file_that_hangs_keeps_no_labels_from_being_read() {
    let directory = tempfile::TempDir::new().unwrap();
    let [link, good, hanging] =
        ["token", "good", "hanging"].map(|name| directory.path().join(name));
    for file in [&good, &hanging] {
        std::fs::write(file, "s3cret\n").unwrap();
    }
    std::os::unix::fs::symlink(&good, &link).unwrap();
    let tracer = Tracer::of("read").on(&hanging).delays("read", Duration::from_secs(60));
    let daemon = Lobbyd::named("a").set("TOKEN_FILE", &link).launched_by(tracer.launcher());
    let daemon = daemon.start().await;
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(&hanging, &link).unwrap();
    daemon.signal(Signal::HUP);
    daemon.logged("cannot read a secret again, it keeps its value").await;
    let token = [("Authorization", "Token s3cret")];
    let added = daemon.request("POST", "/v1/labels", &token, "x:1").await;
    assert_eq!(added.status, 200, "{}", added.text());
    tracer.release(&daemon);
}
