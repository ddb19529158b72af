//! Signals: what is passed on, and what goes before it.

use lobby_tests::{LIMIT, Lobbyd, Process, Signal, program};
use serde_json::json;
use std::process::Command;

use super::{Place, has_label, run};

#[actix_rt::test]
async fn the_label_goes_before_the_program_is_told_to_stop() {
    let daemon = Lobbyd::named("a").start().await;
    for (signal, name) in [(Signal::TERM, "TERM"), (Signal::INT, "INT")] {
        let place = Place::new();
        let ask = format!("curl -s http://{}/v1/resolve?label=service:web", daemon.address());
        let (told, ready) = (place.word("told"), place.word("ready"));
        let script = format!(
            "trap '{ask} >{told}; exit 5' {name}; echo >{ready}; while :; do sleep 0.1; done"
        );
        let run = run(&daemon, &[], &script);
        has_label(&daemon).await;
        place.becomes("ready", "\n").await;
        run.signal(signal);
        assert_eq!(run.wait(LIMIT).await.status.code(), Some(5), "{name}");
        assert_eq!(place.text("told").trim(), "[]", "{name}");
    }
}

#[actix_rt::test]
async fn signals_are_passed_on_once_and_change_no_label() {
    let daemon = Lobbyd::named("a").start().await;
    let place = Place::new();
    let log = place.word("log");
    let traps = ["HUP", "USR1", "USR2", "WINCH"].map(|it| format!("trap 'echo {it} >>{log}' {it}"));
    let script = format!("{}; echo ready >{log}; while :; do sleep 0.1; done", traps.join("; "));
    let run = run(&daemon, &[], &script);
    place.becomes("log", "ready\n").await;
    has_label(&daemon).await;
    let mut expected = "ready\n".to_owned();
    for (signal, name) in [
        (Signal::HUP, "HUP"),
        (Signal::USR1, "USR1"),
        (Signal::USR2, "USR2"),
        (Signal::WINCH, "WINCH"),
        (Signal::HUP, "HUP"),
    ] {
        run.signal(signal);
        expected += &format!("{name}\n");
        place.becomes("log", &expected).await;
    }
    assert_eq!(daemon.own_labels().await, json!(["service:web"]));
    run.signal(Signal::TERM);
    assert_eq!(run.wait(LIMIT).await.status.code(), Some(143));
    assert_eq!(place.text("log"), expected);
}

#[actix_rt::test]
async fn what_was_ignored_at_the_start_stays_so_for_the_program() {
    let daemon = Lobbyd::named("a").start().await;
    let place = Place::new();
    let script = format!("echo >{}; while :; do sleep 0.1; done", place.word("ready"));
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$@\"", "sh"]).arg(program("lobbyctl"));
    command.args(["run", "--label", "service:web", "--", "sh", "-c", &script]);
    command.env("PORT", daemon.address().port().to_string());
    let run = Process::start("run", &mut command);
    place.becomes("ready", "\n").await;
    has_label(&daemon).await;
    // One that is passed on would end it with another status.
    run.signal(Signal::HUP);
    run.signal(Signal::TERM);
    assert_eq!(run.wait(LIMIT).await.status.code(), Some(143));
}
