//! The disk of labels that end: slow, failing or cut off by a kill, it gives back nothing that was
//! refused and loses nothing that was confirmed.

use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::time::Duration;

use futures_util::future::{join, join_all};
use lobby_client::Label;
use lobby_tests::{LIMIT, Lobbyd, LobbydBuilder, Tracer, ensure, eventually, now};
use serde_json::json;

use crate::api::leases::leases;

/// Longer than lobbyd waits for a disk.
const TOO_SLOW: Duration = Duration::from_secs(6);

const HOUR: Duration = Duration::from_secs(3600);

/// A daemon `me` that changes its labels only when it is told to, with one lease stored.
async fn stored() -> LobbydBuilder {
    let builder = Lobbyd::named("me").without_keep_alive();
    let daemon = builder.clone().start().await;
    assert_eq!(daemon.lease_labels("kept:1", "1h").await.status, 200);
    daemon.kill();
    daemon.wait(LIMIT).await;
    builder
}

async fn restarted(daemon: &Lobbyd) -> Lobbyd {
    daemon.kill();
    daemon.wait(LIMIT).await;
    daemon.start_again().await
}

#[actix_rt::test]
async fn a_lease_that_the_slow_disk_took_too_late_never_counts() {
    let tracer = Tracer::of("fsync").delays("fsync", TOO_SLOW);
    let builder = stored().await;
    let daemon = builder.clone().launched_by(tracer.launcher()).start().await;
    let asked = [daemon.lease_labels("late:1", "1h"), daemon.lease_labels("late:2", "1h")];
    let (late, short) = join(join_all(asked), daemon.lease_labels("short:1", "9s")).await;
    assert_eq!(short.status, 200, "it needs no disk");
    for answer in late {
        assert_eq!(answer.status, 503, "{}", answer.text());
    }
    daemon.knows(json!({"me": ["kept:1"]})).await;
    daemon.logged("the disk with STATE_PATH does not answer").await;
    tracer.release(&daemon);
    // Behind the leases that were given up.
    assert_eq!(daemon.lease_labels("new:1", "1h").await.status, 200);
    assert_eq!(daemon.own_labels().await, json!(["kept:1", "new:1"]));
    daemon.kill();
    daemon.wait(LIMIT).await;
    assert_eq!(builder.start().await.own_labels().await, json!(["kept:1", "new:1"]));
}

#[actix_rt::test]
async fn a_lease_whose_directory_fails_to_sync_is_taken_back() {
    let builder = stored().await;
    let tracer = Tracer::of("fsync").on(&builder.state_path()).fails("fsync", "EIO");
    let daemon = builder.clone().launched_by(tracer.launcher()).start().await;
    let (lost, kept) = ("lost:1", "kept:1");
    for answer in [
        daemon.lease_labels(lost, "1h").await,
        daemon.delete_labels(kept).await,
        // The disk may have it, or not: neither is a renewal.
        daemon.lease_labels(lost, "1h").await,
        daemon.lease_labels(kept, "1h").await,
        daemon.delete_labels(lost).await,
    ] {
        assert_eq!(answer.status, 500, "{}", answer.text());
        assert!(answer.text().contains("Input/output error"), "{}", answer.text());
        assert_eq!(daemon.own_labels().await, json!(["kept:1"]));
    }
    tracer.release(&daemon);
    daemon.logged("labels that end are stored again").await;
    daemon.kill();
    daemon.wait(LIMIT).await;
    assert_eq!(builder.start().await.own_labels().await, json!(["kept:1"]));
}

/// Whether a writing has begun whose file is not in its place yet.
fn is_being_written(state_path: &Path) -> bool {
    let names = fs::read_dir(state_path).unwrap().map(|entry| entry.unwrap().file_name());
    names.into_iter().any(|name| name != "leases-me.json")
}

#[actix_rt::test]
async fn what_was_refused_stays_away_after_a_kill() {
    let builder = stored().await;
    let tracer = Tracer::of("fsync").delays("fsync", TOO_SLOW);
    let daemon = builder.clone().launched_by(tracer.launcher()).start().await;
    let late = daemon.lease_labels("late:1", "1h").await;
    assert_eq!(late.status, 503);
    assert!(late.text().contains("nothing was changed"), "{}", late.text());
    let state_path = builder.state_path();
    eventually(LIMIT, async || ensure(!is_being_written(&state_path), "it is being written")).await;
    daemon.kill();
    daemon.wait(LIMIT).await;
    assert_eq!(builder.start().await.own_labels().await, json!(["kept:1"]));
}

#[actix_rt::test]
async fn a_kill_while_renewals_are_written_loses_no_lease() {
    let builder = stored().await;
    let tracer = Tracer::of("fsync").delays("fsync", Duration::from_millis(500));
    for _ in 0..4 {
        let daemon = builder.clone().launched_by(tracer.launcher()).start().await;
        assert_eq!(daemon.lease_labels("kept:1", "1h").await.status, 200);
        let state_path = builder.state_path();
        eventually(LIMIT, async || ensure(is_being_written(&state_path), "no writing yet")).await;
        daemon.kill();
        daemon.wait(LIMIT).await;
        // As the temporary files of a crash that is long past.
        remove_temporaries(&state_path);
        let again = builder.clone().start().await;
        assert!(matches!(&leases(&again).await[..], [(label, 3500..=3601)] if label == "kept:1"));
        again.kill();
        again.wait(LIMIT).await;
    }
}

fn remove_temporaries(state_path: &Path) {
    for entry in fs::read_dir(state_path).unwrap() {
        let path = entry.unwrap().path();
        if !path.ends_with("leases-me.json") {
            fs::remove_file(path).unwrap();
        }
    }
}

#[actix_rt::test]
async fn a_short_lease_that_waits_for_the_disk_begins_when_it_counts() {
    let builder = stored().await;
    let tracer = Tracer::of("fsync").delays("fsync", Duration::from_millis(1500));
    let daemon = builder.launched_by(tracer.launcher()).start().await;
    let asked = now();
    assert_eq!(daemon.lease_labels("kept:1", "1s").await.status, 200);
    assert!(asked.elapsed() > Duration::from_secs(1), "it waits for the disk");
    let confirmed = now();
    daemon.knows(json!({"me": []})).await;
    assert!(confirmed.elapsed() > Duration::from_millis(500), "{:?}", confirmed.elapsed());
}

#[actix_rt::test]
async fn a_delete_on_slow_disks_is_answered_in_time() {
    let builder = stored().await;
    let tracer = Tracer::of("fsync").delays("fsync", TOO_SLOW);
    fs::write(builder.labels_path().join("_runtime"), "kept:1\n").unwrap();
    let daemon = builder.launched_by(tracer.launcher()).start().await;
    let asked = now();
    assert_eq!(daemon.delete_labels("kept:1").await.status, 503);
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    daemon.knows(json!({"me": ["kept:1"]})).await;
}

#[actix_rt::test]
async fn leases_that_cannot_be_read_in_time_come_later() {
    let builder = stored().await.labels("env:1");
    let path = builder.state_path().join("leases-me.json");
    let tracer = Tracer::of("openat").on(&path).delays("openat", Duration::from_secs(3));
    let daemon = builder.launched_by(tracer.launcher()).start().await;
    daemon.knows(json!({"me": ["env:1"]})).await;
    daemon.knows(json!({"me": ["env:1", "kept:1"]})).await;
}

#[actix_rt::test]
async fn renewals_are_written_at_most_once_a_second() {
    let tracer = Tracer::of("rename,renameat,renameat2");
    let daemon = Lobbyd::named("me").without_keep_alive().launched_by(tracer.launcher());
    let daemon = daemon.start().await;
    let labels: Vec<_> = (0..50).map(|number| format!("program:{number}")).collect();
    assert_eq!(daemon.lease_labels(&labels.join("\n"), "1h").await.status, 200);
    let begin = now();
    let mut renewals = 0;
    while begin.elapsed() < Duration::from_secs(5) {
        for label in &labels {
            assert_eq!(daemon.lease_labels(label, "1h").await.status, 200);
        }
        renewals += labels.len();
    }
    let seconds = begin.elapsed().as_secs();
    let writings = tracer.calls().iter().filter(|call| call.contains("leases-me.json")).count();
    let most = usize::try_from(seconds).unwrap() + 2;
    assert!((3..=most).contains(&writings), "{writings} in {seconds} s for {renewals} renewals");
}

/// Adds leases one after the other until the daemon is gone; returns those that were confirmed.
async fn leased_until_killed(daemon: &Lobbyd, round: usize) -> Vec<String> {
    let client = daemon.client();
    let stored = RefCell::new(Vec::new());
    let write = async {
        for number in 0.. {
            let label = Label::parse(&format!("n:{round}-{number}")).unwrap();
            if client.add_labels_for(std::slice::from_ref(&label), HOUR).await.is_err() {
                return;
            }
            stored.borrow_mut().push(label.to_string());
        }
    };
    let kill = async {
        eventually(LIMIT, async || ensure(stored.borrow().len() >= 5, stored.borrow().len())).await;
        daemon.kill();
    };
    join(write, kill).await;
    stored.take()
}

#[actix_rt::test]
async fn a_kill_in_the_middle_of_writing_loses_no_lease() {
    let mut daemon = Lobbyd::named("me").without_keep_alive().start().await;
    let mut confirmed = Vec::new();
    for round in 0..20 {
        confirmed.extend(leased_until_killed(&daemon, round).await);
        daemon = restarted(&daemon).await;
        let labels = daemon.own_labels().await;
        let has = |label: &String| labels.as_array().unwrap().iter().any(|l| l == label);
        let missing: Vec<_> = confirmed.iter().filter(|label| !has(label)).collect();
        assert!(missing.is_empty(), "{missing:?} lost");
        assert_eq!(daemon.logs_with("are lost"), [""; 0], "the file is never torn");
    }
    let left: Vec<_> = fs::read_dir(daemon.state_path()).unwrap().collect();
    assert!(left.len() <= 21, "each kill leaves one temporary file at most: {left:?}");
}
