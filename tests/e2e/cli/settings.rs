//! Settings as a person gives them: environment and flags, and what is said about bad ones.

use std::process::Command;

use lobby_tests::{LIMIT, Lobbyd};
use serde_json::json;

use super::refusal;

#[actix_rt::test]
async fn a_bad_setting_is_one_line_that_says_what_is_allowed() {
    let bad = [
        ("PORT", "70000", "65535"),
        ("KEEP_ALIVE", "0", "1"),
        ("TTL", "1", "KEEP_ALIVE"),
        ("CLEAN_EVERY", "often", "1"),
        ("DRIVER", "NATS,Pigeon", "Local"),
        ("REGISTER", "maybe", "true"),
        ("RUNTIME_LABELS_FILENAME", "../escape", "/"),
        ("NODE_EXPORTER_PORT", "-1", "65535"),
        ("LOG_FORMAT", "xml", "json"),
        ("HOSTNAME", "two words", "white space"),
        ("LABELS", "good:1,bad\u{1}:1", "control"),
        ("MAX_SERVERS", "many", "4294967295"),
        ("MAX_PACKET_RATE", "-1", "4294967295"),
        ("CALLBACK", "unclosed 'quote", "quot"),
    ];
    for (setting, value, allowed) in bad {
        let line = refusal(&Lobbyd::named("a").set(setting, value).spawn()).await;
        let shown = value.replace('\u{1}', "");
        let word = shown.rsplit([',', ' ']).next().unwrap_or_default().trim_matches('\'');
        let word = word.split(':').next().unwrap_or_default();
        assert!(
            [setting, word, allowed].iter().all(|part| line.contains(part)),
            "{setting}={value}: {line}"
        );
    }
}

#[actix_rt::test]
async fn nats_without_an_address_is_refused() {
    let line = refusal(&Lobbyd::named("a").set("DRIVER", "NATS").spawn()).await;
    assert!(line.contains("NATS_URL"), "{line}");
}

#[actix_rt::test]
async fn an_unknown_flag_is_refused() {
    let daemon = Lobbyd::named("a").argument("--bogus").spawn();
    assert_eq!(daemon.wait(LIMIT).await.status.code(), Some(2));
    daemon.logged("--bogus").await;
}

#[actix_rt::test]
async fn a_secret_and_its_file_together_are_refused_unshown() {
    let daemon = Lobbyd::named("a");
    let file = daemon.labels_path().with_file_name("secret");
    std::fs::write(&file, "from-file-s3cret").unwrap();
    let line =
        refusal(&daemon.set("TOKEN", "from-env-s3cret").set("TOKEN_FILE", &file).spawn()).await;
    assert!(line.contains("TOKEN_FILE") && !line.contains("s3cret"), "{line}");
}

#[actix_rt::test]
async fn a_bad_url_is_refused_without_its_password() {
    let daemon =
        Lobbyd::named("a").set("DRIVER", "NATS").set("NATS_URL", "http://user:s3cret@127.0.0.1");
    let line = refusal(&daemon.spawn()).await;
    assert!(line.contains("NATS_URL") && !line.contains("s3cret"), "{line}");
}

#[actix_rt::test]
async fn a_flag_beats_the_environment_which_beats_the_default() {
    let daemon = Lobbyd::named("environment").labels("from:environment");
    let daemon =
        daemon.argument("--hostname=flag").argument("--labels").argument("from:flag").start().await;
    daemon.knows(json!({"flag": ["from:flag"]})).await;
}

#[actix_rt::test]
async fn a_variable_that_is_set_but_empty_counts_as_unset() {
    let daemon = Lobbyd::named("a")
        .set("REGISTER", "")
        .set("TOKEN", "")
        .set("LABELS", "")
        .set("MAX_SERVERS", "");
    daemon.start().await.knows(json!({"a": []})).await;
}

#[actix_rt::test]
async fn booleans_are_taken_in_every_spelling() {
    for no in ["false", "FALSE", "0", "f", "F", "no", "No"] {
        let daemon = Lobbyd::named("a").set("REGISTER", no).start().await;
        assert_eq!(daemon.lobby().await, json!({}), "{no}");
    }
    for yes in ["true", "True", "1", "t", "T", "yes", "YES"] {
        let daemon = Lobbyd::named("a").set("REGISTER", yes).start().await;
        daemon.knows(json!({"a": []})).await;
    }
}

#[actix_rt::test]
async fn drivers_are_named_in_any_case() {
    for driver in ["local", "LOCAL", "Local, local"] {
        Lobbyd::named("a").set("DRIVER", driver).start().await.knows(json!({"a": []})).await;
    }
}

#[actix_rt::test]
async fn without_hostname_the_name_is_the_machines() {
    let output = Command::new("hostname").output().unwrap();
    let name = String::from_utf8(output.stdout).unwrap();
    let daemon = Lobbyd::named("a").unset("HOSTNAME").start().await;
    daemon.knows(json!({name.trim(): []})).await;
}

#[actix_rt::test]
async fn what_is_odd_about_settings_is_said_at_the_start() {
    let daemon = Lobbyd::named("a")
        .labels("service=web")
        .set("NATS_URL", "nats://user:s3cret@broker")
        .start()
        .await;
    daemon.logged("LABELS").await;
    daemon.logged("NATS_URL").await;
    let odd: Vec<_> =
        daemon.logs().into_iter().filter(|line| line.contains("a setting is odd")).collect();
    assert_eq!(odd.len(), 2, "{odd:?}");
    assert!(
        odd[0].contains("separated by a colon") && odd[1].contains("DRIVER does not name NATS"),
        "{odd:?}"
    );
    assert!(!odd[1].contains("s3cret"), "{odd:?}");
}
