//! The wire: every byte that daemons that announce themselves say, hello to goodbye.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use lobby_tests::{enter, unshare};

use super::Run;
use crate::brokers::{Broker, Ear, Kind};
use crate::http::{self, Request};
use crate::observation::Observation;
use crate::packets::{KEYS, signing};
use crate::pair::Pair;
use crate::programs::{Daemon, Settings, clean, listening_only, settings, spawn_each, start_each};
use crate::waiting::eventually;

/// How long may pass until a file is there, or gone.
const LIMIT: Duration = Duration::from_secs(8);

pub(crate) fn all(run: &Run) {
    for kind in [Kind::Nats, Kind::Redis] {
        let broker = Broker::start(kind);
        announced(run, &broker, "", &[]);
        announced(run, &broker, " signed", &[("PACKET_KEY_FILE", "keys")]);
        renamed(run, &broker);
    }
    in_a_directory(run, "", &[]);
    in_a_directory(run, " signed", &[("PACKET_KEY_FILE", "keys")]);
}

/// Settings of a daemon that announces itself, and after its start only what is new.
fn announcing(more: &[(&str, &str)]) -> Settings {
    let own = [
        ("REGISTER", "true"),
        ("KEEP_ALIVE", "3600"),
        ("TTL", "7200"),
        ("HOSTNAME", "me\"é"),
        ("LABELS", "service:web,a\"b\\c,ž"),
    ];
    [listening_only(), settings(&own), settings(more)].concat()
}

fn prepare(home: &Path) {
    std::fs::write(home.join("keys"), KEYS.join("\n")).expect("a temporary file can be written");
    std::fs::write(home.join("labels/base"), "rack:b7\n").expect("a temporary file can be written");
}

fn announced(run: &Run, broker: &Broker, mode: &str, more: &[(&str, &str)]) {
    let topic = format!("wire: {}{mode}", broker.name());
    let ears = Pair::of(|side| broker.ear(side.name()));
    let with_channel =
        |side: crate::pair::Side| [announcing(more), broker.settings(side.name())].concat();
    let mut daemons = start_each(&run.programs, with_channel, &prepare);
    let mut said = 1;
    let mut compare = |case: &str, expected: usize| {
        said += expected;
        let heard = ears.map(|ear| packets(&ear.hears(said), !mode.is_empty()));
        run.report.compare(&topic, case, heard);
    };
    compare("hello", 0);
    for (method, body, expected) in CHANGES {
        for daemon in daemons.both() {
            http::ask(daemon.address(), &Request::new(method, "/v1/labels", body));
        }
        compare(&format!("{method} {body:?}"), *expected);
    }
    for daemon in daemons.both() {
        std::fs::write(daemon.home().join("labels/base"), "rack:b8\n")
            .expect("a temporary file can be written");
    }
    compare("a label file changes", 1);
    let ends = Pair { old: daemons.old.stop(), new: daemons.new.stop() };
    run.report.compare(&topic, "SIGTERM", ends);
    compare("goodbye", 1);
}

/// Labels posted and deleted, and how many packets follow.
const CHANGES: &[(&str, &str, usize)] = &[
    ("POST", "maintenance:yes\n", 1),
    ("POST", "maintenance:yes\n", 0),
    ("POST", "a:1\nz:9\n", 1),
    ("DELETE", "a:1\n", 1),
    ("DELETE", "service:web\n", 0),
];

/// A machine that gets another name: what is said under the old one and under the new one.
fn renamed(run: &Run, broker: &Broker) {
    let topic = format!("wire: {} rename", broker.name());
    let ears = Pair::of(|side| broker.ear(&format!("{}.rename", side.name())));
    let named = ["sh", "-c", "hostname before && exec \"$0\" \"$@\""];
    let launcher = unshare("--uts", "hostname lobby-test").into_iter().chain(named);
    let launcher: Vec<_> = launcher.map(str::to_owned).collect();
    let of = |side: crate::pair::Side| {
        let own = settings(&[("HOSTNAME", ""), ("KEEP_ALIVE", "1"), ("TTL", "60")]);
        [announcing(&[]), own, broker.settings(&format!("{}.rename", side.name()))].concat()
    };
    let mut daemons = spawn_each(&run.programs, &launcher, of, &prepare);
    daemons.old.wait_until_it_listens();
    daemons.new.wait_until_it_listens();
    compare_until(run, &topic, "hello", &ears, "\"before\"");
    for daemon in daemons.both() {
        let words = enter(daemon.id(), "--uts");
        let renamed = clean(&words[0]).args(&words[1..]).args(["hostname", "after"]).status();
        assert!(renamed.is_ok_and(|status| status.success()), "a host can be renamed");
    }
    compare_until(run, &topic, "renamed", &ears, "\"after\"");
    let ends = Pair { old: daemons.old.stop(), new: daemons.new.stop() };
    run.report.compare(&topic, "SIGTERM", ends);
    compare_until(run, &topic, "goodbye", &ears, "\"after\",goodbye");
}

/// Compares what was heard, each packet once, when the last one holds all of these texts.
fn compare_until(run: &Run, topic: &str, case: &str, ears: &Pair<Ear>, wanted: &str) {
    let heard = ears.map(|ear| {
        eventually(LIMIT, || {
            let last = ear.heard().pop()?;
            let last = String::from_utf8_lossy(&last).into_owned();
            wanted.split(',').all(|text| last.contains(text)).then_some(())
        });
        let mut heard = ear.heard();
        heard.dedup();
        packets(&heard, false)
    });
    run.report.compare(topic, case, heard);
}

/// The packets that were heard, and whether each is signed rightly.
fn packets(heard: &[Vec<u8>], signed: bool) -> Observation {
    let mut seen = Observation::default().with("wire", heard.join(&b'\n'));
    if signed {
        let right: Vec<_> =
            heard.iter().map(|packet| signing::is_right(KEYS[0], packet).to_string()).collect();
        seen.add("signatures are right", right.join(" "));
    }
    seen
}

/// Over Local: the files in the directory.
fn in_a_directory(run: &Run, mode: &str, more: &[(&str, &str)]) {
    let topic = format!("wire: Local{mode}");
    let local = [announcing(more), settings(&[("DRIVER", "Local")])].concat();
    let mut daemons = start_each(&run.programs, |_| local.clone(), &prepare);
    let compare = |case: &str, daemons: &Pair<Daemon>, label: &str, is_there: bool| {
        for daemon in daemons.both() {
            let found = || {
                directory(daemon).values().any(|(_, text)| text.contains(&format!("\"{label}\"")))
            };
            eventually(LIMIT, || (found() == is_there).then_some(()));
        }
        // A file that is being written has another name.
        let look = || daemons.map(|daemon| files(daemon, !mode.is_empty()));
        run.report.compare_settled(&topic, case, LIMIT, look);
    };
    compare("hello", &daemons, "rack:b7", true);
    for (method, body, _) in CHANGES {
        for daemon in daemons.both() {
            http::ask(daemon.address(), &Request::new(method, "/v1/labels", body));
        }
        // A label that is not of run time stays.
        let is_there = *method == "POST" || body.starts_with("service");
        let last = body.trim_end().rsplit('\n').next().unwrap_or_default();
        compare(&format!("{method} {body:?}"), &daemons, last, is_there);
    }
    for daemon in daemons.both() {
        std::fs::write(daemon.home().join("labels/base"), "rack:b8\n")
            .expect("a temporary file can be written");
    }
    compare("a label file changes", &daemons, "rack:b8", true);
    let ends = Pair { old: daemons.old.stop(), new: daemons.new.stop() };
    run.report.compare(&topic, "SIGTERM", ends);
    run.report.compare(&topic, "goodbye", daemons.map(|daemon| files(daemon, false)));
}

/// Modes and texts of the files with packets, by name.
fn directory(daemon: &Daemon) -> BTreeMap<String, (u32, String)> {
    let entries =
        std::fs::read_dir(daemon.home().join("lobby")).into_iter().flatten().filter_map(Result::ok);
    let file = |entry: std::fs::DirEntry| {
        let mode = entry.metadata().ok()?.permissions().mode();
        let text = std::fs::read_to_string(entry.path()).ok()?;
        Some((entry.file_name().to_string_lossy().into_owned(), (mode, text)))
    };
    entries.filter_map(file).collect()
}

fn files(daemon: &Daemon, signed: bool) -> Observation {
    let files = directory(daemon);
    let names: Vec<_> = files.iter().map(|(name, (mode, _))| format!("{name} {mode:o}")).collect();
    let texts: Vec<_> = files.into_values().map(|(_, text)| text.into_bytes()).collect();
    let mut seen = packets(&texts, signed);
    seen.add("names and modes", names.join("\n"));
    seen
}
