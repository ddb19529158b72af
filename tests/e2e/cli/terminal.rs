//! lobbyctl on a terminal: its colours, and what strangers cannot do to it.

use std::path::Path;
use std::process::Command;

use lobby_tests::{Lobbyd, NatsServer, RawPeer, ensure, eventually, lobbyctl, program};
use tempfile::TempDir;

/// What lobbyctl prints on a terminal of this kind.
async fn printed_on_terminal(daemon: &Lobbyd, environment: &[(&str, &str)], words: &str) -> String {
    let directory = TempDir::new().unwrap();
    let log = directory.path().join("typescript");
    let line =
        format!("{} --port {} {words}", program("lobbyctl").display(), daemon.address().port());
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &line]).arg(&log);
    command
        .env_clear()
        .envs(environment.iter().copied())
        .env("PATH", "/usr/bin:/bin")
        .env("SHELL", "/bin/sh");
    let output = tokio::process::Command::from(command).kill_on_drop(true).output().await.unwrap();
    assert!(output.status.success(), "{}", without_frame(&log));
    without_frame(&log)
}

/// What was printed, without the lines that `script` itself writes at the beginning and the end.
fn without_frame(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap();
    text.lines().filter(|line| !line.starts_with("Script ")).collect::<Vec<_>>().join("\n")
}

#[actix_rt::test]
async fn colours_are_for_terminals_that_can_show_them() {
    let daemon = Lobbyd::named("a").labels("service:web").start().await;
    let coloured = printed_on_terminal(&daemon, &[("TERM", "xterm")], "discovery").await;
    assert!(coloured.contains("\u{1b}[33ma\u{1b}[0m"), "{coloured:?}");
    for environment in [[("TERM", "dumb")], [("NO_COLOR", "1")]] {
        let plain = printed_on_terminal(&daemon, &environment, "discovery").await;
        assert!(
            plain.contains("service:web") && !plain.contains('\u{1b}'),
            "{environment:?} {plain:?}"
        );
    }
}

#[actix_rt::test]
async fn strangers_do_not_write_to_the_terminal() {
    let nats = NatsServer::start().await;
    let daemon = Lobbyd::named("victim").nats(&nats).start().await;
    let peer = RawPeer::nats(&nats).await;
    let forged = r#"{"discovery":{"hostname":"victim","labels":[]},"message":"hi","instance":"\u001b[2J\nforged\u202e"}"#;
    let turned =
        r#"{"discovery":{"hostname":"t","labels":["x:\u202ey","z:\u200b1"]},"message":"hi"}"#;
    eventually(lobby_tests::LIMIT, async || {
        peer.say(forged).await;
        peer.say(turned).await;
        let text = lobbyctl(&daemon, &["discoveries"]).await.stdout;
        ensure(text.contains("x:y") && text.contains("z:1"), text)
    })
    .await;
    let status = lobbyctl(&daemon, &["status"]).await.stdout;
    assert!(status.starts_with("lobbyd "), "{status}");
    assert!(!status.contains('\u{1b}') && !status.contains("\nforged"), "{status:?}");
}
