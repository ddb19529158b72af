//! Disks that are slow, hang or cannot sync: what is refused is not stored, later either, and
//! nothing piles up.

use std::fs;
use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use lobby_tests::{LIMIT, Lobbyd, LobbydBuilder, Tracer, ensure, eventually, http};
use serde_json::json;

/// Longer than lobbyd waits for a disk.
const TOO_SLOW: Duration = Duration::from_secs(6);

/// Longer than lobbyd waits for a disk that is putting labels in place already.
const MUCH_TOO_SLOW: Duration = Duration::from_secs(12);

/// Longer than any of these tests, which release the disk.
const HANGING: Duration = Duration::from_secs(60);

/// A daemon `me` that changes its labels only when it is told to, with one label stored.
fn daemon() -> LobbydBuilder {
    let daemon = Lobbyd::named("me").without_keep_alive();
    fs::write(daemon.labels_path().join("_runtime"), "kept:1\n").unwrap();
    daemon
}

fn runtime_file(directory: &Path) -> String {
    fs::read_to_string(directory.join("_runtime")).unwrap()
}

/// The names of all files in a directory, sorted.
fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

/// Waits until the disk answers again, and checks that nothing was stored or published.
async fn is_as_before(daemon: &Lobbyd) {
    eventually(2 * LIMIT, async || {
        let answer = daemon.get("/v1/discovery").await;
        ensure(answer.status == 200 && answer.json()["labels"] == json!(["kept:1"]), answer.text())
    })
    .await;
    assert_eq!(runtime_file(&daemon.labels_path()), "kept:1\n");
    assert_eq!(names_in(&daemon.labels_path()), ["_runtime"]);
    daemon.knows(json!({"me": ["kept:1"]})).await;
}

#[actix_rt::test]
async fn a_refused_change_is_not_stored_later_either() {
    let tracer = Tracer::of("fsync").delays("fsync", TOO_SLOW);
    let daemon = daemon().launched_by(tracer.launcher()).start().await;
    let added = daemon.add_labels("late:1").await;
    assert_eq!(added.status, 503, "{}", added.text());
    is_as_before(&daemon).await;
    let deleted = daemon.delete_labels("kept:1").await;
    assert_eq!(deleted.status, 503, "{}", deleted.text());
    is_as_before(&daemon).await;
}

#[actix_rt::test]
async fn changes_that_wait_behind_a_refused_one_are_refused_too() {
    let tracer = Tracer::of("fsync").delays("fsync", TOO_SLOW);
    let daemon = daemon().launched_by(tracer.launcher()).start().await;
    let answers =
        join_all(["late:1", "late:2", "late:3"].map(|label| daemon.add_labels(label))).await;
    assert!(answers.iter().all(|answer| answer.status == 503));
    is_as_before(&daemon).await;
}

#[actix_rt::test]
async fn labels_being_put_in_place_are_waited_for() {
    let builder = daemon();
    let tracer = Tracer::of("rename").delays("rename", TOO_SLOW);
    let daemon = builder.launched_by(tracer.launcher()).start().await;
    assert_eq!(daemon.add_labels("late:1").await.status, 200);
    assert_eq!(runtime_file(&daemon.labels_path()), "kept:1\nlate:1\n");
    daemon.knows(json!({"me": ["kept:1", "late:1"]})).await;
}

#[actix_rt::test]
async fn labels_put_in_place_much_too_late_are_taken_back() {
    let builder = daemon();
    let tracer = Tracer::of("fsync").on(&builder.labels_path()).delays("fsync", MUCH_TOO_SLOW);
    let daemon = builder.launched_by(tracer.launcher()).start().await;
    let answer = daemon.add_labels("late:1").await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    is_as_before(&daemon).await;
}

#[actix_rt::test]
async fn a_directory_that_cannot_be_synced_is_not_a_failure() {
    for error in ["EINVAL", "EOPNOTSUPP"] {
        let builder = daemon();
        let tracer = Tracer::of("fsync").on(&builder.labels_path()).fails("fsync", error);
        let daemon = builder.launched_by(tracer.launcher()).start().await;
        assert_eq!(daemon.add_labels("new:1").await.status, 200);
        assert_eq!(runtime_file(&daemon.labels_path()), "kept:1\nnew:1\n");
        assert_eq!(daemon.delete_labels("kept:1").await.status, 200);
        daemon.knows(json!({"me": ["new:1"]})).await;
        assert!(
            tracer.calls().iter().any(|call| call.contains("(INJECTED)")),
            "{:?}",
            tracer.calls()
        );
    }
}

#[actix_rt::test]
async fn a_change_whose_directory_fails_to_sync_is_taken_back() {
    let builder = daemon();
    let tracer = Tracer::of("fsync").on(&builder.labels_path()).fails("fsync", "EIO");
    let daemon = builder.launched_by(tracer.launcher()).start().await;
    for answer in [daemon.add_labels("lost:1").await, daemon.delete_labels("kept:1").await] {
        assert_eq!(answer.status, 500, "{}", answer.text());
        assert!(answer.text().contains("Input/output error"), "{}", answer.text());
        is_as_before(&daemon).await;
    }
}

#[actix_rt::test]
async fn a_host_whose_files_hang_is_published_without_them() {
    let builder = daemon().labels("env:1");
    let tracer =
        Tracer::of("openat").on(&builder.labels_path()).delays("openat", Duration::from_secs(3));
    let daemon = builder.launched_by(tracer.launcher()).start().await;
    daemon.knows(json!({"me": ["env:1"]})).await;
    daemon.knows(json!({"me": ["env:1", "kept:1"]})).await;
}

/// Asks for the packet on connections that are closed at once.
async fn ask_and_leave(daemon: &Lobbyd, times: usize) {
    let request = format!("GET /v1/discovery HTTP/1.1\r\nHost: {}\r\n\r\n", daemon.address());
    for _ in 0..times {
        let mut connection = tokio::net::TcpStream::connect(daemon.address()).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut connection, request.as_bytes()).await.unwrap();
    }
}

async fn ask_and_leave_often(daemon: &Lobbyd) {
    for _ in 0..50 {
        ask_and_leave(daemon, 100).await;
        // Answered when those before it are.
        assert_eq!(daemon.get("/v1/discovery").await.status, 503);
    }
}

#[actix_rt::test]
async fn reads_of_a_hanging_disk_that_are_given_up_leave_nothing() {
    let builder = daemon();
    let tracer = Tracer::of("openat").on(&builder.labels_path()).delays("openat", HANGING);
    let daemon = builder.launched_by(tracer.launcher()).start().await;
    assert_eq!(daemon.get("/v1/discovery").await.status, 503);
    daemon.logged("does not answer").await;
    // What so many connections at once need anyhow is known after a while, what is left behind
    // never is.
    ask_and_leave_often(&daemon).await;
    let before = daemon.peak_memory();
    ask_and_leave_often(&daemon).await;
    let after = daemon.peak_memory();
    tracer.release(&daemon);
    assert!(after <= before + 5, "{before} MB, then {after} MB");
    eventually(LIMIT, async || {
        ensure(daemon.get("/v1/discovery").await.status == 200, daemon.logs())
    })
    .await;
    daemon.logged("answers again").await;
}

#[actix_rt::test]
async fn a_label_is_stored_while_many_ask_for_the_packet() {
    let builder = daemon();
    for number in 0..300 {
        fs::write(builder.labels_path().join(format!("file-{number}")), format!("n:{number:03}\n"))
            .unwrap();
    }
    let daemon = builder.start().await;
    let reads = join_all((0..2000).map(|_| async {
        http::send(daemon.address(), "GET", "/v1/discovery", &[], "").await.status
    }));
    let (reads, added) = tokio::join!(reads, daemon.add_labels("new:1"));
    assert_eq!(added.status, 200, "{}", added.text());
    assert!(reads.iter().all(|status| *status == 200));
}

#[actix_rt::test]
async fn of_too_many_changes_that_wait_for_the_disk_some_are_refused() {
    let builder = daemon();
    let tracer = Tracer::of("fsync").delays("fsync", HANGING);
    let daemon = builder.launched_by(tracer.launcher()).start().await;
    let labels: Vec<_> = (0..100).map(|number| format!("n:{number}")).collect();
    let answers = join_all(labels.iter().map(|label| daemon.add_labels(label))).await;
    assert!(answers.iter().all(|answer| answer.status == 503));
    let too_many = answers.iter().filter(|answer| answer.text().contains("too many")).count();
    assert_eq!(too_many, 100 - 1 - 64);
    daemon.logged("too many changes").await;
    tracer.release(&daemon);
    is_as_before(&daemon).await;
    let counted = daemon.logged("changes of labels were refused").await;
    assert!(counted.contains("35"), "{counted}");
}

#[actix_rt::test]
async fn a_directory_that_hangs_is_asked_once_and_takes_the_link_down() {
    let directory = tempfile::TempDir::new().unwrap();
    let tracer = Tracer::of("getdents64").on(directory.path()).delays("getdents64", HANGING);
    let daemon = Lobbyd::named("me").set("REGISTER", "false").local(directory.path());
    let daemon = daemon.launched_by(tracer.launcher()).start().await;
    let reason = "has not answered an earlier attempt yet";
    let link = async || daemon.get_json("/v1/status").await["drivers"][0].clone();
    eventually(LIMIT, async || {
        let link = link().await;
        let told = link["reason"].as_str().is_some_and(|told| told.contains(reason));
        ensure(link["state"] == "down" && told, &link)
    })
    .await;
    tracer.release(&daemon);
    eventually(LIMIT, async || {
        let link = link().await;
        ensure(link["state"] == "up", &link)
    })
    .await;
}
