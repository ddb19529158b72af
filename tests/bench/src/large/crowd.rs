//! The crowd: simulated hosts in a process of their own. Each keeps to the rules of lobby by the
//! logic of lobbyd itself: its schedule, its packets, how long they are good for, its greetings.
//! What all of them hear is heard once, over one connection.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use async_nats::{Client, Message};
use clap::Args;
use futures_util::StreamExt;
use lobby_core::link::announcer::Announcer;
use lobby_core::link::hi_schedule::{HiSchedule, JITTER};
use lobby_core::liveness::connectivity::{DriverId, DriverSet};
use lobby_core::liveness::initial_sync::InitialSync;
use lobby_core::liveness::pace::{LobbySize, Pace};
use lobby_core::liveness::reception::Reception;
use lobby_core::registry::host_registry::{HostRegistry, SenderNews};

use super::cluster;
use crate::clock;
use crate::fleet::{self, Fleet};
use crate::process::Running;

/// KEEP_ALIVE of all of them, which is the default.
pub const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Their TTL, the default too.
const TTL: Duration = Duration::from_secs(30);

/// Time in which all of them are heard for the first time. From then on they behave as hosts of a
/// lobby that has been as large for long.
pub const INTRODUCTION: Duration = Duration::from_secs(5);

/// How far the wall clocks of the hosts are apart at most, as those of servers that are set by NTP.
const CLOCKS_APART: Duration = Duration::from_millis(5);

/// Messages that are taken in at once.
const BATCH: usize = 256;
/// How often the registry shows that it works, and looks for hosts that have expired.
const TICK: Duration = Duration::from_millis(200);
/// Which part of its hosts a lobby must gain or lose to be told of, as in lobbyd.
const NEWS_OF_SIZE: usize = 16;

/// What the crowd is told at its start.
#[derive(Debug, Clone, Args)]
pub struct Plan {
    /// Subject of the packets
    subject: String,
    /// Number of hosts
    hosts: usize,
    /// MAX_PACKET_RATE
    rate: u32,
    /// Ports of the servers that the hosts are spread over
    ports: Vec<u16>,
}

impl Plan {
    /// So many hosts on these servers.
    pub fn new(ports: Vec<u16>, subject: &str, hosts: usize, rate: u32) -> Self {
        Self { ports, subject: subject.to_owned(), hosts, rate }
    }
}

/// What a subscriber of the crowd has seen since the start.
#[derive(Debug, Clone, Copy, Default)]
pub struct Heard {
    /// Packets.
    pub packets: u64,
    /// Their bytes, with those that NATS adds on the wire.
    pub bytes: u64,
}

/// A running crowd.
#[derive(Debug)]
pub struct Crowd {
    #[expect(dead_code, reason = "keeps the process until the crowd is dropped")]
    process: Running,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Crowd {
    /// Starts it and waits until it is connected.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(plan: &Plan) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let ports: Vec<_> = plan.ports.iter().map(u16::to_string).collect();
        command.arg("crowd").arg(&plan.subject);
        command.args([plan.hosts.to_string(), plan.rate.to_string()]).args(ports);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Running::start(&mut command)?;
        let questions = process.child().stdin.take().context("the input is piped")?;
        let answers = BufReader::new(process.child().stdout.take().context("the output is piped")?);
        let mut crowd = Self { process, questions, answers };
        crowd.heard()?;
        Ok(crowd)
    }

    /// What a subscriber has heard by now.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn heard(&mut self) -> Result<Heard> {
        let mut line = String::new();
        self.questions.write_all(b"\n")?;
        self.answers.read_line(&mut line)?;
        let mut numbers = line.split_whitespace().map(str::parse);
        let mut number = || numbers.next()?.ok();
        let (packets, bytes) = (number(), number());
        let heard = packets.zip(bytes).map(|(packets, bytes)| Heard { packets, bytes });
        heard.with_context(|| format!("the crowd said {line:?} instead of two numbers"))
    }
}

/// What the child does: its hosts live until its input ends. Each line of that is answered by what
/// was heard.
///
/// # Errors
/// When a server is not there, or hangs up.
pub fn live(plan: &Plan) -> Result<()> {
    ensure!(!plan.ports.is_empty(), "the crowd needs a server");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut links = Vec::new();
        for port in &plan.ports {
            links.push(cluster::connect(*port).await?);
        }
        let messages = links[0].subscribe(plan.subject.clone()).await?;
        links[0].flush().await?;
        let heard = Arc::new(Counts::default());
        let told = Arc::clone(&heard);
        let tell = tokio::task::spawn_blocking(move || tell(&told));
        let mut hosts = Hosts::new(plan, links, heard)?;
        let mut messages = messages.ready_chunks(BATCH);
        let living = async {
            loop {
                tokio::select! {
                    batch = messages.next() => hosts.hear(&batch.context("the server hung up")?)?,
                    () = clock::pause_until(hosts.deadline()) => {}
                }
                hosts.speak().await?;
            }
        };
        tokio::select! {
            ended = living => ended,
            told = tell => told?,
        }
    })
}

#[derive(Debug, Default)]
struct Counts {
    packets: AtomicU64,
    bytes: AtomicU64,
}

fn tell(heard: &Counts) -> Result<()> {
    for line in std::io::stdin().lines() {
        line?;
        let [packets, bytes] =
            [&heard.packets, &heard.bytes].map(|count| count.load(Ordering::Relaxed));
        writeln!(std::io::stdout(), "{packets} {bytes}")?;
    }
    Ok(())
}

/// A simulated host.
struct Host {
    announcer: Announcer,
    schedule: HiSchedule,
    has_spoken: bool,
}

/// All of them, and what they know.
struct Hosts {
    plan: Plan,
    links: Vec<Client>,
    pace: Pace,
    hosts: Vec<Host>,
    turns: BinaryHeap<Reverse<(Instant, usize)>>,
    registry: HostRegistry,
    told: LobbySize,
    /// When all of them have spoken, and whether all were heard.
    introduced: Instant,
    is_introduced: bool,
    next_tick: Instant,
    heard: Arc<Counts>,
}

impl Hosts {
    fn new(plan: &Plan, links: Vec<Client>, heard: Arc<Counts>) -> Result<Self> {
        let (now, pace) =
            (clock::now(), Pace { keep_alive: KEEP_ALIVE, ttl: TTL, max_rate: plan.rate });
        let fleet = Fleet::new(plan.hosts.next_multiple_of(10));
        let (introduced, told) =
            (now + INTRODUCTION, LobbySize { hosts: plan.hosts, without_ttl: 0 });
        let broker = broker()?;
        let mut places: Vec<_> = (0..plan.hosts).collect();
        fastrand::shuffle(&mut places);
        let host = |(number, place): (usize, usize)| {
            let mut announcer = Announcer::new(fleet::instance(number), None, None);
            drop(announcer.local_changed(fleet.discovery(number, 0), 0));
            let mut schedule = HiSchedule::new(pace, now);
            let clock = clock::unix_time() + CLOCKS_APART.mul_f64(fastrand::f64());
            schedule.set_clock(now, clock.as_millis().try_into().unwrap_or_default());
            schedule.resize(told, now);
            // A longer interval begins a KEEP_ALIVE after others were told of it.
            for rounds in (1..=3).rev() {
                let earlier = introduced.checked_sub(pace.interval(told) + KEEP_ALIVE * rounds);
                schedule.sent(broker, 0.0, earlier.unwrap_or(now));
            }
            // Its last packet was sent before there was anybody to hear it, somewhere in its
            // interval.
            let (random, part) = (fastrand::f64(), place as f64 / plan.hosts as f64);
            let ago = pace.interval(told).mul_f64((1.0 - JITTER * random) * part);
            schedule.sent(broker, random, introduced.checked_sub(ago).unwrap_or(now));
            Host { announcer, schedule, has_spoken: false }
        };
        let gap = INTRODUCTION.div_f64(plan.hosts.max(1) as f64);
        let turn = |(number, at): (usize, u32)| Reverse((now + gap * at, number));
        let sync = InitialSync::new(KEEP_ALIVE, 1, now);
        let mut registry = HostRegistry::new("crowd".to_owned(), TTL, usize::MAX, sync, now)
            .stretching_above(plan.rate);
        registry.link_opened(first_driver()?, now);
        Ok(Self {
            hosts: places.into_iter().enumerate().map(host).collect(),
            turns: (0..plan.hosts).zip(0..).map(turn).collect(),
            plan: plan.clone(),
            links,
            pace,
            registry,
            told,
            introduced,
            is_introduced: false,
            next_tick: now,
            heard,
        })
    }

    /// When somebody has something to say, or the registry to do.
    fn deadline(&self) -> Instant {
        let turn = self.turns.peek().map(|Reverse((turn, _))| *turn);
        turn.map_or(self.next_tick, |turn| turn.min(self.next_tick))
    }

    fn hear(&mut self, batch: &[Message]) -> Result<()> {
        let now = clock::now();
        let reception = Reception::fresh(first_driver()?, now, clock::unix_seconds() * 1000);
        let mut newcomers = false;
        for message in batch {
            self.heard.packets.fetch_add(1, Ordering::Relaxed);
            let frame = wire_len(&message.subject, message.payload.len());
            self.heard.bytes.fetch_add(frame, Ordering::Relaxed);
            let news = self.registry.apply_payload(&message.payload, reception);
            newcomers |= news.is_ok_and(|accepted| accepted.news == Some(SenderNews::Newcomer));
        }
        if newcomers {
            self.greet(now);
        }
        let have_spoken = now >= self.introduced && !newcomers;
        self.is_introduced |= have_spoken && self.registry.size().hosts >= self.plan.hosts;
        self.resize(now);
        Ok(())
    }

    /// All have heard a newcomer, or several at once.
    fn greet(&mut self, now: Instant) {
        let size = self.registry.size().hosts;
        if self.is_introduced && !self.pace.is_large(size) {
            for host in &mut self.hosts {
                host.schedule.newcomer(size, fastrand::f64(), now);
            }
            self.ask_all();
        }
    }

    /// All are told of another size, as in lobbyd only where it is news.
    fn resize(&mut self, now: Instant) {
        let (size, told) = (self.size(), self.told);
        let is_other = (told.without_ttl > 0) != (size.without_ttl > 0)
            || size.hosts.abs_diff(told.hosts) > told.hosts / NEWS_OF_SIZE;
        if is_other {
            self.told = size;
            self.hosts.iter_mut().for_each(|host| host.schedule.resize(size, now));
            self.ask_all();
        }
    }

    /// The size of the lobby, as all of them know it.
    fn size(&self) -> LobbySize {
        if self.is_introduced { self.registry.size() } else { self.told }
    }

    /// Notes for everybody who has spoken when the next turn is.
    fn ask_all(&mut self) {
        let hosts = &self.hosts;
        let waiting = self.turns.drain().filter(|Reverse((_, number))| !hosts[*number].has_spoken);
        let speaking = hosts.iter().enumerate().filter(|(_, host)| host.has_spoken);
        let turns = speaking.map(|(number, host)| Reverse((host.schedule.deadline(), number)));
        self.turns = waiting.collect::<Vec<_>>().into_iter().chain(turns).collect();
    }

    /// Everybody speaks whose turn it is.
    async fn speak(&mut self) -> Result<()> {
        let now = clock::now();
        if self.next_tick <= now {
            self.registry.tick(now);
            self.registry.expire(now);
            self.next_tick = now + TICK;
        }
        let (size, broker) = (self.size(), broker()?);
        while let Some(Reverse((turn, number))) = self.turns.peek().copied()
            && turn <= now
        {
            self.turns.pop();
            let host = &mut self.hosts[number];
            host.schedule.resize(size, now);
            let is_first = !std::mem::replace(&mut host.has_spoken, true);
            if is_first || host.schedule.is_due(broker, fastrand::f64(), now) {
                host.announcer.use_ttl(host.schedule.ttl());
                let packet = host.announcer.hi(clock::unix_seconds() * 1000);
                let packet = packet.context("a host has a packet")?;
                let link = &self.links[number % self.links.len()];
                link.publish(self.plan.subject.clone(), packet.payload).await?;
            }
            self.turns.push(Reverse((self.hosts[number].schedule.deadline(), number)));
        }
        Ok(())
    }
}

fn first_driver() -> Result<DriverId> {
    DriverId::new(0).context("there is a first driver")
}

/// The links of a host: to the broker alone.
fn broker() -> Result<DriverSet> {
    let mut broker = DriverSet::default();
    broker.insert(first_driver()?);
    Ok(broker)
}

/// The bytes of a message on its way to a subscriber: `MSG SUBJECT SID LENGTH`, and the packet.
fn wire_len(subject: &str, payload: usize) -> u64 {
    let (words, ends) = ("MSG  1 ".len() + payload.to_string().len(), 2 * "\r\n".len());
    (words + subject.len() + payload + ends) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_as_long_as_nats_makes_it() {
        assert_eq!(wire_len("a.b", 5), "MSG a.b 1 5\r\nhello\r\n".len() as u64);
    }
}
