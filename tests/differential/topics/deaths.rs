//! Deaths: hosts that fall silent leave every list, by themselves and one by one.

use std::time::Duration;

use super::Run;
use crate::brokers::{Broker, Kind};
use crate::http::{self, Request};
use crate::observation::Observation;
use crate::pair::Pair;
use crate::programs::{Daemon, Settings, listening_only, settings, start};
use crate::waiting::{eventually, now};

/// TTL, CLEAN_EVERY and a good deal more.
const LIMIT: Duration = Duration::from_secs(12);

pub(crate) fn all(run: &Run) {
    let (nats, redis) = (Broker::start(Kind::Nats), Broker::start(Kind::Redis));
    for broker in [nats, redis] {
        let mut voice = broker.voice("deaths");
        let daemons = start(
            &run.programs,
            &[listening_only(), broker.settings("deaths"), short_lives()].concat(),
        );
        let topic = format!("deaths: {}", broker.name());
        over(run, &topic, &daemons, &mut |names| {
            let payloads: Vec<_> = names.iter().map(|name| hello(name)).collect();
            voice.say(payloads.iter().map(String::as_bytes));
        });
    }
    let local = settings(&[("DRIVER", "Local")]);
    let daemons = start(&run.programs, &[listening_only(), local, short_lives()].concat());
    over(run, "deaths: Local", &daemons, &mut |names| {
        for (daemon, name) in daemons
            .both()
            .into_iter()
            .flat_map(|daemon| names.iter().map(move |name| (daemon, name)))
        {
            let draft = daemon.home().join("draft");
            std::fs::write(&draft, hello(name)).expect("a temporary file can be written");
            let file = daemon.home().join(format!("lobby/{name}.lobby.json"));
            std::fs::rename(draft, file).expect("a temporary file can be moved");
        }
    });
}

fn short_lives() -> Settings {
    settings(&[("KEEP_ALIVE", "1"), ("TTL", "2"), ("CLEAN_EVERY", "1")])
}

/// Lets hosts say hello and fall silent, several times.
fn over(run: &Run, topic: &str, daemons: &Pair<Daemon>, say: &mut dyn FnMut(&[&str])) {
    for daemon in daemons.both() {
        eventually(LIMIT, || (http::get(daemon.address(), "/readyz") == "ready\n").then_some(()));
    }
    for names in [&["a", "b", "c"][..], &["c", "d"]] {
        say(names);
        compare(run, topic, &format!("{names:?} join"), daemons, &names.join(","));
        let began = now();
        let seen = daemons.map(|daemon| {
            eventually(LIMIT, || living(daemon).is_empty().then_some(()));
            // Counters and files follow when the dead are swept.
            eventually(LIMIT, || (records(daemon)? == "0" && files(daemon) == 0).then_some(()));
            Observation::default()
                .with("seconds to death", began.elapsed().as_secs().to_string())
                .with("files", files(daemon).to_string())
        });
        run.report.compare(topic, &format!("{names:?} fall silent"), seen);
        compare(run, topic, &format!("{names:?} are dead"), daemons, "");
    }
}

fn hello(name: &str) -> String {
    format!(
        r#"{{"discovery":{{"hostname":"{name}","labels":["service:{name}"],"last_check":0}},"message":"hi"}}"#
    )
}

/// Compares what every route says when these hosts are there.
fn compare(run: &Run, topic: &str, case: &str, daemons: &Pair<Daemon>, wanted: &str) {
    for daemon in daemons.both() {
        eventually(LIMIT, || (living(daemon) == wanted).then_some(()));
    }
    for path in [
        "/",
        "/?prefixes=service:",
        "/v1/resolve?label=service:c",
        "/v1/prometheus/node",
        "/v1/status",
        "/readyz",
    ] {
        let seen = daemons.map(|daemon| http::ask(daemon.address(), &Request::get(path)));
        run.report.compare(topic, &format!("{case}: GET {path}"), seen);
    }
}

/// The names of all hosts.
fn living(daemon: &Daemon) -> String {
    let list: serde_json::Value =
        serde_json::from_str(&http::get(daemon.address(), "/")).unwrap_or_default();
    let names = list.as_array().into_iter().flatten().filter_map(|host| host["hostname"].as_str());
    names.collect::<Vec<_>>().join(",")
}

fn records(daemon: &Daemon) -> Option<String> {
    let status: serde_json::Value =
        serde_json::from_str(&http::get(daemon.address(), "/v1/status")).ok()?;
    Some(status["records"].to_string())
}

/// How many packets are left in the directory of the Local driver.
fn files(daemon: &Daemon) -> usize {
    std::fs::read_dir(daemon.home().join("lobby")).map_or(0, Iterator::count)
}
