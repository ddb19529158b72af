//! How soon a label added on one daemon is listed by another.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use tempfile::TempDir;

use super::echo::{CHANNEL, Echo};
use crate::clock;
use crate::environment::Environment;
use crate::figures::{Goal, REPETITIONS, Row, Samples, Unit};
use crate::http::{Connection, get, request};
use crate::lobbyd::{Lobbyd, Start};
use crate::readers::Readers;

/// Changes of a repetition.
const CHANGES: usize = 100;
/// Of a repetition with label files on the disk, whose own time is what takes long.
const CHANGES_ON_DISK: usize = 20;
/// A label that is not listed by then is lost.
const LIMIT: Duration = Duration::from_secs(5);
const LABEL: &str = "bench:spreading";
/// Where files cost no time.
const MEMORY: &str = "/dev/shm";

/// Settings by which daemons meet.
type Meeting = Vec<(&'static str, String)>;

/// A label added on one daemon, listed by another, through NATS and through Redis.
pub(super) async fn spreading(environment: &mut Environment) -> Result<Vec<Row>> {
    let (nats_url, redis_port, redis_url) =
        (environment.nats.url(), environment.redis().await.port(), environment.redis().await.url());
    let nats = vec![
        ("DRIVER", "NATS".into()),
        ("NATS_URL", nats_url.clone()),
        ("NATS_DISCOVERY_CHANNEL", CHANNEL.into()),
    ];
    let redis = vec![
        ("DRIVER", "Redis".into()),
        ("REDIS_PORT", redis_port.to_string()),
        ("REDIS_CHANNEL", CHANNEL.into()),
    ];
    let mut rows = compare(environment, "NATS", &nats, Echo::over_nats(&nats_url).await?).await?;
    rows.extend(compare(environment, "Redis", &redis, Echo::over_redis(&redis_url).await?).await?);
    rows.push(as_event(environment, &nats, Echo::over_nats(&nats_url).await?).await?);
    rows.push(on_disk(environment, &nats).await?);
    Ok(rows)
}

async fn compare(
    environment: &Environment,
    broker: &str,
    meeting: &Meeting,
    mut echo: Echo,
) -> Result<Vec<Row>> {
    let mut pair = Pair::start(environment, meeting, Path::new(MEMORY)).await?;
    let [mut median, mut median_limit, mut p99, mut p99_limit] = [const { Vec::new() }; 4];
    for _ in 0..REPETITIONS {
        let (spread, echoed) = (pair.spread(CHANGES).await?, echo.times(CHANGES).await?);
        median.push(spread.median());
        median_limit.push(echoed.median());
        p99.push(spread.percentile(0.99));
        p99_limit.push(echoed.percentile(0.99));
    }
    let row = |what, plus, figure: Vec<f64>, limit: Vec<f64>| {
        let row = Row::new(
            format!("label added → listed elsewhere, {broker}, {what}"),
            Unit::Milliseconds,
        );
        let row = row
            .goal(Goal::AtMost { times: 1.0, plus })
            .note(format!("{CHANGES} changes, label files in memory"));
        row.measured(figure.into_iter().collect(), limit.into_iter().collect())
    };
    Ok(vec![row("median", 1.0, median, median_limit), row("p99", 3.0, p99, p99_limit)])
}

/// The same told by an event to a reader of the other daemon.
async fn as_event(environment: &Environment, meeting: &Meeting, mut echo: Echo) -> Result<Row> {
    let mut pair = Pair::start(environment, meeting, Path::new(MEMORY)).await?;
    let mut reader = Readers::open(pair.daemons[1].address, 1, &[]).await?;
    let (mut medians, mut limits) = (Samples::default(), Samples::default());
    for _ in 0..REPETITIONS {
        let mut times = Samples::default();
        for change in 0..CHANGES {
            let begin = clock::now();
            pair.speaker.send(&request("POST", "/v1/labels", &[], LABEL)).await?;
            reader.receive(format!("\"added\":[\"{LABEL}\"]").as_bytes()).await?;
            times.push(begin.elapsed().as_secs_f64() * 1e3);
            ensure!(pair.speaker.answer().await?.status == 200, "a label was not added");
            pair.speaker.ask(&request("DELETE", "/v1/labels", &[], LABEL)).await?;
            reader.receive(format!("\"removed\":[\"{LABEL}\"]").as_bytes()).await?;
            clock::pause(Duration::from_millis(1 + change as u64 * 7 % 11)).await;
        }
        medians.push(times.median());
        limits.push(echo.times(CHANGES).await?.median());
    }
    let row = Row::new("label added → event elsewhere, NATS, median", Unit::Milliseconds);
    let goal = Goal::AtMost { times: 1.0, plus: 1.0 };
    Ok(row.goal(goal).note(format!("{CHANGES} changes")).measured(medians, limits))
}

/// The same with what a disk adds to it, whose file system must confirm that it has the label
/// before anybody is told.
async fn on_disk(environment: &Environment, meeting: &Meeting) -> Result<Row> {
    let mut pair = Pair::start(environment, meeting, &environment.directory).await?;
    let mut medians = Samples::default();
    for _ in 0..REPETITIONS {
        medians.push(pair.spread(CHANGES_ON_DISK).await?.median());
    }
    let row = Row::new("the same, NATS, label files on the disk, median", Unit::Milliseconds);
    Ok(row
        .measured(medians, Samples::default())
        .note(format!("{CHANGES_ON_DISK} changes, each synced to the disk")))
}

/// Two daemons of one lobby, and a connection to each.
struct Pair {
    speaker: Connection,
    listener: Connection,
    daemons: [Lobbyd; 2],
}

impl Pair {
    async fn start(environment: &Environment, meeting: &Meeting, labels: &Path) -> Result<Self> {
        let (speaker, listener) = (
            daemon(environment, "speaker", meeting, labels),
            daemon(environment, "listener", meeting, labels),
        );
        let daemons = [speaker.await?, listener.await?];
        let [speaker, listener] = [daemons[0].address, daemons[1].address];
        let (speaker, listener) =
            (Connection::open(speaker).await?, Connection::open(listener).await?);
        let mut pair = Self { speaker, listener, daemons };
        pair.meet().await?;
        Ok(pair)
    }

    /// Waits until the listener knows the speaker.
    async fn meet(&mut self) -> Result<()> {
        let begin = clock::now();
        while Lobbyd::status_on(&mut self.listener).await?.records < self.daemons.len() {
            ensure!(begin.elapsed() < LIMIT, "two daemons did not meet within {LIMIT:?}");
            clock::pause(Duration::from_millis(1)).await;
        }
        Ok(())
    }

    /// How long each of so many labels took, in milliseconds.
    async fn spread(&mut self, changes: usize) -> Result<Samples> {
        let mut times = Samples::default();
        for change in 0..changes {
            let begin = clock::now();
            self.speaker.send(&request("POST", "/v1/labels", &[], LABEL)).await?;
            self.wait_until_listed(true).await?;
            times.push(begin.elapsed().as_secs_f64() * 1e3);
            ensure!(self.speaker.answer().await?.status == 200, "a label was not added");
            let removed = self.speaker.ask(&request("DELETE", "/v1/labels", &[], LABEL)).await?;
            ensure!(removed.status == 200, "a label was not removed");
            self.wait_until_listed(false).await?;
            // Uneven pauses, so that nothing falls into step with the daemons' timers.
            clock::pause(Duration::from_millis(1 + change as u64 * 7 % 11)).await;
        }
        Ok(times)
    }

    /// Asks again and again without a pause.
    async fn wait_until_listed(&mut self, listed: bool) -> Result<()> {
        let (question, begin) = (get(&format!("/v1/resolve?label={LABEL}"), &[]), clock::now());
        while (self.listener.ask(&question).await?.body.as_ref() != b"[]") != listed {
            ensure!(begin.elapsed() < LIMIT, "a label did not spread within {LIMIT:?}");
        }
        Ok(())
    }
}

async fn daemon(
    environment: &Environment,
    name: &str,
    meeting: &Meeting,
    labels: &Path,
) -> Result<Lobbyd> {
    let log = environment.directory.join(format!("lobbyd-{name}.log"));
    let start = Start::new(&environment.program, &log, name);
    let start = meeting.iter().fold(start, |start, (setting, value)| start.set(setting, value));
    start.start(TempDir::new_in(labels)?).await
}
