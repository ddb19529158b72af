//! The callback: its input, its environment and its arguments, and how often it runs.

use std::path::Path;
use std::time::Duration;

use super::Run;
use crate::brokers::{Broker, Kind};
use crate::observation::Observation;
use crate::pair::Pair;
use crate::programs::{Daemon, listening_only, settings, spawn_each};
use crate::waiting::{eventually, pause, unix_millis};

/// How long a run may be in coming.
const LIMIT: Duration = Duration::from_secs(20);

/// Keeps environment, arguments and input of each run.
const RECORDING: &str = r#"n=$(ls runs | grep -c input)
tr '\0' '\n' </proc/$$/environ | sort >runs/$n.environment
printf '%s\n' "$@" >runs/$n.arguments
cat >runs/$n.draft
mv runs/$n.draft runs/$n.input
"#;

/// Reads nothing, says something and fails.
const FAILING: &str = r#"n=$(ls runs | grep -c input)
echo output; echo error >&2
touch runs/$n.input
exit 3
"#;

/// Does not end by itself, nor does its child.
const HANGING: &str = r#"trap 'echo asked >runs/0.arguments; exit 0' TERM
sleep 60 &
: >runs/0.input
wait
"#;

pub(crate) fn recording(run: &Run) {
    in_steps(run, "callback", RECORDING);
}

pub(crate) fn failing(run: &Run) {
    in_steps(run, "callback: failing", FAILING);
}

/// Runs once after the start and once after each step.
fn in_steps(run: &Run, topic: &str, script: &str) {
    let broker = Broker::start(Kind::Nats);
    let mut voice = broker.voice("callback");
    let mut daemons = daemons(run, &broker, script);
    let mut runs = 0;
    let mut compare = |case: &str, daemons: &Pair<Daemon>| {
        runs += 1;
        run.report.compare(topic, case, daemons.map(|daemon| seen_in(daemon, runs)));
    };
    compare("the first run", &daemons);
    for (case, payload) in STEPS {
        // Early in a second, so that both daemons hear it in the same one.
        pause(Duration::from_millis(1_050 - unix_millis() % 1_000));
        voice.say([payload.as_bytes()]);
        compare(case, &daemons);
    }
    compare("a silent host dies", &daemons);
    let ends = Pair { old: daemons.old.stop(), new: daemons.new.stop() };
    run.report.compare(topic, "SIGTERM", ends);
}

/// A run that goes on keeps others back, and is ended with the daemon.
pub(crate) fn hanging(run: &Run) {
    let topic = "callback: hanging";
    let broker = Broker::start(Kind::Nats);
    let mut daemons = daemons(run, &broker, HANGING);
    run.report.compare(topic, "the first run", daemons.map(|daemon| seen_in(daemon, 1)));
    let payloads = STEPS.iter().map(|(_, payload)| payload.as_bytes());
    broker.voice("callback").say(payloads);
    let ends = Pair { old: daemons.old.stop(), new: daemons.new.stop() };
    run.report.compare(topic, "SIGTERM", ends);
    run.report.compare(topic, "after the end", daemons.map(|daemon| seen_in(daemon, 1)));
}

fn daemons(run: &Run, broker: &Broker, script: &str) -> Pair<Daemon> {
    let own = settings(&[
        ("CALLBACK", r#"sh callback.sh one 'two words' "" \$HOME"#),
        ("CALLBACK_COOLDOWN", "1"),
        ("CALLBACK_FIRST_RUN_DELAY", "1"),
        ("DISABLE_API", "true"),
        ("TOKEN", "s3cret"),
        ("REDIS_PASSWORD", "s3cret"),
        ("EXTRA", "kept"),
        ("LABELS", "a:1"),
        ("TTL", "10"),
        ("CLEAN_EVERY", "1"),
    ]);
    let all = [listening_only(), broker.settings("callback"), own].concat();
    spawn_each(&run.programs, &[], |_| all.clone(), &|home| prepare(home, script))
}

const STEPS: &[(&str, &str)] = &[
    (
        "a host joins",
        r#"{"discovery":{"hostname":"x\"ž","labels":["b:2","a:1","b:2"],"last_check":5},"message":"hi"}"#,
    ),
    (
        "it changes its labels",
        r#"{"discovery":{"hostname":"x\"ž","labels":["c:3"],"last_check":0},"message":"hi"}"#,
    ),
    (
        "it says goodbye",
        r#"{"discovery":{"hostname":"x\"ž","labels":null,"last_check":0},"message":"goodbye"}"#,
    ),
    ("another one joins", r#"{"discovery":{"hostname":"y","labels":null},"message":"hi"}"#),
];

fn prepare(home: &Path, script: &str) {
    std::fs::create_dir(home.join("runs")).expect("a directory can be made");
    std::fs::write(home.join("callback.sh"), script).expect("a temporary file can be written");
}

/// The last run, when there were that many or time is up.
fn seen_in(daemon: &Daemon, wanted: usize) -> Observation {
    eventually(LIMIT, || (count(daemon) >= wanted).then_some(()));
    let count = count(daemon);
    let seen = Observation::default().with("runs", count.to_string());
    let Some(last) = count.checked_sub(1) else { return seen };
    let read = |kind: &str| {
        let path = daemon.home().join(format!("runs/{last}.{kind}"));
        std::fs::read_to_string(path).unwrap_or_default()
    };
    // The daemons have ports of their own.
    let port = |line: &&str| !line.starts_with("PORT=");
    let environment: Vec<_> =
        read("environment").lines().filter(port).map(|line| line.to_owned() + "\n").collect();
    seen.with("callback input", read("input"))
        .with("environment", environment.concat())
        .with("arguments", read("arguments"))
}

fn count(daemon: &Daemon) -> usize {
    let runs =
        std::fs::read_dir(daemon.home().join("runs")).into_iter().flatten().filter_map(Result::ok);
    runs.filter(|entry| entry.path().extension().is_some_and(|kind| kind == "input")).count()
}
