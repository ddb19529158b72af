//! Readers of events: how soon all of them are told, and what they cost.

use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;

use super::compare;
use crate::clock;
use crate::environment::{Environment, Lobby};
use crate::figures::{Goal, REPETITIONS, Row, Samples, Unit};
use crate::fleet::RARE_LABEL;
use crate::http::{Connection, get};
use crate::process::Running;
use crate::readers::{Broadcast, Readers};
use crate::wire::Publisher;

const READERS: usize = 1_000;
const CHANGES: usize = 100;
/// So many come back at once after a restart.
const RETURNING: usize = 100;
/// At this interval a host goes through its two changes: ten changes a second.
const CHANGES_PERIOD: Duration = Duration::from_millis(200);
const MILLION: f64 = 1e6;

/// One change and a thousand readers, beside a bare program that writes the same bytes to as many
/// connections; what the readers hold; what they leave to others.
pub(super) async fn following(environment: &mut Environment) -> Result<Vec<Row>> {
    let waiting = memory_of_connections(environment).await?;
    let lobby = environment.fresh_lobby(1_000, "following").await?;
    let before = lobby.lobbyd.process.resident()?;
    let mut readers = Readers::open(lobby.lobbyd.address, READERS, &[]).await?;
    let mut teller = Teller::new(environment, &lobby)?;
    teller.tell()?;
    let event = readers.receive(b"stranger:").await?;
    let held = lobby.lobbyd.process.resident()?.saturating_sub(before) as f64 / MILLION;
    let mut bare = Broadcast::start(&environment.directory, &event, READERS)?;
    let mut listeners = Readers::connect(bare.address, READERS).await?;
    bare.has_all()?;
    let [mut told, mut written, mut cpu, mut bare_cpu] = [const { Vec::new() }; 4];
    for _ in 0..REPETITIONS {
        let mark = b"stranger:";
        let (times, cost) =
            measure(&lobby.lobbyd.process, &mut readers, mark, || teller.tell()).await?;
        told.push(times.median());
        cpu.push(cost);
        let process = bare.process.cpu()?;
        let mut times = Samples::default();
        for _ in 0..CHANGES {
            let begin = clock::now();
            bare.write()?;
            listeners.receive(mark).await?;
            times.push(begin.elapsed().as_secs_f64() * 1e3);
        }
        written.push(times.median());
        bare_cpu.push(per_change(bare.process.cpu()? - process));
    }
    let row = |what: &str, unit, plus| {
        let goal = Goal::AtMost { times: if plus > 0.0 { 0.0 } else { 3.0 }, plus };
        Row::new(what, unit).hosts(1_000).goal(goal)
    };
    let median =
        row("a change → told to 1,000 readers of events, median", Unit::Milliseconds, 20.0);
    let time = row("processor time of a change for 1,000 readers", Unit::Microseconds, 0.0);
    let what = "memory of 1,000 readers of events, limit: connections that wait";
    let memory = row(what, Unit::Megabytes, 16.0);
    let resolve = Row::new("GET /v1/resolve?label=, 10 changes/s and 1,000 readers", Unit::Rate)
        .hosts(1_000)
        .goal(Goal::AtLeast(0.50));
    let drain = readers.drain();
    let request = get(&format!("/v1/resolve?label={RARE_LABEL}"), &[]).into();
    let changes = (lobby.changing_frames(), CHANGES_PERIOD);
    let resolve =
        compare::busy_against_rest(resolve, environment, &lobby, &request, changes).await?;
    drain.stop().await?;
    let samples = |values: Vec<f64>| values.into_iter().collect::<Samples>();
    Ok(vec![
        median.measured(samples(told), samples(written)).note(format!("{CHANGES} changes")),
        time.measured(samples(cpu), samples(bare_cpu)),
        memory.measured(samples(vec![held]), samples(vec![waiting])),
        resolve,
    ])
}

/// The memory of as many connections that were answered once and are kept, in megabytes: what a
/// server holds of any client.
async fn memory_of_connections(environment: &mut Environment) -> Result<f64> {
    let lobby = environment.fresh_lobby(1_000, "waiting").await?;
    let (before, mut connections) = (lobby.lobbyd.process.resident()?, Vec::new());
    for _ in 0..READERS {
        let mut connection = Connection::open(lobby.lobbyd.address).await?;
        connection.ask(&get("/healthz", &[])).await?;
        connections.push(connection);
    }
    Ok(lobby.lobbyd.process.resident()?.saturating_sub(before) as f64 / MILLION)
}

/// A hundred readers that come back at once, to a daemon that is another run than the one that they
/// know.
pub(super) async fn returning(environment: &mut Environment) -> Result<Vec<Row>> {
    let (mut times, mut memory) = (Samples::default(), Samples::default());
    for _ in 0..REPETITIONS {
        let lobby = environment.fresh_lobby(10_000, "returning").await?;
        let (process, begin) = (&lobby.lobbyd.process, clock::now());
        let before = process.resident()?;
        let known = [("Last-Event-ID", "0000000000000001-17")];
        let open = Readers::open(lobby.lobbyd.address, RETURNING, &known);
        let (_readers, peak) = with_peak(process, open).await?;
        times.push(begin.elapsed().as_secs_f64() * 1e3);
        memory.push(peak.saturating_sub(before) as f64 / MILLION);
    }
    let row = |what: &str, unit, plus| {
        Row::new(what, unit).hosts(10_000).goal(Goal::AtMost { times: 0.0, plus })
    };
    let what = "100 readers of events come back → all have the list";
    Ok(vec![
        row(what, Unit::Milliseconds, 2_000.0).measured(times, Samples::default()),
        row("memory at most while they get it", Unit::Megabytes, 60.0)
            .measured(memory, Samples::default()),
    ])
}

/// Waits for something. Returns also the most memory that a process had meanwhile, in bytes.
async fn with_peak<T>(
    process: &Running,
    work: impl Future<Output = Result<T>>,
) -> Result<(T, u64)> {
    let (mut work, mut peak) = (std::pin::pin!(work), 0);
    loop {
        tokio::select! {
            done = &mut work => return Ok((done?, peak.max(process.resident()?))),
            () = clock::pause(Duration::from_millis(5)) => peak = peak.max(process.resident()?),
        }
    }
}

/// How long each change took to all readers, in milliseconds, and the processor time of one, in
/// microseconds.
async fn measure(
    process: &Running,
    readers: &mut Readers,
    mark: &[u8],
    mut tell: impl FnMut() -> Result<()>,
) -> Result<(Samples, f64)> {
    let (before, mut times) = (process.cpu()?, Samples::default());
    for _ in 0..CHANGES {
        let begin = clock::now();
        tell()?;
        readers.receive(mark).await?;
        times.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    Ok((times, per_change(process.cpu()? - before)))
}

fn per_change(cpu: Duration) -> f64 {
    cpu.as_secs_f64() * MILLION / CHANGES as f64
}

/// A host beside the fleet that has another label each time.
struct Teller {
    publisher: Publisher,
    frames: Vec<Bytes>,
    turn: usize,
}

impl Teller {
    fn new(environment: &Environment, lobby: &Lobby) -> Result<Self> {
        let publisher = Publisher::connect(environment.nats.port())?;
        Ok(Self { publisher, frames: lobby.changing_frames(), turn: 0 })
    }

    fn tell(&mut self) -> Result<()> {
        self.turn += 1;
        self.publisher.send(&self.frames[self.turn % self.frames.len()])
    }
}
