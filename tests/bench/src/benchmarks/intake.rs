//! Packets taken in from NATS as fast as they come.
//!
//! A burst of packets is written to the server without any pause or feedback, and the time runs
//! until the last of them has been taken in. Bursts are smaller than what nats-server holds for a
//! client that is behind (64 MB), so it is never the server that loses packets; whatever the daemon
//! drops, it counts. The bare subscriber gets the same bursts, by turns with the daemon.

use std::ops::AddAssign;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::burst::Burst;
use crate::clock;
use crate::counter::Counter;
use crate::environment::{Environment, Lobby};
use crate::figures::{Goal, REPETITIONS, Row, Samples, Unit};
use crate::http::Connection;
use crate::lobbyd::Lobbyd;
use crate::process::Running;
use crate::wire::Publisher;

/// What the bare subscriber listens to. Would it share the daemon's subject, the server would serve
/// both at once.
const COUNTER_SUBJECT: &str = "counter";
/// Bursts of a repetition.
const BURSTS: usize = 3;
/// How often somebody is asked for progress who answers at once.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Without progress for so long, what is missing is lost.
const PATIENCE: Duration = Duration::from_secs(2);
/// Sizes of fleets; the goals are about [`GOAL_SIZE`].
const SIZES: [usize; 4] = [100, 1_000, 10_000, 100_000];
const GOAL_SIZE: usize = 10_000;

/// Keep-alives: each host sends again and again what it has sent before.
pub(super) async fn keep_alives(environment: &mut Environment) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for hosts in SIZES {
        let lobby = environment.lobby(hosts).await?;
        let outcome = compare(environment, &lobby, |_, _| {}).await?;
        let goal = (hosts == GOAL_SIZE).then_some(Goal::AtLeast(0.80));
        rows.push(outcome.speed("keep-alives taken in").hosts(hosts).goal(goal));
        if hosts == GOAL_SIZE {
            let (most_cpu, none) =
                (Goal::AtMost { times: 1.5, plus: 0.0 }, Goal::AtMost { times: 0.0, plus: 0.0 });
            rows.push(outcome.cpu("processor time per keep-alive").hosts(hosts).goal(most_cpu));
            rows.push(outcome.lost("keep-alives lost").hosts(hosts).goal(none));
        }
    }
    Ok(rows)
}

/// Keep-alives of hosts that sign them, to a daemon that takes in no others.
pub(super) async fn signed_keep_alives(environment: &mut Environment) -> Result<Vec<Row>> {
    let lobby = environment.signed_lobby(GOAL_SIZE).await?;
    let sign = |burst: &mut Burst, earlier: usize| *burst = Burst::signed(&lobby, earlier);
    let outcome = compare(environment, &lobby, sign).await?;
    let status = lobby.lobbyd.status().await?;
    let refused = status.drivers.iter().find(|driver| !driver.refused.is_empty());
    ensure!(refused.is_none(), "lobbyd refused signed packets: {refused:?}");
    let cpu = outcome.cpu("processor time per signed keep-alive").hosts(GOAL_SIZE);
    let goal = Goal::AtMost { times: 0.0, plus: 3.0 };
    Ok(vec![outcome.speed("signed keep-alives taken in").hosts(GOAL_SIZE), cpu.goal(goal)])
}

/// Label changes: no packet is like one before. Without a goal: they are decoded, and a fleet has a
/// handful of them a second.
pub(super) async fn changes(environment: &mut Environment) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for hosts in SIZES {
        let lobby = environment.lobby(hosts).await?;
        let outcome = compare(environment, &lobby, Burst::change_labels).await?;
        let row = outcome.speed("label changes taken in").hosts(hosts);
        rows.push(row.note("no goal: a fleet has a handful of label changes a second"));
        if hosts == GOAL_SIZE {
            rows.push(outcome.cpu("processor time per label change").hosts(hosts));
            rows.push(outcome.lost("label changes lost").hosts(hosts));
        }
    }
    // Others expect the fleets as they were introduced.
    environment.forget_lobbies();
    Ok(rows)
}

/// Somebody who takes packets in.
trait Sink {
    fn process(&self) -> &Running;

    /// How many packets were taken in, and how many dropped, since the start.
    async fn count(&mut self) -> Result<(u64, u64)>;
}

/// A daemon, asked on one connection: to be asked must cost it next to nothing.
struct Daemon<'a> {
    lobby: &'a Lobby,
    connection: Connection,
}

impl Sink for Daemon<'_> {
    fn process(&self) -> &Running {
        &self.lobby.lobbyd.process
    }

    async fn count(&mut self) -> Result<(u64, u64)> {
        let status = Lobbyd::status_on(&mut self.connection).await?;
        let driver = status.drivers.first().context("the daemon has a driver")?;
        Ok((driver.received, driver.dropped))
    }
}

impl Sink for Counter {
    fn process(&self) -> &Running {
        &self.process
    }

    async fn count(&mut self) -> Result<(u64, u64)> {
        Ok((self.received()?, 0))
    }
}

/// What became of one or several bursts.
#[derive(Default, Clone, Copy)]
struct Intake {
    time: Duration,
    cpu: Duration,
    taken: u64,
    lost: u64,
}

impl AddAssign for Intake {
    fn add_assign(&mut self, other: Self) {
        self.time += other.time;
        self.cpu += other.cpu;
        self.taken += other.taken;
        self.lost += other.lost;
    }
}

/// Sends a burst and waits until it has been taken in, looking every now and then.
async fn take_in(
    sink: &mut impl Sink,
    port: u16,
    burst: &Burst,
    look_every: Duration,
) -> Result<Intake> {
    let (mut publisher, frames) = (Publisher::connect(port)?, burst.frames());
    let (before, cpu, begin) = (sink.count().await?, sink.process().cpu()?, clock::now());
    let sending = tokio::task::spawn_blocking(move || publisher.send(&frames));
    let (mut last, mut progress) = (before, begin);
    while last.0 + last.1 < before.0 + before.1 + burst.packets() && progress.elapsed() < PATIENCE {
        clock::pause(look_every).await;
        let count = sink.count().await?;
        if count != last {
            (last, progress) = (count, clock::now());
        }
    }
    let cpu = sink.process().cpu()?.saturating_sub(cpu);
    sending.await??;
    // An own packet of the daemon may be among those that it has received.
    let taken = (last.0 - before.0).min(burst.packets());
    let lost = (last.1 - before.1).max(burst.packets() - taken);
    Ok(Intake { time: progress - begin, cpu, taken, lost })
}

/// What daemon and subscriber reached, repetition by repetition.
#[derive(Default)]
struct Outcome {
    lobbyd: Vec<Intake>,
    baseline: Vec<Intake>,
}

/// Sends bursts by turns; before each, `prepare` may alter it, given how many there were before.
async fn compare(
    environment: &Environment,
    lobby: &Lobby,
    prepare: impl Fn(&mut Burst, usize),
) -> Result<Outcome> {
    let (port, look_every) = (environment.nats.port(), look_every(lobby.fleet.size()));
    let mut to_lobbyd = Burst::of(lobby);
    let mut counter = Counter::start(&environment.nats.url(), COUNTER_SUBJECT)?;
    let mut outcome = Outcome::default();
    for repetition in 0..REPETITIONS {
        let (mut lobbyd, mut baseline) = (Intake::default(), Intake::default());
        for burst in 0..BURSTS {
            prepare(&mut to_lobbyd, repetition * BURSTS + burst);
            let to_counter = to_lobbyd.readdressed(&lobby.subject, COUNTER_SUBJECT);
            // While a burst is prepared, the daemon would close an idle connection.
            let connection = Connection::open(lobby.lobbyd.address).await?;
            let mut daemon = Daemon { lobby, connection };
            lobbyd += take_in(&mut daemon, port, &to_lobbyd, look_every).await?;
            baseline += take_in(&mut counter, port, &to_counter, LOOK_EVERY).await?;
        }
        outcome.lobbyd.push(lobbyd);
        outcome.baseline.push(baseline);
    }
    Ok(outcome)
}

/// The daemon counts its living hosts whenever it is asked how it does; that must not cost more
/// than one per cent.
fn look_every(hosts: usize) -> Duration {
    LOOK_EVERY.max(Duration::from_micros(hosts as u64 / 10))
}

impl Outcome {
    fn speed(&self, what: &str) -> Row {
        self.row(what, Unit::Rate, |intake| intake.taken as f64 / intake.time.as_secs_f64())
    }

    fn cpu(&self, what: &str) -> Row {
        self.row(what, Unit::Microseconds, |intake| {
            intake.cpu.as_secs_f64() * 1e6 / intake.taken as f64
        })
    }

    fn lost(&self, what: &str) -> Row {
        self.row(what, Unit::Percent, |intake| {
            intake.lost as f64 / (intake.taken + intake.lost) as f64 * 100.0
        })
    }

    fn row(&self, what: &str, unit: Unit, value: impl Fn(&Intake) -> f64) -> Row {
        let [figure, limit] =
            [&self.lobbyd, &self.baseline].map(|all| all.iter().map(&value).collect::<Samples>());
        Row::new(what, unit).measured(figure, limit)
    }
}
