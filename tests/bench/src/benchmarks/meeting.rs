//! How soon a daemon that joins knows all others.

use std::time::Duration;

use anyhow::{Result, ensure};
use tempfile::TempDir;

use crate::clock;
use crate::environment::Environment;
use crate::figures::{Goal, REPETITIONS, Row, Samples, Unit};
use crate::http::Connection;
use crate::lobbyd::{Lobbyd, Start};

const OTHERS: usize = 60;

/// Joins of a repetition.
const JOINS: usize = 5;

/// Between two joins: the others greet three times in a KEEP_ALIVE of 5 s.
const PAUSE: Duration = Duration::from_secs(2);

/// Who does not know everybody by then waits for keep-alives.
const LIMIT: Duration = Duration::from_secs(10);

const CHANNEL: &str = "lobby.bench.meeting";

/// Settings by which daemons meet.
type Meeting = Vec<(&'static str, String)>;

/// A daemon joins 60 others, over NATS and over Redis.
pub(super) async fn meeting(environment: &mut Environment) -> Result<Vec<Row>> {
    let (nats_url, redis_port) = (environment.nats.url(), environment.redis().await.port());
    let nats = vec![
        ("DRIVER", "NATS".into()),
        ("NATS_URL", nats_url),
        ("NATS_DISCOVERY_CHANNEL", CHANNEL.into()),
    ];
    let redis = vec![
        ("DRIVER", "Redis".into()),
        ("REDIS_PORT", redis_port.to_string()),
        ("REDIS_CHANNEL", CHANNEL.into()),
    ];
    Ok(vec![joins(environment, "NATS", &nats).await?, joins(environment, "Redis", &redis).await?])
}

async fn joins(environment: &Environment, broker: &str, meeting: &Meeting) -> Result<Row> {
    let mut others = Vec::new();
    for number in 0..OTHERS {
        others.push(daemon(environment, &format!("other-{number}"), meeting).await?);
    }
    let mut medians = Samples::default();
    for _ in 0..REPETITIONS {
        let mut times = Samples::default();
        for _ in 0..JOINS {
            clock::pause(PAUSE).await;
            times.push(join(environment, meeting).await?);
        }
        medians.push(times.median());
    }
    let row = Row::new(format!("start to knowing all others, {broker}"), Unit::Milliseconds);
    let row = row.hosts(OTHERS).goal(Goal::AtMost { times: 0.0, plus: 250.0 });
    Ok(row.measured(medians, Samples::default()).note(format!("medians of {JOINS}")))
}

/// How long a daemon takes to know all others, from its start on, in milliseconds.
async fn join(environment: &Environment, meeting: &Meeting) -> Result<f64> {
    let begin = clock::now();
    let mut newcomer = daemon(environment, "newcomer", meeting).await?;
    let mut connection = Connection::open(newcomer.address).await?;
    while Lobbyd::status_on(&mut connection).await?.records <= OTHERS {
        ensure!(begin.elapsed() < LIMIT, "a daemon does not know all others within {LIMIT:?}");
        clock::pause(Duration::from_millis(1)).await;
    }
    let took = begin.elapsed().as_secs_f64() * 1e3;
    newcomer.process.terminate()?;
    newcomer.process.wait()?;
    Ok(took)
}

async fn daemon(environment: &Environment, name: &str, meeting: &Meeting) -> Result<Lobbyd> {
    let log = environment.directory.join(format!("lobbyd-{name}.log"));
    let start = Start::new(&environment.program, &log, name);
    let start = meeting.iter().fold(start, |start, (setting, value)| start.set(setting, value));
    start.start(TempDir::new()?).await
}
