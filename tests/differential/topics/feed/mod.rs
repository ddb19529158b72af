//! The feed: thousands of mixed packets into both daemons, and what they know afterwards.

mod channel;
mod feeding;
mod large;

use std::path::Path;

use tempfile::TempDir;

use super::Run;
use crate::brokers::{Broker, Kind};
use crate::observation::Observation;
use crate::packets::{Generator, KEYS};
use crate::pair::{Pair, Side};
use crate::programs::{Daemon, Settings, listening_only, settings, start_each, start_with};
use channel::Channel;
use feeding::Feed;

pub(crate) use large::all as a_large_fleet;

/// Hosts that packets are about, and the most that the registry holds: less than want to join.
const HOSTS: usize = 400;
const MAX_SERVERS: &str = "260";

/// Hosts over Local, where each is a file, written at most once in a batch.
const LOCAL_HOSTS: usize = 900;

pub(crate) fn over_nats(run: &Run) {
    over_broker(run, Kind::Nats, &full(), "", run.packets);
}

pub(crate) fn over_redis(run: &Run) {
    over_broker(run, Kind::Redis, &full(), "", run.packets);
}

pub(crate) fn with_warn(run: &Run) {
    over_broker(run, Kind::Redis, &checking("warn"), " warn", run.packets / 3);
}

pub(crate) fn with_enforce(run: &Run) {
    over_broker(run, Kind::Nats, &checking("enforce"), " enforce", run.packets / 3);
}

pub(crate) fn over_local(run: &Run) {
    over_directory(run, &[], "", run.packets);
}

pub(crate) fn over_local_with_enforce(run: &Run) {
    over_directory(run, &checking("enforce"), " enforce", run.packets / 5);
}

/// Through two drivers in turns, with signatures: a host may be heard through either.
pub(crate) fn over_two(run: &Run) {
    let (nats, redis) = (Broker::start(Kind::Nats), Broker::start(Kind::Redis));
    let both = settings(&[("DRIVER", "NATS,Redis")]);
    let all =
        [listening_only(), nats.settings("feed"), redis.settings("feed"), both, checking("warn")]
            .concat();
    let daemons = start_with(&run.programs, &all, &write_keys);
    let channel = Channel::Turns(vec![nats.voice("feed"), redis.voice("feed")]);
    Feed::new(run, "NATS,Redis", daemons, channel)
        .run(generator(run, HOSTS, " warn"), run.packets / 5);
}

/// Into daemons that announce themselves, each on a channel of its own. Some packets go by their
/// name.
pub(crate) fn into_members(run: &Run) {
    let broker = Broker::start(Kind::Nats);
    let member =
        settings(&[("REGISTER", "true"), ("LABELS", "service:web,own:1"), ("KEEP_ALIVE", "3600")]);
    let of = |side: Side| {
        let ttl = settings(&[("TTL", "7200")]);
        [listening_only(), member.clone(), ttl, broker.settings(side.name()), full()].concat()
    };
    let ears = Pair::of(|side| broker.ear(side.name()));
    let daemons = start_each(&run.programs, of, &write_keys);
    let channel =
        Channel::Copies(vec![broker.voice(Side::Old.name()), broker.voice(Side::New.name())]);
    Feed::new(run, "NATS member", daemons, channel)
        .run_cold(generator(run, 40, ""), run.packets / 5);
    let said = ears.map(|ear| {
        let mut own = ear.heard();
        // Only their own packets name this label.
        own.retain(|packet| packet.windows(7).any(|text| text == b"\"own:1\""));
        Observation::default().with("wire", own.join(&b'\n'))
    });
    run.report.compare("NATS member: wire", "what they said meanwhile", said);
}

fn over_broker(run: &Run, kind: Kind, more: &[(String, String)], mode: &str, packets: usize) {
    let broker = Broker::start(kind);
    let topic = format!("{}{mode}", broker.name());
    let all = [&listening_only()[..], &broker.settings("feed"), more].concat();
    let daemons = start_with(&run.programs, &all, &write_keys);
    let channel = Channel::Turns(vec![broker.voice("feed")]);
    Feed::new(run, &topic, daemons, channel).run(generator(run, HOSTS, mode), packets);
}

/// Both daemons read the same directory; with REGISTER=false neither writes.
fn over_directory(run: &Run, more: &[(String, String)], mode: &str, packets: usize) {
    let directory = TempDir::new().expect("a temporary directory can be made");
    let daemons = in_directory(run, directory.path(), more);
    let channel = Channel::directory(directory.path());
    let topic = format!("Local{mode}");
    Feed::new(run, &topic, daemons, channel).run(generator(run, LOCAL_HOSTS, mode), packets);
}

fn in_directory(run: &Run, directory: &Path, more: &[(String, String)]) -> Pair<Daemon> {
    let path = directory.display().to_string();
    let local = settings(&[("DRIVER", "Local"), ("LOCAL_PATH", &path)]);
    start_with(&run.programs, &[&listening_only()[..], &local, more].concat(), &write_keys)
}

/// Packets are signed where there is a mode of checking signatures.
fn generator(run: &Run, hosts: usize, mode: &str) -> Generator {
    Generator::new(run.seed, hosts, !mode.is_empty())
}

fn full() -> Settings {
    settings(&[("MAX_SERVERS", MAX_SERVERS)])
}

fn checking(verify: &str) -> Settings {
    settings(&[("PACKET_KEY_FILE", "keys"), ("PACKET_VERIFY", verify)])
}

fn write_keys(home: &Path) {
    std::fs::write(home.join("keys"), KEYS.join("\n")).expect("a temporary file can be written");
}
