//! lobbyctl labels: where they come from, those that end, and what is told of those that stay.

use lobby_tests::{Lobbyd, OldDaemon, Outcome, lobbyctl, lobbyctl_with, program};
use serde_json::{Value, json};
use tokio::process::Command;

async fn ask(daemon: &OldDaemon, arguments: &[&str]) -> Outcome {
    lobbyctl_with(&[("PORT", &daemon.port().to_string())], arguments).await
}

/// A daemon with labels of all kinds.
async fn daemon() -> Lobbyd {
    let builder = Lobbyd::named("a").labels("both:1,env:1");
    std::fs::write(builder.labels_path().join("base"), "both:1\nrack:b7\n").unwrap();
    let daemon = builder.start().await;
    for arguments in
        [&["labels", "add", "added:two words"][..], &["labels", "add", "--for", "1h", "for:hour"]]
    {
        let outcome = lobbyctl(&daemon, arguments).await;
        assert_eq!((outcome.status, outcome.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    }
    daemon
}

#[actix_rt::test]
async fn labels_list_tells_where_each_label_comes_from() {
    let daemon = daemon().await;
    let listed = lobbyctl(&daemon, &["labels", "list"]).await;
    assert_eq!((listed.status, listed.stderr.as_str()), (Some(0), ""));
    let file = |name: &str| daemon.labels_path().join(name).display().to_string();
    let rows: Vec<Vec<&str>> =
        listed.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["LABEL", "SOURCE", "FILE", "UNTIL", "LEFT"]);
    let mut found: Vec<_> = rows[1..].iter().map(|row| (row[0], row[1], row[2])).collect();
    found.sort_unstable();
    let base = file("base");
    let expected = [
        ("'added:two", "words'", "runtime"),
        ("both:1", "env", "-"),
        ("both:1", "file", &base),
        ("env:1", "env", "-"),
        ("for:hour", "lease", "-"),
        ("rack:b7", "file", &base),
    ];
    assert_eq!(found, expected);
    let runtime = file("_runtime");
    assert!(listed.stdout.contains(&format!("\n'added:two words'  runtime  {runtime}  ")));
    let lease = rows.iter().find(|row| row[1] == "lease").unwrap();
    let left = &lease[4];
    assert!(lease[3].ends_with('Z') && (*left == "1h" || left.starts_with("59m")), "{lease:?}");
    let listed = lobbyctl(&daemon, &["labels", "list", "--json"]).await.stdout;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed, daemon.get_json("/v1/labels").await);
}

#[actix_rt::test]
async fn a_label_is_shown_so_that_a_shell_takes_it() {
    let daemon = Lobbyd::named("a").start().await;
    let odd = ["note:two words", "it's:1", "x:$(id)", "město:Praha", "a;b", "hidden:\u{200b}1"];
    let added = lobbyctl(&daemon, &[&["labels", "add"], &odd[..]].concat()).await;
    assert_eq!(added.status, Some(0), "{added:?}");
    let listed = lobbyctl(&daemon, &["labels", "list"]).await.stdout;
    let shown: Vec<_> = listed.lines().filter_map(|line| line.split_once("  runtime")).collect();
    let words: Vec<_> = shown.iter().map(|(word, _)| word.trim_end()).collect();
    assert_eq!(words.len(), odd.len(), "{listed}");
    let script =
        format!("{} labels del --strict {}", program("lobbyctl").display(), words.join(" "));
    let mut shell = Command::new("bash");
    shell.args(["-c", &script]).env("PORT", daemon.address().port().to_string());
    let removed = shell.env("LC_ALL", "C.UTF-8").output().await.unwrap();
    assert_eq!((removed.status.code(), removed.stderr.as_slice()), (Some(0), &b""[..]), "{script}");
    assert_eq!(daemon.own_labels().await, json!([]));
}

#[actix_rt::test]
async fn labels_added_for_a_time_end_and_those_from_elsewhere_stay() {
    let daemon = Lobbyd::named("a").labels("env:1").start().await;
    let added = lobbyctl(&daemon, &["labels", "add", "--for", "2s", "x:1", "env:1"]).await;
    assert_eq!(added.status, Some(0), "{added:?}");
    assert_eq!(added.stderr, "warning: env:1 stays after that: it comes from LABELS\n");
    assert_eq!(daemon.own_labels().await, json!(["env:1", "x:1"]));
    daemon.knows(json!({"a": ["env:1"]})).await;
}

#[actix_rt::test]
async fn del_tells_what_stays_and_what_was_not_there() {
    let daemon = daemon().await;
    let words = ["labels", "del", "added:two words", "for:hour", "both:1", "rack:b7", "typo"];
    let removed = lobbyctl(&daemon, &words).await;
    assert_eq!((removed.status, removed.stdout.as_str()), (Some(0), ""), "{removed:?}");
    let base = daemon.labels_path().join("base").display().to_string();
    let expected = format!(
        "warning: both:1 stays: it comes from LABELS and the file {base}\n\
         warning: rack:b7 stays: it comes from the file {base}\n\
         warning: typo was not there\n"
    );
    assert_eq!(removed.stderr, expected);
    assert_eq!(daemon.own_labels().await, json!(["both:1", "env:1", "rack:b7"]));
    let strict = lobbyctl(&daemon, &["labels", "del", "--strict", "typo"]).await;
    assert_eq!(strict.status, Some(1), "{strict:?}");
    assert!(strict.stderr.ends_with("error: one label was not removed\n"), "{}", strict.stderr);
    lobbyctl(&daemon, &["labels", "add", "x"]).await;
    let strict = lobbyctl(&daemon, &["labels", "del", "--strict", "x"]).await;
    assert_eq!((strict.status, strict.stderr.as_str()), (Some(0), ""));
}

#[actix_rt::test]
async fn a_daemon_of_before_keeps_nothing_for_good_by_mistake() {
    for refusal in [404, 405] {
        let old = OldDaemon::start(refusal).await;
        for arguments in [
            &["labels", "add", "--for", "1h", "x:1"][..],
            &["drain", "--for", "1h"],
            &["run", "--label", "x:1", "--", "false"],
            &["labels", "del", "--strict", "x:1"],
            &["labels", "list"],
        ] {
            let outcome = ask(&old, arguments).await;
            assert_eq!((outcome.status, outcome.stdout.as_str()), (Some(1), ""), "{outcome:?}");
            assert!(outcome.stderr.starts_with("error: the daemon is "), "{}", outcome.stderr);
        }
        assert_eq!(old.changes(), [""; 0]);
    }
}

#[actix_rt::test]
async fn a_daemon_of_before_is_asked_as_before() {
    let old = OldDaemon::start(405).await;
    let quiet = (Some(0), String::new(), String::new());
    for arguments in [&["labels", "add", "x:1"][..], &["labels", "del", "y"], &["drain"]] {
        let Outcome { stdout, stderr, status } = ask(&old, arguments).await;
        assert_eq!((status, stdout, stderr), quiet, "{arguments:?}");
    }
    let changes = ["POST /v1/labels x:1", "DELETE /v1/labels y", "POST /v1/labels drain"];
    assert_eq!(old.changes(), changes);
    let shown = ask(&old, &["drain", "--show"]).await.stdout;
    assert!(shown.contains("\ndrain  other  "), "{shown}");
    // Its own label goes by nothing that is done here.
    let ended = ask(&old, &["drain", "--end"]).await;
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("still drained by drain: it comes from elsewhere"));
}

#[actix_rt::test]
async fn a_daemon_that_cannot_store_says_why_nothing_was_added() {
    let builder = Lobbyd::named("a");
    let file = builder.labels_path().with_file_name("a-file");
    std::fs::write(&file, "").unwrap();
    let daemon = builder.set("STATE_PATH", file.join("state")).start().await;
    let refused = lobbyctl(&daemon, &["labels", "add", "--for", "1h", "x:1"]).await;
    assert_eq!((refused.status, refused.stdout.as_str()), (Some(1), ""), "{refused:?}");
    assert!(
        refused.stderr.lines().count() == 1 && refused.stderr.contains("a-file"),
        "{refused:?}"
    );
    assert_eq!(daemon.own_labels().await, json!([]));
}

#[actix_rt::test]
async fn a_time_that_cannot_be_meant_is_wrong_usage() {
    for time in ["0", "1", "soon", "2y", "500ms", ""] {
        let outcome = lobbyctl_with(&[], &["labels", "add", "--for", time, "x"]).await;
        assert_eq!((outcome.status, outcome.stdout.as_str()), (Some(2), ""), "{time:?}");
        assert!(outcome.stderr.contains("--for"), "{}", outcome.stderr);
    }
}
