//! A large fleet: lists of several megabytes, which are written while they are sent.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use super::channel::Channel;
use super::feeding::Feed;
use crate::brokers::{Broker, Kind};
use crate::http::{self, Request};
use crate::packets::Packet;
use crate::programs::{listening_only, run as run_program, settings, start};
use crate::topics::Run;

const TOPIC: &str = "large fleet";

/// Servers; their list has four megabytes.
const FLEET: usize = 12_000;

/// Servers that join at once.
const BATCH: usize = 1_000;

pub(crate) fn all(run: &Run) {
    let broker = Broker::start(Kind::Nats);
    let daemons = start(&run.programs, &[listening_only(), broker.settings("large")].concat());
    let mut feed = Feed::new(run, TOPIC, daemons, Channel::Turns(vec![broker.voice("large")]));
    feed.wait_until_up();
    for first in (0..FLEET).step_by(BATCH) {
        feed.feed("joins", (first..first + BATCH).map(hello).collect());
    }
    ask(run, &feed);
    feed.feed("changes", (0..FLEET).step_by(97).map(changed).collect());
    ask(run, &feed);
    lobbyctl(run, &feed);
    feed.end();
}

fn ask(run: &Run, feed: &Feed<'_>) {
    for path in [
        "/",
        "/?pretty",
        "/?labels=common",
        "/?labels=common&pretty",
        "/?prefixes=c",
        "/?prefixes=rack:1",
        "/?labels=rack:1,rack:2",
        "/v1/resolve?label=common",
        "/v1/resolve?label=common&pretty",
        "/v1/prometheus/node",
        "/v1/prometheus/node?pretty",
    ] {
        for accepted in ["identity", "gzip"] {
            for method in ["GET", "HEAD"] {
                let request = Request::new(method, path, "").header("Accept-Encoding", accepted);
                let seen = feed.daemons().map(|daemon| http::ask(daemon.address(), &request));
                run.report.compare(TOPIC, &request.name(), seen);
            }
        }
    }
}

fn lobbyctl(run: &Run, feed: &Feed<'_>) {
    let port = feed.daemons().new.address().port().to_string();
    for words in [
        &["discoveries"][..],
        &["discoveries", "--json"],
        &["resolve", "common"],
        &["discoveries", "search", "c"],
    ] {
        let arguments: Vec<_> = words.iter().map(OsStr::new).collect();
        let environment = settings(&[("PORT", &port)]);
        let limit = Duration::from_secs(20);
        let seen = run.programs.map(|programs| {
            run_program(&programs.lobbyctl(), &arguments, &environment, Path::new("/"), limit)
        });
        run.report.compare(TOPIC, &format!("lobbyctl {}", words.join(" ")), seen);
    }
}

fn hello(host: usize) -> Packet {
    packet(host, "rack")
}

fn changed(host: usize) -> Packet {
    packet(host, "changed")
}

fn packet(host: usize, word: &str) -> Packet {
    let labels = format!(
        r#""common","filler:{}","prometheus:node:host:10.0.{}.{}","{word}:{}""#,
        "f".repeat(150),
        host / 250,
        host % 250,
        host % 40
    );
    let payload = format!(
        r#"{{"discovery":{{"hostname":"server-{host:05}.example.com","labels":[{labels}],"last_check":0}},"message":"hi"}}"#
    );
    Packet { kind: "hi".into(), host, payload: payload.into_bytes(), is_goodbye: false }
}
