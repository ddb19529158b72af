//! What a large fleet costs, and how soon it knows things.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use serde::Serialize;

use super::cluster::{self, Cluster, USER, USER_WITHOUT_SYNC};
use super::crowd::{Crowd, INTRODUCTION, KEEP_ALIVE, Plan};
use super::daemons::{Daemon, Lobby};
use crate::clock;
use crate::figures::Samples;
use crate::fleet::Fleet;

/// Real daemons among the simulated hosts.
pub const DAEMONS: usize = 20;

/// A daemon that is alone is warm after a KEEP_ALIVE. Only a warm one tells newcomers of everybody.
const WARM_LIMIT: Duration = Duration::from_secs(15);
/// How long costs are counted.
const WINDOW: Duration = Duration::from_secs(10);
/// Whoever does not know everybody by then never will.
const KNOWN_LIMIT: Duration = Duration::from_secs(30);
/// Whatever is not seen by then counts as lost.
const LIMIT: Duration = Duration::from_secs(40);
/// Labels, and joins.
const TIMES: usize = 3;
/// Messages through the bare cluster.
const HOPS: usize = 50;
/// After so long nothing more is to come through it.
const HOP_PAUSE: Duration = Duration::from_millis(50);

/// What was measured for a size and a MAX_PACKET_RATE. Times are in milliseconds, processor time in
/// per cent of a core, memory in bytes, rates per second.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    /// All hosts, a newcomer included.
    pub hosts: usize,
    /// MAX_PACKET_RATE.
    pub rate: u32,
    /// Packets that each subscriber gets.
    pub packets: f64,
    /// Their bytes on the wire.
    pub bytes: f64,
    /// Processor time of a daemon, the median one.
    pub cpu: f64,
    /// Memory of a daemon, the median one.
    pub memory: f64,
    /// Processor time of all servers together.
    pub broker_cpu: f64,
    /// Memory of the largest server.
    pub broker_memory: f64,
    /// Processor time of the servers for each packet that they deliver, in microseconds.
    pub delivery: f64,
    /// A message through the bare cluster.
    pub hop: f64,
    /// A label, until all daemons list it.
    pub label: f64,
    /// A daemon, from its start until it knows everybody.
    pub join: f64,
    /// The same without sync; only where it is greeted.
    pub greeted: Option<f64>,
    /// A daemon that is killed, until another one no longer lists it.
    pub crash: f64,
}

/// Measures one size of a fleet with this MAX_PACKET_RATE.
///
/// # Errors
/// When a program does not start, or does not get there in its time.
pub async fn measure(
    program: &Path,
    directory: &Path,
    cluster: &Cluster,
    hosts: usize,
    rate: u32,
) -> Result<Figures> {
    let subject = format!("fleet.r{rate}-{hosts}");
    // With a newcomer they are as many as the size says.
    let simulated = hosts.saturating_sub(DAEMONS + 1).max(1);
    let lobby = Lobby { program, directory, cluster, subject: subject.clone(), simulated, rate };
    let daemons = lobby.daemons(DAEMONS).await?;
    are_warm(&daemons).await?;
    let ports = (0..3).map(|number| cluster.port(number)).collect();
    let mut crowd = Crowd::start(&Plan::new(ports, &subject, simulated, rate))?;
    clock::pause(INTRODUCTION).await;
    let all = simulated + DAEMONS;
    for daemon in &daemons {
        daemon.knows(all, clock::now(), KNOWN_LIMIT).await?;
    }
    // Who was greeted in the introduction has greeted back by then.
    clock::pause(INTRODUCTION).await;
    let costs = costs(cluster, &mut crowd, &daemons).await?;
    let hop = hop(cluster).await?;
    let label = label(&daemons).await?;
    let join = join(&lobby, all, USER).await?;
    let greeted = if is_greeted(hosts, rate) {
        Some(join_once(&lobby, all, USER_WITHOUT_SYNC).await?)
    } else {
        None
    };
    let crash = crash(&lobby, &daemons, all).await?;
    Ok(Figures { hosts, rate, hop, label, join, greeted, crash, ..costs })
}

/// Whether a lobby of this size greets newcomers: only where intervals are not stretched.
fn is_greeted(hosts: usize, rate: u32) -> bool {
    rate == 0 || hosts as f64 <= f64::from(rate) * KEEP_ALIVE.as_secs_f64()
}

async fn are_warm(daemons: &[Daemon]) -> Result<()> {
    let begin = clock::now();
    for daemon in daemons {
        while !daemon.lobbyd.status().await?.warm {
            ensure!(begin.elapsed() < WARM_LIMIT, "a daemon is not warm after {WARM_LIMIT:?}");
            clock::pause(Duration::from_millis(20)).await;
        }
    }
    Ok(())
}

/// The costs while nothing happens.
async fn costs(cluster: &Cluster, crowd: &mut Crowd, daemons: &[Daemon]) -> Result<Figures> {
    let mut before = Vec::new();
    for daemon in daemons {
        before.push((daemon.received().await?, clock::now(), daemon.lobbyd.process.cpu()?));
    }
    let (broker, heard, begin) = (cluster.cpu()?, crowd.heard()?, clock::now());
    clock::pause(WINDOW).await;
    let window = begin.elapsed().as_secs_f64();
    let (broker, after) = (cluster.cpu()?.saturating_sub(broker), crowd.heard()?);
    let (mut packets, mut cpu, mut memory) =
        (Samples::default(), Samples::default(), Samples::default());
    for (daemon, (received, at, used)) in daemons.iter().zip(before) {
        let share =
            (daemon.lobbyd.process.cpu()?.saturating_sub(used)).div_duration_f64(at.elapsed());
        cpu.push(share * 100.0);
        memory.push(daemon.lobbyd.process.resident()? as f64);
        let more = daemon.received().await? - received;
        packets.push(more as f64 / at.elapsed().as_secs_f64());
    }
    let (messages, bytes) =
        ((after.packets - heard.packets) as f64, (after.bytes - heard.bytes) as f64);
    // The crowd itself is one more subscriber.
    let delivered = messages * (daemons.len() + 1) as f64;
    Ok(Figures {
        hosts: 0,
        rate: 0,
        packets: packets.median(),
        bytes: bytes / window,
        cpu: cpu.median(),
        memory: memory.median(),
        broker_cpu: broker.as_secs_f64() * 100.0 / window,
        broker_memory: cluster.resident()? as f64,
        delivery: broker.as_secs_f64() * 1e6 / delivered.max(1.0),
        hop: 0.0,
        label: 0.0,
        join: 0.0,
        greeted: None,
        crash: 0.0,
    })
}

/// A message of a packet's size from one server of the cluster to another one.
async fn hop(cluster: &Cluster) -> Result<f64> {
    let publisher = cluster::connect(cluster.port(0)).await?;
    let subscriber = cluster::connect(cluster.port(1)).await?;
    let mut messages = subscriber.subscribe("fleet.hop").await?;
    subscriber.flush().await?;
    let (payload, mut times) = (Fleet::new(10).payload(0, 0), Samples::default());
    // The other server learns of the subscription a moment later.
    while tokio::time::timeout(HOP_PAUSE, messages.next()).await.is_err() {
        publisher.publish("fleet.hop", payload.clone()).await?;
    }
    while tokio::time::timeout(HOP_PAUSE, messages.next()).await.is_ok() {}
    for _ in 0..HOPS {
        let begin = clock::now();
        publisher.publish("fleet.hop", payload.clone()).await?;
        messages.next().await.context("a server hung up")?;
        times.push(begin.elapsed().as_secs_f64() * 1e3);
        clock::pause(Duration::from_millis(1)).await;
    }
    Ok(times.median())
}

/// A label of the first daemon, until all others list it.
async fn label(daemons: &[Daemon]) -> Result<f64> {
    let mut times = Samples::default();
    let (first, others) = daemons.split_first().context("there are daemons")?;
    for _ in 0..TIMES {
        let begin = clock::now();
        first.label(true).await?;
        for other in others {
            other.lists(true, LIMIT).await?;
        }
        times.push(begin.elapsed().as_secs_f64() * 1e3);
        first.label(false).await?;
        for other in others {
            other.lists(false, LIMIT).await?;
        }
    }
    Ok(times.median())
}

async fn join(lobby: &Lobby<'_>, all: usize, user: &str) -> Result<f64> {
    let mut times = Samples::default();
    for _ in 0..TIMES {
        times.push(join_once(lobby, all, user).await?);
    }
    Ok(times.median())
}

/// A daemon starts, knows everybody and ends.
async fn join_once(lobby: &Lobby<'_>, all: usize, user: &str) -> Result<f64> {
    let begin = clock::now();
    let mut newcomer = lobby.daemon(DAEMONS, user).await?;
    let took = newcomer.knows(all + 1, begin, LIMIT).await?;
    newcomer.lobbyd.process.terminate()?;
    newcomer.lobbyd.process.wait()?;
    Ok(took.as_secs_f64() * 1e3)
}

/// A daemon that everybody knows is killed.
async fn crash(lobby: &Lobby<'_>, daemons: &[Daemon], all: usize) -> Result<f64> {
    let witness = daemons.first().context("there are daemons")?;
    let mut victim = lobby.daemon(DAEMONS + 1, USER).await?;
    witness.knows(all + 1, clock::now(), LIMIT).await?;
    let begin = clock::now();
    victim.lobbyd.process.kill()?;
    let took = witness.knows(all, begin, LIMIT).await?;
    Ok(took.as_secs_f64() * 1e3)
}
