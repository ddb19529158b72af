//! Runtime labels: what is `OK` is stored, and what is stored stays.

use std::cell::RefCell;
use std::path::Path;

use futures_util::future::{join, join_all};
use lobby_tests::{LIMIT, Lobbyd, Signal, Tracer, ensure, eventually, http};
use serde_json::{Value, json};

#[track_caller]
fn assert_ok(answer: &lobby_tests::Answer) {
    assert_eq!((answer.status, answer.text().as_str()), (200, "OK"));
}

#[actix_rt::test]
async fn labels_are_added_and_removed_one_a_line() {
    let daemon = Lobbyd::named("a").labels("env:1").start().await;
    assert_ok(&daemon.add_labels("b:2\n\n  a:1  \r\nb:2\n").await);
    assert_eq!(daemon.own_labels().await, json!(["a:1", "b:2", "env:1"]));
    daemon.knows(json!({"a": ["a:1", "b:2", "env:1"]})).await;
    assert_ok(&daemon.delete_labels("b:2\nunknown:1\n").await);
    assert_eq!(daemon.own_labels().await, json!(["a:1", "env:1"]));
    daemon.knows(json!({"a": ["a:1", "env:1"]})).await;
}

#[actix_rt::test]
async fn removing_leaves_labels_of_the_environment_and_of_other_files() {
    let daemon = Lobbyd::named("a").labels("env:1").start().await;
    std::fs::write(daemon.labels_path().join("file"), "file:1\n").unwrap();
    assert_ok(&daemon.delete_labels("env:1\nfile:1\nnothing:1").await);
    assert_eq!(daemon.own_labels().await, json!(["env:1", "file:1"]));
    assert_eq!(std::fs::read_to_string(daemon.labels_path().join("file")).unwrap(), "file:1\n");
}

#[actix_rt::test]
async fn an_empty_body_is_ok_and_changes_nothing() {
    let daemon = Lobbyd::named("a").labels("env:1").start().await;
    for body in ["", "\n", " \r\n\n"] {
        assert_ok(&daemon.add_labels(body).await);
        assert_ok(&daemon.delete_labels(body).await);
    }
    assert_eq!(daemon.own_labels().await, json!(["env:1"]));
}

#[actix_rt::test]
async fn a_body_of_lines_may_have_any_other_type_than_json() {
    let daemon = Lobbyd::named("a").start().await;
    for (number, content_type) in
        ["text/plain; charset=utf-8", "application/x-www-form-urlencoded"].iter().enumerate()
    {
        let body = format!("label:{number}");
        assert_ok(
            &daemon.request("POST", "/v1/labels", &[("Content-Type", content_type)], body).await,
        );
    }
    assert_eq!(daemon.own_labels().await, json!(["label:0", "label:1"]));
}

#[actix_rt::test]
async fn a_body_that_says_it_is_json_is_refused() {
    let daemon = Lobbyd::named("a").labels("env:1").start().await;
    let types = [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/merge-patch+json",
        "multipart/form-data; boundary=x",
    ];
    for (method, content_type) in
        types.iter().flat_map(|content_type| [("POST", content_type), ("DELETE", content_type)])
    {
        let answer = daemon
            .request(method, "/v1/labels", &[("Content-Type", content_type)], "[\"a:1\"]")
            .await;
        assert_eq!(answer.status, 415, "{}", answer.text());
        assert!(answer.text().contains("one label a line"), "{}", answer.text());
        assert_ok(
            &daemon.request(method, "/v1/labels", &[("Content-Type", content_type)], "").await,
        );
    }
    assert_eq!(daemon.own_labels().await, json!(["env:1"]));
}

#[actix_rt::test]
async fn forty_labels_added_at_once_are_all_kept() {
    let daemon = Lobbyd::named("a").start().await;
    let labels: Vec<String> = (0..40).map(|number| format!("n:{number:02}")).collect();
    for answer in join_all(labels.iter().map(|label| daemon.add_labels(label))).await {
        assert_ok(&answer);
    }
    assert_eq!(daemon.own_labels().await, json!(labels));
    let odd: Vec<&String> = labels.iter().skip(1).step_by(2).collect();
    for answer in join_all(odd.iter().map(|label| daemon.delete_labels(label))).await {
        assert_ok(&answer);
    }
    let even: Vec<&String> = labels.iter().step_by(2).collect();
    assert_eq!(daemon.own_labels().await, json!(even));
    daemon.knows(json!({"a": even})).await;
}

#[actix_rt::test]
async fn runtime_labels_survive_a_restart() {
    let daemon = Lobbyd::named("a").start().await;
    assert_ok(&daemon.add_labels("a:1\nb:2").await);
    daemon.signal(Signal::TERM);
    daemon.wait(LIMIT).await;
    assert_eq!(daemon.start_again().await.own_labels().await, json!(["a:1", "b:2"]));
}

#[actix_rt::test]
async fn what_was_ok_survives_a_kill_in_the_middle_of_writing() {
    let daemon = Lobbyd::named("a").start().await;
    let stored = RefCell::new(vec![]);
    let write = async {
        while daemon.is_running() {
            let label = format!("n:{:04}", stored.borrow().len());
            if !is_taken(&daemon, &label).await {
                break;
            }
            stored.borrow_mut().push(label);
        }
    };
    let kill = async {
        eventually(LIMIT, async || ensure(stored.borrow().len() >= 50, stored.borrow().len()))
            .await;
        daemon.kill();
    };
    join(write, kill).await;
    let labels = daemon.start_again().await.own_labels().await;
    let missing: Vec<String> =
        stored.take().into_iter().filter(|label| !has(&labels, label)).collect();
    assert!(missing.is_empty(), "{missing:?} lost from {labels}");
}

async fn is_taken(daemon: &Lobbyd, label: &str) -> bool {
    let (address, length) = (daemon.address(), label.len());
    let head = format!(
        "POST /v1/labels HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}"
    );
    let reply = http::exchange(address, format!("{head}\r\n\r\n{label}").as_bytes()).await;
    reply.is_ok_and(|reply| reply.starts_with(b"HTTP/1.1 200"))
}

fn has(labels: &Value, label: &str) -> bool {
    labels.as_array().is_some_and(|labels| labels.iter().any(|l| l == label))
}

#[actix_rt::test]
async fn the_labels_directory_is_created_when_it_is_missing() {
    let daemon = Lobbyd::named("a");
    let path = daemon.labels_path().join("deep").join("labels");
    let daemon = daemon.set("LABELS_PATH", &path).start().await;
    assert_eq!(daemon.own_labels().await, json!([]));
    assert_ok(&daemon.add_labels("a:1").await);
    assert!(path.join("_runtime").is_file());
    assert_eq!(daemon.own_labels().await, json!(["a:1"]));
}

#[actix_rt::test]
async fn the_file_has_the_name_that_was_set_and_one_label_a_line() {
    let daemon = Lobbyd::named("a").set("RUNTIME_LABELS_FILENAME", "dynamic").start().await;
    assert_ok(&daemon.add_labels("b:2\na:1").await);
    let text = std::fs::read_to_string(daemon.labels_path().join("dynamic")).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["a:1", "b:2"]);
}

#[actix_rt::test]
async fn lines_of_the_runtime_file_edited_by_hand_count() {
    let daemon = Lobbyd::named("a").start().await;
    assert_ok(&daemon.add_labels("a:1").await);
    std::fs::write(daemon.labels_path().join("_runtime"), "hand:1\na:1\n").unwrap();
    assert_ok(&daemon.add_labels("b:2").await);
    assert_eq!(daemon.own_labels().await, json!(["a:1", "b:2", "hand:1"]));
    assert_ok(&daemon.delete_labels("hand:1").await);
    eventually(LIMIT, async || {
        let labels = daemon.own_labels().await;
        ensure(labels == json!(["a:1", "b:2"]), labels)
    })
    .await;
}

#[actix_rt::test]
async fn a_posted_label_opens_each_label_file_once() {
    let daemon = Lobbyd::named("a").without_keep_alive();
    let (tracer, path) = (Tracer::of("openat"), daemon.labels_path());
    for name in ["file", "other", "_runtime"] {
        std::fs::write(path.join(name), format!("{name}:1")).unwrap();
    }
    let daemon = daemon.launched_by(tracer.launcher()).start().await;
    let opened = |path: &Path| {
        let quoted = format!("\"{}\"", path.display());
        tracer.calls().iter().filter(|call| call.contains(&quoted)).count()
    };
    let files = || ["file", "other", "_runtime"].map(|name| opened(&path.join(name)));
    daemon.meets("a").await;
    let (before, listed) = (files(), opened(&path));
    assert_ok(&daemon.add_labels("new:1").await);
    daemon.knows(json!({"a": ["_runtime:1", "file:1", "new:1", "other:1"]})).await;
    // Listed, cleared of temporaries, synced, and listed again because of the event.
    eventually(LIMIT, async || ensure(opened(&path) >= listed + 4, tracer.calls())).await;
    // As a whole: of one that is written there the daemon may see the beginning.
    let elsewhere = path.with_file_name("later");
    std::fs::write(&elsewhere, "later:1").unwrap();
    std::fs::rename(elsewhere, path.join("later")).unwrap();
    daemon.knows(json!({"a": ["_runtime:1", "file:1", "later:1", "new:1", "other:1"]})).await;
    assert_eq!(
        files(),
        before.map(|count| count + 2),
        "once for the label, once for the file that came later"
    );
}
