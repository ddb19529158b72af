//! Run on a terminal.

use std::process::{Command, Stdio};

use lobby_tests::{LIMIT, Lobbyd, program};
use serde_json::json;

use super::{Place, children, has_label};

#[actix_rt::test]
async fn an_interrupt_from_a_terminal_is_not_doubled() {
    let daemon = Lobbyd::named("a").start().await;
    let place = Place::new();
    let log = place.word("log");
    place.write(
        "script",
        &format!(
            "trap 'echo INT >>{log}' INT; trap 'exit 9' TERM; echo ready >{log}\n\
             while :; do sleep 0.1; done\n"
        ),
    );
    let line = format!(
        "exec {} run --label service:web --port {} -- sh {}",
        program("lobbyctl").display(),
        daemon.address().port(),
        place.word("script")
    );
    let mut terminal = Command::new("script");
    terminal.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    terminal.stdin(Stdio::piped()).stdout(Stdio::null()).env("SHELL", "/bin/sh");
    let mut terminal = tokio::process::Command::from(terminal).kill_on_drop(true).spawn().unwrap();
    place.becomes("log", "ready\n").await;
    has_label(&daemon).await;
    let mut keys = terminal.stdin.take().unwrap();
    let press = async |keys: &mut tokio::process::ChildStdin| {
        tokio::io::AsyncWriteExt::write_all(keys, b"\x03").await.unwrap();
    };
    press(&mut keys).await;
    place.becomes("log", "ready\nINT\n").await;
    assert_eq!(daemon.own_labels().await, json!([]), "the label goes before");
    press(&mut keys).await;
    place.becomes("log", "ready\nINT\nINT\n").await;
    let run = children(terminal.id().unwrap());
    let told = Command::new("kill").arg("-TERM").arg(run[0].to_string()).status().unwrap();
    assert!(told.success());
    let status = tokio::time::timeout(LIMIT, terminal.wait()).await.unwrap().unwrap();
    assert_eq!((status.code(), place.text("log").as_str()), (Some(9), "ready\nINT\nINT\n"));
}
