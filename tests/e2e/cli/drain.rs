//! lobbyctl drain: a server that asks for no more work.

use lobby_tests::{Lobbyd, Outcome, lobbyctl};
use serde_json::{Value, json};

fn quiet() -> Outcome {
    Outcome { stdout: String::new(), stderr: String::new(), status: Some(0) }
}

#[actix_rt::test]
async fn a_server_is_drained_for_a_reason_until_that_is_ended() {
    let daemon = Lobbyd::named("a").labels("service:web").start().await;
    assert_eq!(lobbyctl(&daemon, &["drain", "--show"]).await.stdout, "not drained\n");
    assert_eq!(lobbyctl(&daemon, &["drain"]).await, quiet());
    assert_eq!(daemon.own_labels().await, json!(["drain", "service:web"]));
    let drained = lobbyctl(&daemon, &["drain", "--reason", " kernel \n update"]).await;
    assert_eq!(drained, quiet());
    assert_eq!(daemon.own_labels().await, json!(["drain:kernel update", "service:web"]));
    let shown = lobbyctl(&daemon, &["drain", "--show"]).await;
    assert!(shown.stdout.contains("\n'drain:kernel update'  runtime  "), "{shown:?}");
    let shown = lobbyctl(&daemon, &["drain", "--show", "--json"]).await;
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(shown[0]["label"], "drain:kernel update");
    assert_eq!(lobbyctl(&daemon, &["drain", "--end"]).await, quiet());
    assert_eq!(daemon.own_labels().await, json!(["service:web"]));
    let again = lobbyctl(&daemon, &["drain", "--end"]).await;
    assert_eq!((again.status, again.stderr.contains("was not drained")), (Some(0), true));
}

#[actix_rt::test]
async fn a_drain_for_a_time_ends_by_itself() {
    let daemon = Lobbyd::named("a").start().await;
    assert_eq!(lobbyctl(&daemon, &["drain", "--for", "2s", "--reason", "x"]).await, quiet());
    assert_eq!(daemon.own_labels().await, json!(["drain:x"]));
    daemon.knows(json!({"a": []})).await;
}

#[actix_rt::test]
async fn a_drain_without_an_end_is_given_none_by_another_one() {
    let daemon = Lobbyd::named("a").start().await;
    for (label, words) in [
        ("drain", &["--for", "1h"][..]),
        ("drain", &["--for", "1h", "--reason", "x"]),
        ("drain:disk", &["--for", "1h", "--reason", "x"]),
        ("drain:disk", &["--for", "1h"]),
    ] {
        assert_eq!(lobbyctl(&daemon, &["labels", "add", label]).await, quiet());
        let refused = lobbyctl(&daemon, &[&["drain"], words].concat()).await;
        let told = "without an end: lobbyctl drain --end ends that";
        assert_eq!(refused.status, Some(1), "{refused:?}");
        assert_eq!(refused.stderr, format!("error: the server is drained by {label} {told}\n"));
        assert_eq!(daemon.own_labels().await, json!([label]));
        assert_eq!(lobbyctl(&daemon, &["drain", "--end"]).await, quiet());
    }
}

#[actix_rt::test]
async fn what_drains_the_server_after_the_time_is_told_of() {
    let daemon = Lobbyd::named("a").labels("drain:disk").start().await;
    let outcome = lobbyctl(&daemon, &["drain", "--for", "1h", "--reason", "x"]).await;
    let warning = "warning: drain:disk stays after that: it comes from LABELS\n";
    assert_eq!((outcome.status, outcome.stderr.as_str()), (Some(0), warning));
}

#[actix_rt::test]
async fn a_drain_has_no_json_but_to_show() {
    let daemon = Lobbyd::named("a").start().await;
    for words in [&["drain", "--json"][..], &["drain", "--end", "--json"]] {
        let outcome = lobbyctl(&daemon, words).await;
        assert_eq!(outcome.status, Some(2), "{outcome:?}");
        assert!(outcome.stderr.contains("drain has no JSON to print"), "{outcome:?}");
    }
    assert_eq!(daemon.own_labels().await, json!([]));
    let shown = lobbyctl(&daemon, &["drain", "--show", "--json"]).await;
    assert_eq!((shown.status, shown.stdout.as_str()), (Some(0), "[]\n"));
}

#[actix_rt::test]
async fn a_drain_from_elsewhere_is_not_ended_and_told_of() {
    let builder = Lobbyd::named("a");
    std::fs::write(builder.labels_path().join("base"), "drain:disk\n").unwrap();
    let daemon = builder.start().await;
    let ended = lobbyctl(&daemon, &["drain", "--end"]).await;
    assert_eq!(ended.status, Some(1), "{ended:?}");
    let told = "error: the server is still drained by drain:disk: it comes from the file ";
    assert!(ended.stderr.starts_with(told) && ended.stderr.ends_with("/base\n"), "{ended:?}");
}

#[actix_rt::test]
async fn a_reason_that_cannot_be_a_label_is_wrong_usage() {
    let daemon = Lobbyd::named("a").start().await;
    for reason in ["", "  ", "a\u{1b}[2Jb", "a\u{202e}b", &"x".repeat(2_000)] {
        let outcome = lobbyctl(&daemon, &["drain", "--reason", reason]).await;
        assert_eq!(outcome.status, Some(2), "{outcome:?}");
        assert!(outcome.stderr.contains("--reason"), "{}", outcome.stderr);
    }
    assert_eq!(daemon.own_labels().await, json!([]));
}
