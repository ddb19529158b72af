//! What labels that end cost while programs renew them.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use rustix::fs::inotify::{self, ReadFlags};
use tempfile::TempDir;

use crate::clock;
use crate::environment::Environment;
use crate::figures::{Goal, REPETITIONS, Row, Samples, Unit};
use crate::http::Connection;
use crate::lobbyd::{Lobbyd, Start};

/// How many labels end, each renewed once in [`INTERVAL`] on connections that are kept.
const LEASES: usize = 1_000;
const INTERVAL: Duration = Duration::from_secs(10);
/// How many labels a program has that renews several at once.
const TOGETHER: usize = 10;
/// The most per cent of a core that it may cost.
const MOST: f64 = 1.0;

/// Processor time while each label is renewed by a program of its own, and while programs renew
/// several at once, beside as many requests that change nothing; then how often the disk is
/// written.
pub(super) async fn renewals(environment: &mut Environment) -> Result<Vec<Row>> {
    let (directory, state) = (TempDir::new()?, TempDir::new()?);
    let log = environment.directory.join("lobbyd-leases.log");
    let start = Start::new(&environment.program, &log, "leases")
        .set("DRIVER", "Local")
        .set("LOCAL_PATH", directory.path())
        .set("STATE_PATH", state.path());
    let lobbyd = start.start(TempDir::new()?).await?;
    let labels: Vec<_> = (0..LEASES).map(|number| format!("program:{number:04}")).collect();
    let mut programs = Vec::with_capacity(LEASES);
    for _ in 0..LEASES {
        let mut program = Connection::open(lobbyd.address).await?;
        // A connection on which nothing is asked for a while is cut.
        post(&mut program, "").await?;
        programs.push(program);
    }
    post(&mut programs[0], &labels.join("\n")).await?;
    let several: Vec<_> = labels.chunks(TOGETHER).map(|labels| labels.join("\n")).collect();
    let mut rows = Vec::new();
    let mut writings = Samples::default();
    for (what, bodies) in
        [("each by a program of its own", &labels), ("by programs of ten labels", &several)]
    {
        let nothing = vec![String::new(); bodies.len()];
        let (mut renewing, mut asking) = (Samples::default(), Samples::default());
        for _ in 0..REPETITIONS {
            asking.push(share_of_core(&lobbyd, &mut programs, &nothing).await?);
            let watch = Writings::watch(state.path())?;
            renewing.push(share_of_core(&lobbyd, &mut programs, bodies).await?);
            writings.push(watch.count()? as f64 / INTERVAL.as_secs_f64());
        }
        let what = format!(
            "processor time while 1,000 labels that end are renewed every 10 s, {what}, of one core; limit: as many requests that change nothing"
        );
        let row = Row::new(what, Unit::Percent).goal(at_most(MOST));
        rows.push(row.measured(renewing, asking));
    }
    let written = Row::new("writings of the disk meanwhile", Unit::Rate).goal(at_most(1.0));
    rows.push(written.measured(writings, Samples::default()));
    Ok(rows)
}

fn at_most(plus: f64) -> Goal {
    Goal::AtMost { times: 0.0, plus }
}

/// The processor time of an interval in which each of these bodies is posted, in per cent.
async fn share_of_core(
    lobbyd: &Lobbyd,
    programs: &mut [Connection],
    bodies: &[String],
) -> Result<f64> {
    let (begin, before) = (clock::now(), lobbyd.process.cpu()?);
    for (number, (program, body)) in programs.iter_mut().zip(bodies).enumerate() {
        let due = INTERVAL.mul_f64(number as f64 / bodies.len() as f64);
        clock::pause(due.saturating_sub(begin.elapsed())).await;
        post(program, body).await?;
    }
    clock::pause(INTERVAL.saturating_sub(begin.elapsed())).await;
    let used = lobbyd.process.cpu()?.saturating_sub(before);
    Ok(100.0 * used.as_secs_f64() / begin.elapsed().as_secs_f64())
}

async fn post(program: &mut Connection, labels: &str) -> Result<()> {
    let request = format!(
        "POST /v1/labels?ttl=1h HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{labels}",
        labels.len()
    );
    let answer = program.ask(request.as_bytes()).await?;
    ensure!(answer.status == 200, "{}", String::from_utf8_lossy(&answer.body).trim());
    Ok(())
}

/// Counts how often a file comes into its place in a directory.
struct Writings(rustix::fd::OwnedFd);

impl Writings {
    /// Temporary files are watched too: the kernel makes one of events that are the same.
    fn watch(directory: &Path) -> Result<Self> {
        let events = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        inotify::add_watch(
            &events,
            directory,
            inotify::WatchFlags::CREATE | inotify::WatchFlags::MOVED_TO,
        )?;
        Ok(Self(events))
    }

    /// How often it was since the last time that somebody asked.
    fn count(&self) -> Result<usize> {
        let mut buffer = [std::mem::MaybeUninit::uninit(); 16 << 10];
        let mut reader = inotify::Reader::new(&self.0, &mut buffer);
        let mut count = 0;
        loop {
            match reader.next() {
                Ok(event) => count += usize::from(event.events().contains(ReadFlags::MOVED_TO)),
                Err(rustix::io::Errno::AGAIN) => return Ok(count),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
