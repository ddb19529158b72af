//! How long a daemon takes to be there, and to be gone.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use lobby_tests::free_port;
use tempfile::TempDir;

use crate::clock;
use crate::environment::Environment;
use crate::figures::{Goal, REPETITIONS, Row, Samples, Unit};
use crate::http::get;
use crate::lobbyd::Start;
use crate::process::Running;

/// Starts of a repetition.
const STARTS: usize = 20;
/// A daemon that does not answer by then does not start at all.
const LIMIT: Duration = Duration::from_secs(10);

/// Start to the first answer, and SIGTERM to the end, with the broker there and without, beside a
/// program that does nothing.
pub(super) async fn starting(environment: &mut Environment) -> Result<Vec<Row>> {
    let nowhere = format!("nats://{}", SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())));
    let mut rows = Vec::new();
    for (url, circumstance) in [(environment.nats.url(), "broker there"), (nowhere, "no broker")] {
        let (mut starts, mut ends, mut empty) =
            (Samples::default(), Samples::default(), Samples::default());
        for _ in 0..REPETITIONS {
            let (start, end) = lobbyd_life(environment, &url)?;
            starts.push(start.median());
            ends.push(end.median());
            empty.push(empty_life()?.median());
        }
        let goal = Goal::AtMost { times: 1.0, plus: 8.0 };
        let row =
            Row::new(format!("start to first API answer, {circumstance}"), Unit::Milliseconds)
                .goal(goal);
        rows.push(row.measured(starts, empty).note(format!("medians of {STARTS}")));
        let goal = Goal::AtMost { times: 0.0, plus: 1_000.0 };
        let row =
            Row::new(format!("SIGTERM to exit, {circumstance}"), Unit::Milliseconds).goal(goal);
        rows.push(row.measured(ends, Samples::default()).note(format!("medians of {STARTS}")));
    }
    Ok(rows)
}

fn lobbyd_life(environment: &Environment, url: &str) -> Result<(Samples, Samples)> {
    let (mut starts, mut ends) = (Samples::default(), Samples::default());
    let labels = TempDir::new()?;
    let log = environment.directory.join("lobbyd-starting.log");
    let start = Start::new(&environment.program, &log, "starter")
        .set("NATS_URL", url)
        .set("LABELS_PATH", labels.path());
    for _ in 0..STARTS {
        let (mut command, address) = start.command()?;
        let begin = clock::now();
        let mut process = Running::start(&mut command)?;
        first_answer(address, begin)?;
        starts.push(milliseconds(begin));
        let begin = clock::now();
        process.terminate()?;
        let status = process.wait()?;
        ends.push(milliseconds(begin));
        ensure!(status.success(), "lobbyd ended with {status} on SIGTERM: see {}", log.display());
    }
    Ok((starts, ends))
}

/// Asks again and again without a pause, until there is an answer.
fn first_answer(address: SocketAddr, begin: Instant) -> Result<()> {
    let mut stream = loop {
        match TcpStream::connect(address) {
            Ok(stream) => break stream,
            Err(_) if begin.elapsed() < LIMIT => {}
            Err(error) => return Err(error).context("lobbyd does not start"),
        }
    };
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(&get("/v1/discoveries", &[]))?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    ensure!(
        &answer == b"HTTP/1.1 200",
        "the first answer is {:?}",
        String::from_utf8_lossy(&answer)
    );
    Ok(())
}

/// Start to end of a program that does nothing.
fn empty_life() -> Result<Samples> {
    let program = std::env::current_exe()?.with_file_name("lobby-bench-exec-floor");
    let mut lives = Samples::default();
    for _ in 0..STARTS {
        let mut command = Command::new(&program);
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let begin = clock::now();
        Running::start(&mut command)?.wait()?;
        lives.push(milliseconds(begin));
    }
    Ok(lives)
}

fn milliseconds(begin: Instant) -> f64 {
    begin.elapsed().as_secs_f64() * 1e3
}
