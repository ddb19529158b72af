//! When the callback runs, and what it is given.

use std::time::Duration;

use lobby_tests::{
    LIMIT, Lobbyd, LobbydBuilder, NatsServer, RawPeer, Run, Script, Signal, ensure, eventually,
};
use serde_json::{Value, json};

/// A daemon `me` that runs the script at once and after each change, and never forgets.
fn daemon(script: &Script) -> LobbydBuilder {
    let daemon = Lobbyd::named("me").set("CALLBACK", script.command()).set("TTL", "7200");
    let daemon = daemon.set("CALLBACK_FIRST_RUN_DELAY", "0").set("CALLBACK_COOLDOWN", "0");
    daemon.set("CALLBACK_SETTLE", "0")
}

#[actix_rt::test]
async fn the_first_run_always_comes_and_is_given_all_packets() {
    let script = Script::recording_then("");
    let daemon = daemon(&script).labels("x:1").start().await;
    let run = script.runs_until(|run| !run.hosts().is_empty()).await;
    assert_eq!((run.hosts(), run.labels_of("me")), (vec!["me"], Some(&json!(["x:1"]))));
    let listed = &daemon.discoveries().await[0];
    assert!(
        run.input[0].as_object().unwrap().keys().eq(listed.as_object().unwrap().keys()),
        "{listed}"
    );
}

#[actix_rt::test]
async fn the_first_run_comes_even_to_an_empty_lobby() {
    let script = Script::recording_then("");
    let _daemon = daemon(&script).set("REGISTER", "false").start().await;
    assert_eq!(script.runs_until(|_| true).await.input, json!([]));
}

#[actix_rt::test]
async fn the_first_run_waits_for_its_delay_whatever_changes_before() {
    let script = Script::recording_then("");
    let started = std::time::UNIX_EPOCH.elapsed().unwrap();
    let daemon = daemon(&script).set("CALLBACK_FIRST_RUN_DELAY", "3").start().await;
    daemon.add_labels("x:1").await;
    let run = script.runs_until(|_| true).await;
    assert!(
        Duration::from_nanos_u128(run.begin) >= started + Duration::from_secs(3),
        "{started:?} {run:?}"
    );
    assert_eq!(run.labels_of("me"), Some(&json!(["x:1"])));
}

#[actix_rt::test]
async fn without_a_change_there_is_no_run() {
    let nats = NatsServer::start().await;
    let (wire, script) = (RawPeer::nats(&nats).await, Script::recording_then(""));
    let _daemon = daemon(&script).nats(&nats).start().await;
    script.runs_until(|run| run.hosts() == ["me"]).await;
    let (runs, packets) = (script.runs().len(), wire.heard_from("me", "hi").len());
    wire.hears(packets + 3, "me", "hi").await;
    wire.say("garbage").await;
    wire.say_goodbye("nobody-knows-me").await;
    let packets = wire.heard_from("me", "hi").len();
    wire.hears(packets + 2, "me", "hi").await;
    assert_eq!(script.runs().len(), runs);
}

#[actix_rt::test]
async fn arrival_change_goodbye_and_expiry_each_lead_to_a_run() {
    let nats = NatsServer::start().await;
    let (wire, script) = (RawPeer::nats(&nats).await, Script::recording_then(""));
    let _daemon = daemon(&script).set("TTL", "5").nats(&nats).start().await;
    script.runs_until(|run| run.hosts() == ["me"]).await;
    wire.hears(1, "me", "hi").await;
    let shows = |expected: Value| move |run: &Run| run.labels_of("x") == Some(&expected);
    wire.say_hi("x", &["a:1"]).await;
    script.runs_until(shows(json!(["a:1"]))).await;
    wire.say_hi("x", &["a:2"]).await;
    script.runs_until(shows(json!(["a:2"]))).await;
    wire.say_goodbye("x").await;
    script.runs_until(|run| run.hosts() == ["me"]).await;
    wire.say_hi("x", &["a:3"]).await;
    script.runs_until(shows(json!(["a:3"]))).await;
    // Nobody says goodbye now: it expires.
    script.runs_until(|run| run.hosts() == ["me"]).await;
}

#[actix_rt::test]
async fn many_changes_are_one_run_after_the_cooldown() {
    let script = Script::recording_then("sleep 0.5");
    let daemon = daemon(&script).set("CALLBACK_COOLDOWN", "2").start().await;
    script.runs_until(|_| true).await;
    for number in 0..20 {
        assert_eq!(daemon.add_labels(&format!("n:{number:02}")).await.status, 200);
    }
    let all = daemon.own_labels().await;
    script.runs_until(|run| run.labels_of("me") == Some(&all)).await;
    let runs = script.runs();
    assert!(runs.len() < 10, "{} runs for 20 changes", runs.len());
    for pair in runs.windows(2) {
        let pause = Duration::from_nanos_u128(pair[1].begin - pair[0].end);
        assert!(
            pause >= Duration::from_millis(2500),
            "{pause:?} between reading the input and the next run"
        );
    }
}

#[actix_rt::test]
async fn a_change_during_a_run_leads_to_another_and_never_two_at_once() {
    let busy = r#"mkdir "$dir/busy" || touch "$dir/two-at-once"; sleep 0.3; rmdir "$dir/busy""#;
    let script = Script::recording_then(busy);
    let daemon = daemon(&script).start().await;
    for number in 0..10 {
        daemon.add_labels(&format!("n:{number}")).await;
        let labels = daemon.own_labels().await;
        script.runs_until(|run| run.labels_of("me") == Some(&labels)).await;
    }
    assert!(!script.file("two-at-once").exists());
}

#[actix_rt::test]
async fn a_registry_of_5000_hosts_fits_through_standard_input() {
    let nats = NatsServer::start().await;
    let (wire, script) = (RawPeer::nats(&nats).await, Script::recording_then(""));
    let daemon = daemon(&script).set("CALLBACK_COOLDOWN", "1").nats(&nats).start().await;
    wire.hears(1, "me", "hi").await;
    let labels =
        ["location:prague", "service:web", "prometheus:nodeexporter:host:127.0.0.1", "rack:42"];
    for number in 0..5000 {
        wire.say_hi(&format!("host-{number:04}"), &labels).await;
    }
    let run = script.runs_until(|run| run.hosts().len() == 5001).await;
    assert!(run.input.to_string().len() > 500_000, "well beyond what fits into a pipe");
    assert_eq!(daemon.discoveries().await.len(), 5001);
    assert!(run.hosts().is_sorted());
    assert_eq!(run.labels_of("host-4999").unwrap().as_array().unwrap().len(), labels.len());
}

#[actix_rt::test]
async fn arguments_are_split_like_a_shell_does_without_a_shell() {
    let script = Script::doing(
        r#"for word; do printf '<%s>' "$word"; done >"$dir/words"; echo >>"$dir/words""#,
    );
    let command = format!("{} one 'two words' \"\" $HOME '*' a\\ b", script.command());
    let _daemon = daemon(&script).set("CALLBACK", command).set("HOME", "/elsewhere").start().await;
    assert_eq!(script.writes("words").await, "<one><two words><><$HOME><*><a b>\n");
}

#[actix_rt::test]
async fn the_environment_is_that_of_lobbyd_less_its_secrets() {
    let script = Script::doing(r#"env >"$dir/new"; mv "$dir/new" "$dir/environment""#);
    let nats = NatsServer::start().await;
    let url = nats.url().replace("nats://", "nats://user:n4ts-secret@");
    let mut daemon =
        daemon(&script).set("TOKEN", "t0ken-secret").set("REDIS_PASSWORD", "r3dis-secret");
    for withheld in ["LOBBY_TOKEN", "NOTIFY_SOCKET", "WATCHDOG_USEC", "CREDENTIALS_DIRECTORY"] {
        daemon = daemon.set(withheld, "/for-lobbyd-alone");
    }
    let _daemon = daemon.nats_at(&url).set("FLAVOUR", "vanilla").start().await;
    let environment = script.writes("environment").await;
    for line in ["FLAVOUR=vanilla", "HOSTNAME=me", "DRIVER=NATS"] {
        assert!(environment.lines().any(|l| l == line), "no {line} in {environment}");
    }
    assert!(!environment.contains("-secret"), "{environment}");
    assert!(!environment.contains("alone"), "{environment}");
}

#[actix_rt::test]
async fn a_run_is_told_why_it_runs_and_what_its_list_is_worth() {
    let nats = NatsServer::start().await;
    let script = Script::doing(r#"echo "$LOBBY_REASON $LOBBY_WARM $LOBBY_REVISION" >>"$dir/told""#);
    let daemon = daemon(&script).nats(&nats).start().await;
    let first = script.writes("told").await;
    assert!(first.starts_with("first false "), "{first}");
    eventually(LIMIT, async || {
        let status = daemon.get_json("/v1/status").await;
        ensure(status["warm"] == json!(true), status)
    })
    .await;
    daemon.add_labels("x:1").await;
    let told = eventually(LIMIT, async || {
        let told = script.writes("told").await;
        let last = told.lines().last().unwrap_or_default().to_owned();
        if last.starts_with("change true ") { Ok(told) } else { Err(told) }
    })
    .await;
    let revisions: Vec<u64> =
        told.lines().map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    assert!(revisions.is_sorted_by(|before, after| before < after), "{told}");
}

#[actix_rt::test]
async fn what_strangers_say_comes_on_standard_input_and_nowhere_else() {
    let nats = NatsServer::start().await;
    let wire = RawPeer::nats(&nats).await;
    let script = Script::doing(
        r#"cat /proc/$$/environ /proc/$$/cmdline >>"$dir/seen"; cat >"$dir/new"; echo >>"$dir/new"; mv "$dir/new" "$dir/input""#,
    );
    let command = format!("{} $HOSTNAME {{}} %s", script.command());
    let daemon = daemon(&script).set("CALLBACK", command).nats(&nats).start().await;
    wire.hears(1, "me", "hi").await;
    let strangers = [
        "evil;reboot",
        "$(evil)",
        "`evil`",
        "--evil",
        "LD_PRELOAD=/evil.so",
        "../evil",
        "%n{evil}",
    ];
    for stranger in strangers {
        wire.say_hi(stranger, &["PATH=/evil", "\"; evil", "evil:$(evil)", "-evil"]).await;
        daemon.meets(stranger).await;
    }
    eventually(LIMIT, async || {
        let input = script.writes("input").await;
        ensure(strangers.iter().all(|stranger| input.contains(stranger)), &input)
    })
    .await;
    let seen = std::fs::read(script.file("seen")).unwrap();
    let seen = String::from_utf8_lossy(&seen);
    assert!(
        seen.contains("HOSTNAME=me") && seen.contains("script.sh") && !seen.contains("evil"),
        "{seen:?}"
    );
}

#[actix_rt::test]
async fn sighup_with_a_changed_label_file_leads_to_a_run() {
    let script = Script::recording_then("");
    let daemon = daemon(&script).without_keep_alive().start().await;
    script.runs_until(|run| run.hosts() == ["me"]).await;
    std::fs::write(daemon.labels_path().join("file"), "file:1\n").unwrap();
    daemon.signal(Signal::HUP);
    script.runs_until(|run| run.labels_of("me") == Some(&json!(["file:1"]))).await;
    eventually(LIMIT, async || ensure(daemon.is_running(), "ended")).await;
}
