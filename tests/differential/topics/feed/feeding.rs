//! Feeding: batch after batch into both daemons, and what they know after each.

use std::time::Duration;

use serde_json::Value;

use super::channel::Channel;
use crate::compare::{Verdict, compare};
use crate::http::{self, Request};
use crate::observation::Observation;
use crate::packets::{Generator, Packet};
use crate::pair::Pair;
use crate::programs::Daemon;
use crate::report::say;
use crate::topics::{Run, lobbyctl, routes};
use crate::waiting::{eventually, now, pause, unix_millis};

/// Packets between two comparisons. Few enough that a host is seldom heard of twice.
const BATCH: usize = 150;

/// How long the daemons may take over a batch.
const BATCH_LIMIT: Duration = Duration::from_secs(15);

/// How long nothing must change over Local until a batch is done with.
const STILL: Duration = Duration::from_millis(200);

/// Two daemons and what they are fed through.
pub(super) struct Feed<'a> {
    run: &'a Run,
    topic: String,
    daemons: Pair<Daemon>,
    channel: Channel,
    /// Packets that each daemon must have received by now, at least.
    expected: usize,
}

impl<'a> Feed<'a> {
    pub(super) fn new(run: &'a Run, topic: &str, daemons: Pair<Daemon>, channel: Channel) -> Self {
        Self { run, topic: topic.to_owned(), daemons, channel, expected: 0 }
    }

    /// Feeds this many packets, then asks everything of both daemons and ends them.
    pub(super) fn run(mut self, generator: Generator, packets: usize) {
        self.mixed(generator, packets);
        routes::all(self.run, &format!("{}: routes", self.topic), &self.daemons);
        self.end();
    }

    /// As [`Feed::run`], with daemons that never become warm, and so answer not everything.
    pub(super) fn run_cold(mut self, generator: Generator, packets: usize) {
        self.mixed(generator, packets);
        self.end();
    }

    /// Feeds this many packets, and then what everybody said last once more.
    fn mixed(&mut self, mut generator: Generator, packets: usize) {
        self.wait_until_up();
        let mut fed = 0;
        while fed < packets {
            let batch = (0..BATCH.min(packets - fed)).map(|_| generator.next()).collect();
            fed += self.feed(&format!("packets {fed} and on, seed {}", self.run.seed), batch);
        }
        self.channel.add_odd_files();
        // Early in a second, so that both daemons hear all of it in the same one.
        pause(Duration::from_millis(1_050 - unix_millis() % 1_000));
        self.feed("everybody again", generator.everybody_again());
        say(&format!("{}: {}", self.topic, summary(&self.daemons.old)));
        lobbyctl::reading(self.run, &format!("{}: lobbyctl", self.topic), &self.daemons);
    }

    /// Ends both with SIGTERM.
    pub(super) fn end(mut self) {
        let ends = Pair { old: self.daemons.old.stop(), new: self.daemons.new.stop() };
        self.run.report.compare(&format!("{}: SIGTERM", self.topic), "the end", ends);
    }

    /// The daemons.
    pub(super) fn daemons(&self) -> &Pair<Daemon> {
        &self.daemons
    }

    /// Waits until the daemons are warm, or, where KEEP_ALIVE is long, their drivers are up.
    pub(super) fn wait_until_up(&self) {
        for daemon in self.daemons.both() {
            let up = eventually(BATCH_LIMIT, || {
                let status = status(daemon);
                let mut drivers = status["drivers"].as_array()?.iter();
                let is_member = self.topic.ends_with("member");
                (drivers.all(|driver| driver["state"] == "up")
                    && (is_member || status["warm"] == true))
                    .then_some(())
            });
            assert!(up.is_some(), "a daemon does not become ready: {}", daemon.log());
        }
        // Own packets count as received.
        self.daemons.map(|daemon| {
            eventually(Duration::from_millis(300), || (received(daemon) > 0).then_some(()))
        });
    }

    /// Feeds a batch and compares what both know then. Returns the number of packets.
    pub(super) fn feed(&mut self, name: &str, batch: Vec<Packet>) -> usize {
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
            (!matches!(compare("", "", &seen.old, &seen.new), Verdict::Unexplained(_)))
                .then_some(())
        });
        seen
    }

    /// Over Local a file that is gone is missed twice before that counts, and nothing tells of it:
    /// waits until nothing has changed for a while.
    fn wait_until_still(&self) {
        let mut last = (now(), [String::new(), String::new()]);
        eventually(BATCH_LIMIT, || {
            let tags = self.daemons.both().map(tag);
            if tags != last.1 {
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

/// Packets received through all drivers.
fn received(daemon: &Daemon) -> usize {
    let status = status(daemon);
    let drivers = status["drivers"].as_array().into_iter().flatten();
    let received: u64 = drivers.filter_map(|driver| driver["received"].as_u64()).sum();
    usize::try_from(received).unwrap_or_default()
}

/// What a feed was made of, for whoever watches.
fn summary(daemon: &Daemon) -> String {
    let status = status(daemon);
    let mut text = format!("{} records", status["records"]);
    for driver in status["drivers"].as_array().into_iter().flatten() {
        let counter = |name: &str| driver[name].to_string();
        text.push_str(&format!(
            ", received {}, refused {}",
            counter("received"),
            counter("refused")
        ));
    }
    text
}

/// The version of the list.
fn tag(daemon: &Daemon) -> String {
    let request = Request::get("/v1/discoveries");
    http::ask(daemon.address(), &request).part("header etag").unwrap_or_default().to_owned()
}

/// The list, and every counter of the status but for times.
fn knowledge(daemon: &Daemon) -> Observation {
    let list = http::ask(daemon.address(), &Request::get("/v1/discoveries"));
    let mut status = status(daemon);
    for field in ["started", "now", "instance"] {
        status.as_object_mut().map(|status| status.remove(field));
    }
    for driver in
        status["drivers"].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut)
    {
        driver.remove("since");
    }
    Observation::default()
        .with("body", list.part("body").unwrap_or_default())
        .with("header etag", list.part("header etag").unwrap_or_default())
        .with("status", status.to_string())
}
