//! Labels that end: what is `OK` lasts as long as was asked for, over a restart too, and no longer.

use std::ffi::OsString;
use std::fs;
use std::time::Duration;

use futures_util::future::join_all;
use lobby_client::{Label, LabelOrigin};
use lobby_tests::{
    Answer, LIMIT, Lobbyd, LobbydBuilder, NatsServer, Signal, ensure, eventually, now,
};
use serde_json::{Value, json};

#[track_caller]
fn assert_ok(answer: &Answer) {
    assert_eq!((answer.status, answer.text().as_str()), (200, "OK"));
}

/// A daemon `a` that publishes nothing unless something changes.
fn quiet() -> LobbydBuilder {
    Lobbyd::named("a").without_keep_alive()
}

/// How long it is until then, in seconds by the daemon's clock.
async fn seconds_until(until: &Value, daemon: &Lobbyd) -> i64 {
    let now = &daemon.get_json("/v1/status").await["now"];
    until.as_i64().expect("a time") - now.as_i64().expect("a time")
}

/// The leases by label, each with the seconds that it still lasts.
pub(crate) async fn leases(daemon: &Lobbyd) -> Vec<(String, i64)> {
    let labels = daemon.get_json("/v1/labels").await;
    let leases = labels.as_array().unwrap().iter().filter(|label| label["source"] == "lease");
    join_all(leases.map(async |lease| {
        let label = lease["label"].as_str().unwrap().to_owned();
        (label, seconds_until(&lease["until"], daemon).await)
    }))
    .await
}

#[actix_rt::test]
async fn a_label_ends_after_its_time_and_not_before() {
    let daemon = quiet().labels("env:1").start().await;
    assert_ok(&daemon.lease_labels("short:1\nshort:2", "2s").await);
    assert_eq!(daemon.own_labels().await, json!(["env:1", "short:1", "short:2"]));
    daemon.knows(json!({"a": ["env:1", "short:1", "short:2"]})).await;
    let asked = now();
    assert_ok(&daemon.lease_labels("short:1", "2s").await);
    daemon.knows(json!({"a": ["env:1"]})).await;
    assert!(asked.elapsed() >= Duration::from_secs(2), "{:?}", asked.elapsed());
    assert!(!daemon.state_path().exists(), "it needs no disk");
}

#[actix_rt::test]
async fn the_same_again_renews_and_delete_ends() {
    let daemon = quiet().start().await;
    for ttl in ["60s", "1h", "1"] {
        assert_ok(&daemon.lease_labels("a:1", ttl).await);
    }
    daemon.knows(json!({"a": []})).await;
    assert_ok(&daemon.lease_labels("a:1\nb:2", "1h").await);
    assert_ok(&daemon.delete_labels("a:1").await);
    assert_eq!(daemon.own_labels().await, json!(["b:2"]));
    daemon.knows(json!({"a": ["b:2"]})).await;
    let lease = &leases(&daemon).await[0];
    assert!(lease.0 == "b:2" && (3590..=3601).contains(&lease.1), "{lease:?}");
}

#[actix_rt::test]
async fn an_end_leaves_what_comes_from_elsewhere() {
    let daemon = quiet().labels("env:1").set("FACTS", "version").start().await;
    fs::write(daemon.labels_path().join("file"), "file:1\n").unwrap();
    assert_ok(&daemon.add_labels("runtime:1").await);
    let fact = format!("lobbyd:{}", env!("CARGO_PKG_VERSION"));
    let all = format!("env:1\nfile:1\nruntime:1\nonly:1\n{fact}");
    assert_ok(&daemon.lease_labels(&all, "1s").await);
    daemon.knows(json!({"a": ["env:1", "file:1", fact, "only:1", "runtime:1"]})).await;
    daemon.knows(json!({"a": ["env:1", "file:1", fact, "runtime:1"]})).await;
    assert_eq!(leases(&daemon).await, []);
}

#[actix_rt::test]
async fn each_label_is_listed_with_where_it_comes_from() {
    let daemon = quiet().labels("env:1").set("FACTS", "version").start().await;
    let path = daemon.labels_path();
    fs::write(path.join("file"), "file:1\nboth:1\n").unwrap();
    assert_ok(&daemon.add_labels("runtime:1\nboth:1").await);
    assert_ok(&daemon.lease_labels("both:1", "60s").await);
    let mut labels = daemon.get_json("/v1/labels").await;
    let until = seconds_until(&labels[2]["until"].take(), &daemon).await;
    assert!((55..=61).contains(&until), "{until}");
    let (file, runtime) = (path.join("file"), path.join("_runtime"));
    let version = format!("lobbyd:{}", env!("CARGO_PKG_VERSION"));
    let listed = json!([
        {"label": "both:1", "source": "file", "file": file, "until": null},
        {"label": "both:1", "source": "runtime", "file": runtime, "until": null},
        {"label": "both:1", "source": "lease", "file": null, "until": null},
        {"label": "env:1", "source": "env", "file": null, "until": null},
        {"label": "file:1", "source": "file", "file": file, "until": null},
        {"label": version, "source": "fact", "file": null, "until": null},
        {"label": "runtime:1", "source": "runtime", "file": runtime, "until": null},
    ]);
    assert_eq!(labels, listed);
}

#[actix_rt::test]
async fn who_may_only_read_may_list_labels_and_add_none() {
    let daemon = quiet().set("TOKEN", "write").set("READ_TOKEN", "read").start().await;
    let authorised = |token: &str| format!("Token {token}");
    let (write, read) = (authorised("write"), authorised("read"));
    let ask = async |method: &str, token: &str| {
        let path = "/v1/labels?ttl=60s";
        daemon.request(method, path, &[("Authorization", token)], "a:1").await.status
    };
    assert_eq!((ask("GET", &read).await, ask("POST", &read).await), (200, 403));
    assert_eq!((ask("POST", &write).await, ask("GET", "none").await), (200, 403));
}

#[actix_rt::test]
async fn a_bad_time_is_refused_with_what_is_right() {
    let daemon = quiet().start().await;
    for ttl in ["", "0", "0s", "366d", "8761h", "-1", "1.5h", "soon", "1w"] {
        let answer = daemon.lease_labels("a:1", ttl).await;
        assert_eq!(answer.status, 400, "{ttl}");
        let right = "is not a time for a label: expected 1s to 365d";
        assert!(answer.text().contains(right), "{}", answer.text());
    }
    let json = [("Content-Type", "application/json")];
    let answer = daemon.request("POST", "/v1/labels?ttl=60s", &json, "[\"a:1\"]").await;
    assert_eq!(answer.status, 415);
    assert_ok(&daemon.lease_labels("", "60s").await);
    assert_eq!(daemon.own_labels().await, json!([]));
}

#[actix_rt::test]
async fn too_many_labels_are_refused_and_none_is_added() {
    let daemon = quiet().start().await;
    let labels = |count: usize| (0..count).map(|n| format!("n:{n:04}\n")).collect::<String>();
    assert_ok(&daemon.lease_labels(&labels(1024), "1h").await);
    let answer = daemon.lease_labels(&labels(1025), "1h").await;
    assert!(answer.status == 400 && answer.text().contains("1025 labels"), "{}", answer.text());
    let answer = daemon.add_labels("more:1").await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(leases(&daemon).await.len(), 1024);
    assert_ok(&daemon.lease_labels(&labels(1024), "1h").await);
}

#[actix_rt::test]
async fn leases_survive_a_restart_and_a_kill() {
    let daemon = quiet().start().await;
    assert_ok(&daemon.lease_labels("long:1", "1h").await);
    assert_ok(&daemon.lease_labels("gone:1", "1h").await);
    assert_ok(&daemon.lease_labels("short:1", "9s").await);
    assert_ok(&daemon.delete_labels("gone:1").await);
    daemon.kill();
    daemon.wait(LIMIT).await;
    let again = daemon.start_again().await;
    let kept = leases(&again).await;
    assert!(matches!(&kept[..], [(label, 3500..=3601)] if label == "long:1"), "{kept:?}");
    assert_ok(&again.lease_labels("long:1", "5s").await);
    again.signal(Signal::TERM);
    again.wait(LIMIT).await;
    assert_eq!(again.start_again().await.own_labels().await, json!([]), "it was shortened");
}

#[actix_rt::test]
async fn without_root_leases_are_kept_in_the_users_directory() {
    let home = tempfile::tempdir().unwrap();
    // A user namespace: its user is nobody, and may do what the one outside may.
    let launcher = ["unshare", "--user"].map(OsString::from).to_vec();
    let daemon = quiet().unset("STATE_PATH").set("XDG_STATE_HOME", home.path());
    let daemon = daemon.launched_by(launcher).start().await;
    assert_ok(&daemon.lease_labels("a:1", "1h").await);
    assert!(home.path().join("lobby/leases-a.json").is_file());
    daemon.kill();
    daemon.wait(LIMIT).await;
    assert_eq!(daemon.start_again().await.own_labels().await, json!(["a:1"]));
}

#[actix_rt::test]
async fn a_restart_of_a_daemon_shows_its_peers_no_change() {
    let nats = NatsServer::start().await;
    let peer = Lobbyd::named("peer").nats(&nats).start().await;
    let daemon = Lobbyd::named("a").nats(&nats).set("KEEP_ALIVE", "3600").set("TTL", "7200");
    let daemon = daemon.start().await;
    assert_ok(&daemon.lease_labels("program:runs", "1h").await);
    peer.knows(json!({"a": ["program:runs"], "peer": []})).await;
    let mut feed = peer.feed("/v1/events", &[]).await;
    assert_eq!(feed.next_change().await.name, "snapshot");
    daemon.kill();
    daemon.wait(LIMIT).await;
    let again = daemon.start_again().await;
    // Sent behind everything that the restart sends.
    assert_ok(&again.add_labels("marker:1").await);
    let update = feed.next_change().await;
    assert_eq!((update.name.as_str(), &update.data["added"]), ("update", &json!(["marker:1"])));
    assert_eq!(update.data["removed"], json!([]));
    again.signal(Signal::TERM);
    again.wait(LIMIT).await;
    assert_eq!(feed.next_change().await.name, "leave", "it said goodbye");
    let _third = again.start_again().await;
    let join = feed.next_change().await;
    assert_eq!(join.name, "join");
    assert_eq!(join.data["host"]["labels"], json!(["marker:1", "program:runs"]), "at once");
}

#[actix_rt::test]
async fn a_store_that_is_torn_or_foreign_is_told_once_and_set_aside() {
    for contents in ["{\"leases\":[{\"label\":\"a:", "[1,2]\n", "\0\0\0\0"] {
        let daemon = quiet();
        fs::create_dir(daemon.state_path()).unwrap();
        let path = daemon.state_path().join("leases-a.json");
        fs::write(&path, contents).unwrap();
        let daemon = daemon.start().await;
        daemon.logged("is not a file of leases").await;
        assert_eq!(daemon.own_labels().await, json!([]));
        assert_ok(&daemon.lease_labels("a:1", "1h").await);
        let aside = daemon.state_path().join("leases-a.json.broken");
        assert_eq!(fs::read_to_string(aside).unwrap(), contents);
        daemon.kill();
        daemon.wait(LIMIT).await;
        let again = daemon.start_again().await;
        assert_eq!(again.own_labels().await, json!(["a:1"]));
        assert_eq!(again.logs_with("is not a file of leases"), [""; 0], "told once");
    }
}

#[actix_rt::test]
async fn a_removal_that_was_half_done_says_so() {
    let daemon = quiet().start().await;
    assert_ok(&daemon.add_labels("kept:1\nsame:1").await);
    assert_ok(&daemon.lease_labels("ending:1", "60s").await);
    fs::remove_dir_all(daemon.state_path()).unwrap();
    fs::write(daemon.state_path(), "a file").unwrap();
    let removal = daemon.request("DELETE", "/v1/labels", &[], "kept:1\nending:1").await;
    let half = "some of the labels may have been removed: GET /v1/labels lists those that are left";
    assert_eq!(removal.status, 500);
    assert!(removal.text().contains(half), "{}", removal.text());
    // What the disk has to do with is told; the rest is done.
    let only_one = daemon.request("DELETE", "/v1/labels", &[], "same:1").await;
    assert_ok(&only_one);
}

#[actix_rt::test]
async fn a_state_path_that_cannot_be_written_refuses_long_leases_only() {
    let daemon = quiet();
    fs::write(daemon.state_path(), "a file").unwrap();
    let daemon = daemon.start().await;
    let answer = daemon.lease_labels("long:1", "10s").await;
    assert_eq!(answer.status, 500);
    assert!(answer.text().contains("STATE_PATH"), "{}", answer.text());
    assert_ok(&daemon.lease_labels("short:1", "9s").await);
    assert_eq!(daemon.own_labels().await, json!(["short:1"]));
    daemon.knows(json!({"a": ["short:1"]})).await;
    daemon.logged("labels that end cannot be stored").await;
    fs::remove_file(daemon.state_path()).unwrap();
    assert_ok(&daemon.lease_labels("long:1", "10s").await);
    daemon.logged("labels that end are stored again").await;
}

#[actix_rt::test]
async fn the_calls_of_the_library_lease_and_list_labels() {
    let daemon = quiet().labels("env:1").start().await;
    let label = [Label::parse("a:1").unwrap()];
    let client = daemon.client();
    client.add_labels_for(&label, Duration::from_millis(59_001)).await.unwrap();
    let listed = client.labels().await.unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!((listed[0].source, listed[1].source), (LabelOrigin::Lease, LabelOrigin::Env));
    let until = seconds_until(&json!(listed[0].until), &daemon).await;
    assert!((55..=61).contains(&until), "{until}");
    let handle = lobby_client::Handle::new(&format!("http://{}", daemon.address())).unwrap();
    assert_eq!(handle.labels().await.unwrap(), listed);
    handle.add_labels_for(&label, Duration::from_secs(1)).await.unwrap();
    eventually(LIMIT, async || {
        let left = handle.labels().await.unwrap();
        ensure(left.len() == 1, format!("{left:?}"))
    })
    .await;
}
