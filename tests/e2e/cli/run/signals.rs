//! Signals: what is passed on, and what goes before it.

use std::process::Command;
use std::time::Duration;

use lobby_tests::{LIMIT, Lobbyd, NatsServer, Process, Signal, ensure, eventually, now, program};
use serde_json::json;

use super::{Place, children, has_label, heed, lobbyctl_run, run};

#[actix_rt::test]
async fn the_label_goes_before_the_program_is_told_to_stop() {
    let daemon = Lobbyd::named("a").start().await;
    for (signal, name) in [(Signal::TERM, "TERM"), (Signal::INT, "INT"), (Signal::QUIT, "QUIT")] {
        let place = Place::new();
        let ask = format!("curl -s http://{}/v1/resolve?label=service:web", daemon.address());
        let (told, ready) = (place.word("told"), place.word("ready"));
        let script = heed(&ready, &[(name, &format!("{ask} >{told}; exit 5"))]);
        let run = run(&daemon, &[], &script);
        has_label(&daemon).await;
        place.becomes("ready", "ready\n").await;
        run.signal(signal);
        assert_eq!(run.wait(LIMIT).await.status.code(), Some(5), "{name}");
        assert_eq!(place.text("told").trim(), "[]", "{name}");
    }
}

#[actix_rt::test]
async fn a_peer_misses_the_label_while_the_program_still_runs() {
    let nats = NatsServer::start().await;
    let peer = Lobbyd::named("b").nats(&nats).start().await;
    let daemon = Lobbyd::named("a").nats(&nats).start().await;
    let place = Place::new();
    let ask = format!("curl -s http://{}/v1/resolve?label=service:web", peer.address());
    let ready = place.word("ready");
    let missed = format!("test \"$({ask})\" = [] || ! test -e {ready}");
    let until_missed = format!("until {missed}; do sleep 0.1; done; exit 5");
    let run = run(&daemon, &[], &heed(&ready, &[("TERM", &until_missed)]));
    peer.knows(json!({"a": ["service:web"], "b": []})).await;
    place.becomes("ready", "ready\n").await;
    run.signal(Signal::TERM);
    assert_eq!(run.wait(LIMIT).await.status.code(), Some(5));
}

/// A program that writes these signals to a file, each when it comes.
fn logging(log: &str, signals: &[&str]) -> String {
    let commands: Vec<String> = signals.iter().map(|it| format!("echo {it} >>{log}")).collect();
    let commands = commands.iter().map(String::as_str);
    heed(log, &signals.iter().copied().zip(commands).collect::<Vec<_>>())
}

#[actix_rt::test]
async fn signals_are_passed_on_once_and_change_no_label() {
    let daemon = Lobbyd::named("a").start().await;
    let place = Place::new();
    let log = place.word("log");
    let run = run(&daemon, &[], &logging(&log, &["HUP", "USR1", "USR2", "ALRM", "WINCH"]));
    place.becomes("log", "ready\n").await;
    has_label(&daemon).await;
    let mut expected = "ready\n".to_owned();
    for (signal, name) in [
        (Signal::HUP, "HUP"),
        (Signal::USR1, "USR1"),
        (Signal::USR2, "USR2"),
        (Signal::ALARM, "ALRM"),
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
    let ready = place.word("ready");
    let script = format!("echo >{ready}; while test -e {ready}; do sleep 0.1; done");
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

/// How long a program waits for its labels to go.
const PATIENCE: Duration = Duration::from_secs(2);

#[actix_rt::test]
async fn what_comes_behind_a_stop_does_not_end_its_wait() {
    let daemon = Lobbyd::named("a").start().await;
    let place = Place::new();
    let run = run(&daemon, &[], &logging(&place.word("log"), &["HUP", "TERM", "USR1", "WINCH"]));
    place.becomes("log", "ready\n").await;
    has_label(&daemon).await;
    daemon.pause();
    let begun = now();
    run.signal(Signal::TERM);
    run.signal(Signal::WINCH);
    place.becomes("log", "ready\nWINCH\n").await;
    run.signal(Signal::USR1);
    place.becomes("log", "ready\nWINCH\nUSR1\n").await;
    // It would end a program that knows nothing of it, with its label still there.
    run.signal(Signal::HUP);
    let log = || place.text("log");
    eventually(LIMIT, async || ensure(log().contains("TERM") || log().contains("HUP"), log()))
        .await;
    assert!(begun.elapsed() >= PATIENCE, "{:?} {:?}", begun.elapsed(), log());
    eventually(LIMIT, async || ensure(log().contains("TERM") && log().contains("HUP"), log()))
        .await;
}

#[actix_rt::test]
async fn a_second_stop_does_not_wait_for_the_labels() {
    let daemon = Lobbyd::named("a").start().await;
    let place = Place::new();
    let log = place.word("log");
    let (term, quit) = (format!("echo TERM >>{log}"), format!("echo QUIT >>{log}; exit 5"));
    let script = heed(&log, &[("TERM", &term), ("INT", "true"), ("QUIT", &quit)]);
    let run = run(&daemon, &[], &script);
    place.becomes("log", "ready\n").await;
    has_label(&daemon).await;
    daemon.pause();
    let begun = now();
    run.signal(Signal::TERM);
    // Another one, since a signal that is still on its way does not come twice.
    run.signal(Signal::INT);
    place.becomes("log", "ready\nTERM\n").await;
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    let begun = now();
    run.signal(Signal::QUIT);
    place.becomes("log", "ready\nTERM\nQUIT\n").await;
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    // The program has ended, and one more does not wait for the labels either.
    eventually(LIMIT, async || ensure(children(run.id()).is_empty(), children(run.id()))).await;
    run.signal(Signal::INT);
    let exit = run.wait(LIMIT).await;
    assert_eq!(exit.status.code(), Some(5));
    assert!(exit.after < PATIENCE, "{exit:?}");
}

#[actix_rt::test]
async fn a_check_alone_ends_in_one_wait_and_at_a_second_stop() {
    for second in [None, Some(Signal::INT)] {
        let daemon = Lobbyd::named("a").start().await;
        let options = ["--label", "x", "--check", "true", "--every", "1s"];
        let gate = Process::start("gate", &mut lobbyctl_run(daemon.address().port(), &options));
        daemon.knows(json!({"a": ["service:web", "x"]})).await;
        daemon.pause();
        gate.signal(Signal::TERM);
        second.into_iter().for_each(|second| gate.signal(second));
        let exit = gate.wait(LIMIT).await;
        assert_eq!(exit.status.code(), Some(0));
        let most = if second.is_some() { PATIENCE } else { PATIENCE * 2 };
        assert!(exit.after < most, "{second:?} {exit:?}");
        gate.logged("service:web, x could not be removed, and end within 30s").await;
    }
}
