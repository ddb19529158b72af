//! The feed: thousands of mixed packets into both daemons, and what they know afterwards.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::{Run, lobbyctl, routes};
use crate::brokers::{Broker, Kind, Voice};
use crate::compare::{Verdict, compare};
use crate::http::{self, Request};
use crate::observation::Observation;
use crate::packets::{Generator, KEYS, Packet};
use crate::pair::Pair;
use crate::programs::{Daemon, Settings, listening_only, settings, start_with};
use crate::waiting::{eventually, now, pause, unix_millis};

/// Packets between two comparisons. Few enough that a host is seldom heard of twice.
const BATCH: usize = 150;

/// How long the daemons may take over a batch.
const BATCH_LIMIT: Duration = Duration::from_secs(15);

/// How long nothing must change over Local until a batch is done with.
const STILL: Duration = Duration::from_millis(200);

/// Hosts that packets are about, and the most that the registry holds: less than want to join.
const HOSTS: usize = 400;
const MAX_SERVERS: &str = "260";

/// Hosts over Local, where each is a file, written at most once in a batch.
const LOCAL_HOSTS: usize = 900;

pub(crate) fn over_nats(run: &Run) {
    over_broker(run, Kind::Nats, &settings(&[("MAX_SERVERS", MAX_SERVERS)]), "", run.packets);
}

pub(crate) fn over_redis(run: &Run) {
    over_broker(run, Kind::Redis, &settings(&[("MAX_SERVERS", MAX_SERVERS)]), "", run.packets);
}

pub(crate) fn with_warn(run: &Run) {
    over_broker(run, Kind::Nats, &checking("warn"), " warn", run.packets / 3);
}

pub(crate) fn with_enforce(run: &Run) {
    over_broker(run, Kind::Nats, &checking("enforce"), " enforce", run.packets / 3);
}

fn checking(verify: &str) -> Settings {
    settings(&[("PACKET_KEY_FILE", "keys"), ("PACKET_VERIFY", verify)])
}

fn write_keys(home: &Path) {
    std::fs::write(home.join("keys"), KEYS.join("\n")).expect("a temporary file can be written");
}

fn over_broker(run: &Run, kind: Kind, more: &Settings, mode: &str, packets: usize) {
    let broker = Broker::start(kind);
    let topic = format!("{}{mode}", broker.name());
    let all = [listening_only(), broker.settings("feed"), more.clone()].concat();
    let daemons = start_with(&run.programs, &all, &write_keys);
    let channel = Channel::Broker(broker.voice("feed"));
    Feed::new(run, &topic, daemons, channel).run(Generator::new(run.seed, HOSTS, !mode.is_empty()), packets);
}

/// Both daemons read the same directory; with REGISTER=false neither writes.
pub(crate) fn over_local(run: &Run) {
    let (directory, workshop) = (temporary(), temporary());
    let path = directory.path().display().to_string();
    let all = [listening_only(), settings(&[("DRIVER", "Local"), ("LOCAL_PATH", &path)])].concat();
    let daemons = start_with(&run.programs, &all, &|_| ());
    let channel = Channel::Directory { path: directory.path().to_owned(), draft: workshop.path().join("draft") };
    Feed::new(run, "Local", daemons, channel).run(Generator::new(run.seed, LOCAL_HOSTS, false), run.packets);
}

fn temporary() -> TempDir {
    TempDir::new().expect("a temporary directory can be made")
}

/// What packets travel on.
enum Channel {
    Broker(Voice),
    /// A directory, and a file outside of it in which packets are written before they are moved.
    Directory {
        path: PathBuf,
        draft: PathBuf,
    },
}

impl Channel {
    /// Takes out of a batch what cannot be told apart from something else in it: over Local a file
    /// is written once at most, and packets say nothing of other hosts than their file's.
    fn fit(&self, batch: Vec<Packet>) -> Vec<Packet> {
        match self {
            Self::Broker(_) => batch,
            Self::Directory { .. } => {
                let mut hosts = std::collections::HashSet::new();
                batch.into_iter().filter(|packet| packet.kind != "mutated" && hosts.insert(packet.host)).collect()
            }
        }
    }

    /// Says a batch; returns how many packets each daemon must have received of it at least.
    fn say(&mut self, batch: &[Packet]) -> usize {
        match self {
            Self::Broker(voice) => {
                voice.say(batch.iter().map(|packet| &packet.payload[..]));
                batch.len()
            }
            Self::Directory { path, draft } => {
                batch.iter().filter(|packet| write_or_remove(path, draft, packet)).count()
            }
        }
    }
}

/// Over Local half of the goodbyes are said by taking the file away. Returns whether one was written.
fn write_or_remove(directory: &Path, draft: &Path, packet: &Packet) -> bool {
    let file = directory.join(format!("{:04}.lobby.json", packet.host));
    if packet.is_goodbye && packet.payload.len().is_multiple_of(2) {
        std::fs::remove_file(file).ok();
        return false;
    }
    std::fs::write(draft, &packet.payload).expect("a temporary file can be written");
    std::fs::rename(draft, file).expect("a temporary file can be moved");
    true
}

struct Feed<'a> {
    run: &'a Run,
    topic: String,
    daemons: Pair<Daemon>,
    channel: Channel,
    /// Packets that each daemon must have received by now, at least.
    expected: usize,
}

impl<'a> Feed<'a> {
    fn new(run: &'a Run, topic: &str, daemons: Pair<Daemon>, channel: Channel) -> Self {
        Self { run, topic: topic.to_owned(), daemons, channel, expected: 0 }
    }

    fn run(mut self, mut generator: Generator, packets: usize) {
        self.wait_until_warm();
        let mut fed = 0;
        while fed < packets {
            let batch = (0..BATCH.min(packets - fed)).map(|_| generator.next()).collect();
            fed += self.feed(&format!("packets {fed} and on, seed {}", self.run.seed), batch);
        }
        // Early in a second, so that both daemons hear all of it in the same one.
        pause(Duration::from_millis(1_050 - unix_millis() % 1_000));
        self.feed("everybody again", generator.everybody_again());
        routes::all(self.run, &format!("{}: routes", self.topic), &self.daemons);
        lobbyctl::reading(self.run, &format!("{}: lobbyctl", self.topic), &self.daemons);
        let ends = Pair { old: self.daemons.old.stop(), new: self.daemons.new.stop() };
        self.run.report.compare(&format!("{}: SIGTERM", self.topic), "the end", ends);
    }

    fn wait_until_warm(&self) {
        for daemon in self.daemons.both() {
            let ready = eventually(BATCH_LIMIT, || (http::get(daemon.address(), "/readyz") == "ready\n").then_some(()));
            assert!(ready.is_some(), "a daemon does not become ready: {}", daemon.log());
        }
    }

    /// Feeds a batch and compares what both know then. Returns the number of packets.
    fn feed(&mut self, name: &str, batch: Vec<Packet>) -> usize {
        let batch = self.channel.fit(batch);
        self.expected += self.channel.say(&batch);
        let seen = self.settled();
        let name = format!("{name}: {}", kinds(&batch));
        self.run.report.compare_many(&format!("{}: packets", self.topic), &name, batch.len(), seen);
        batch.len()
    }

    /// What both know when they have read everything and agree, or time is up.
    fn settled(&self) -> Pair<Observation> {
        eventually(BATCH_LIMIT, || {
            let received = self.daemons.map(received);
            (received.old.min(received.new) >= self.expected).then_some(())
        });
        if matches!(self.channel, Channel::Directory { .. }) {
            self.wait_until_still();
        }
        let mut seen = Pair::default();
        eventually(Duration::from_secs(2), || {
            seen = self.daemons.map(knowledge);
            (!matches!(compare("", "", &seen.old, &seen.new), Verdict::Unexplained(_))).then_some(())
        });
        seen
    }
}

impl Feed<'_> {
    /// Over Local a file that is gone is missed twice before that counts, and nothing tells of it:
    /// waits until nothing has changed for a while.
    fn wait_until_still(&self) {
        let mut last = (now(), Pair::default().map(|()| String::new()));
        eventually(BATCH_LIMIT, || {
            let tags = self.daemons.map(tag);
            if (&tags.old, &tags.new) != (&last.1.old, &last.1.new) {
                last = (now(), tags);
            }
            (last.0.elapsed() >= STILL).then_some(())
        });
    }
}

/// The kinds of packets of a batch, to be shown when something differs.
fn kinds(batch: &[Packet]) -> String {
    let mut kinds: Vec<_> = batch.iter().map(|packet| packet.kind.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds.join("; ")
}

fn status(daemon: &Daemon) -> Value {
    serde_json::from_str(&http::get(daemon.address(), "/v1/status")).unwrap_or_default()
}

fn received(daemon: &Daemon) -> usize {
    let received = status(daemon)["drivers"][0]["received"].as_u64().unwrap_or_default();
    usize::try_from(received).unwrap_or_default()
}

/// The version of the list.
fn tag(daemon: &Daemon) -> String {
    let request = Request::new("HEAD", "/v1/discoveries", "");
    http::ask(daemon.address(), &request).part("header etag").unwrap_or_default().to_owned()
}

/// The list, and every counter of the status but for times.
fn knowledge(daemon: &Daemon) -> Observation {
    let list = http::ask(daemon.address(), &Request::get("/v1/discoveries"));
    let mut status = status(daemon);
    for field in ["started", "now", "instance"] {
        status.as_object_mut().map(|status| status.remove(field));
    }
    for driver in status["drivers"].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        driver.remove("since");
    }
    Observation::default()
        .with("body", list.part("body").unwrap_or_default())
        .with("header etag", list.part("header etag").unwrap_or_default())
        .with("status", status.to_string())
}
