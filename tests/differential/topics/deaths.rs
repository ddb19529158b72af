//! Deaths: hosts that fall silent leave every list, by themselves and one by one.

use std::time::Duration;

use super::Run;
use crate::brokers::{Broker, Kind};
use crate::http::{self, Request};
use crate::observation::Observation;
use crate::pair::Pair;
use crate::programs::{Daemon, listening_only, settings, start};
use crate::waiting::{eventually, now};

const TOPIC: &str = "deaths";

/// TTL, CLEAN_EVERY and a good deal more.
const LIMIT: Duration = Duration::from_secs(12);

pub(crate) fn all(run: &Run) {
    let broker = Broker::start(Kind::Nats);
    let own = settings(&[("KEEP_ALIVE", "1"), ("TTL", "2"), ("CLEAN_EVERY", "1")]);
    let daemons = start(&run.programs, &[listening_only(), broker.settings("deaths"), own].concat());
    let mut voice = broker.voice("deaths");
    for daemon in daemons.both() {
        eventually(LIMIT, || (http::get(daemon.address(), "/readyz") == "ready\n").then_some(()));
    }
    for names in [&["a", "b", "c"][..], &["b"], &["c", "d"]] {
        let payloads: Vec<_> = names.iter().map(|name| hello(name)).collect();
        voice.say(payloads.iter().map(String::as_bytes));
        compare(run, &format!("{names:?} join"), &daemons, &names.join(","));
        let began = now();
        let seconds = daemons.map(|daemon| {
            eventually(LIMIT, || living(daemon).is_empty().then_some(()));
            // Its log and its counters follow when the dead are swept.
            eventually(LIMIT, || records(daemon).is_some_and(|records| records == "0").then_some(()));
            began.elapsed().as_secs()
        });
        let seen = Pair {
            old: Observation::default().with("seconds to death", seconds.old.to_string()),
            new: Observation::default().with("seconds to death", seconds.new.to_string()),
        };
        run.report.compare(TOPIC, &format!("{names:?} fall silent"), seen);
        compare(run, &format!("{names:?} are dead"), &daemons, "");
    }
}

fn hello(name: &str) -> String {
    format!(r#"{{"discovery":{{"hostname":"{name}","labels":["service:{name}"],"last_check":0}},"message":"hi"}}"#)
}

/// Compares what every route says when these hosts are there.
fn compare(run: &Run, case: &str, daemons: &Pair<Daemon>, wanted: &str) {
    for daemon in daemons.both() {
        eventually(LIMIT, || (living(daemon) == wanted).then_some(()));
    }
    for path in
        ["/", "/?prefixes=service:", "/v1/resolve?label=service:c", "/v1/prometheus/node", "/v1/status", "/readyz"]
    {
        let seen = daemons.map(|daemon| http::ask(daemon.address(), &Request::get(path)));
        run.report.compare(TOPIC, &format!("{case}: GET {path}"), seen);
    }
}

/// The names of all hosts.
fn living(daemon: &Daemon) -> String {
    let list: serde_json::Value = serde_json::from_str(&http::get(daemon.address(), "/")).unwrap_or_default();
    let names = list.as_array().into_iter().flatten().filter_map(|host| host["hostname"].as_str());
    names.collect::<Vec<_>>().join(",")
}

fn records(daemon: &Daemon) -> Option<String> {
    let status: serde_json::Value = serde_json::from_str(&http::get(daemon.address(), "/v1/status")).ok()?;
    Some(status["records"].to_string())
}
