//! The limit of taking packets in: a bare async-nats subscriber that counts and discards.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use async_nats::{ConnectOptions, Event};
use futures_util::StreamExt;

use crate::process::Running;

/// Messages that wait in the client: more than are ever sent at once, so that none is lost for want
/// of room.
const ROOM: usize = 1 << 20;

/// A running subscriber, as lobbyd a process of its own.
#[derive(Debug)]
pub struct Counter {
    /// The process.
    pub process: Running,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Counter {
    /// Starts a subscriber and waits until it is subscribed.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(url: &str, subject: &str) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("counter").args([url, subject]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Running::start(&mut command)?;
        let questions = process.child().stdin.take().context("the input is piped")?;
        let answers = BufReader::new(process.child().stdout.take().context("the output is piped")?);
        let mut counter = Self { process, questions, answers };
        counter.received()?;
        Ok(counter)
    }

    /// How many messages it has received.
    ///
    /// # Errors
    /// When it has ended.
    pub fn received(&mut self) -> Result<u64> {
        let mut line = String::new();
        self.questions.write_all(b"\n")?;
        self.answers.read_line(&mut line)?;
        line.trim()
            .parse()
            .with_context(|| format!("the subscriber said {line:?} instead of a number"))
    }
}

/// What the child does: counts messages, and answers each line of its input with their number,
/// until its input ends.
///
/// # Errors
/// When the server is not there.
pub fn count(url: &str, subject: &str) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let options = ConnectOptions::new().subscription_capacity(ROOM).event_callback(ignore);
        let client = options.connect(url).await?;
        let mut messages = client.subscribe(subject.to_owned()).await?;
        client.flush().await?;
        let received = Arc::new(AtomicU64::new(0));
        let told = Arc::clone(&received);
        let tell = tokio::task::spawn_blocking(move || tell(&told));
        let counting = async {
            while messages.next().await.is_some() {
                received.fetch_add(1, Ordering::Relaxed);
            }
        };
        tokio::select! {
            () = counting => anyhow::bail!("the server hung up"),
            told = tell => told?,
        }
    })
}

/// Nothing is to be done: whatever the server says shows in the count.
async fn ignore(_: Event) {}

fn tell(received: &AtomicU64) -> Result<()> {
    for line in std::io::stdin().lines() {
        line?;
        writeln!(std::io::stdout(), "{}", received.load(Ordering::Relaxed))?;
    }
    Ok(())
}
