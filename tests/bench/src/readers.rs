//! Readers of events: many connections that go on reading, and a bare program that writes to as
//! many.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::http::get;
use crate::process::Running;

/// Nothing that is waited for takes longer.
const LIMIT: Duration = Duration::from_secs(30);

/// What ends an event.
const END: &[u8] = b"\n\n";

/// Connections that read the same feed.
#[derive(Debug)]
pub struct Readers(Vec<TcpStream>);

impl Readers {
    /// Opens so many, all at once. Returns when each has been told of all hosts.
    ///
    /// # Errors
    /// When one of them is not.
    pub async fn open(address: SocketAddr, count: usize, headers: &[(&str, &str)]) -> Result<Self> {
        let request = get("/v1/events", headers);
        let open = || async {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_all(&request).await?;
            read_until(&mut stream, b"event: status").await?;
            anyhow::Ok(stream)
        };
        let opened = tokio::time::timeout(LIMIT, try_join_all((0..count).map(|_| open())));
        Ok(Self(opened.await.context("not every reader was told of all hosts")??))
    }

    /// Connects so many, without a word.
    ///
    /// # Errors
    /// When nobody listens.
    pub async fn connect(address: SocketAddr, count: usize) -> Result<Self> {
        let connected = (0..count).map(|_| TcpStream::connect(address));
        Ok(Self(try_join_all(connected).await?))
    }

    /// Waits until each has received this, and what ends its event. Returns what the first one
    /// received.
    ///
    /// # Errors
    /// When one of them does not.
    pub async fn receive(&mut self, mark: &[u8]) -> Result<Vec<u8>> {
        let all = try_join_all(self.0.iter_mut().map(|stream| read_until(stream, mark)));
        let mut received =
            tokio::time::timeout(LIMIT, all).await.context("not every reader was told")??;
        Ok(std::mem::take(&mut received[0]))
    }

    /// Goes on reading on a thread of its own, whatever comes, until dropped.
    pub fn drain(self) -> Drain {
        let stopped = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopped);
        let thread = tokio::task::spawn_blocking(move || {
            let streams = self.0.into_iter().map(TcpStream::into_std);
            let mut streams: Vec<_> = streams.collect::<std::io::Result<_>>()?;
            let mut buffer = vec![0; 64 << 10];
            while !stop.load(Ordering::Relaxed) {
                crate::clock::stop_thread_until(crate::clock::now() + Duration::from_millis(20));
                for stream in &mut streams {
                    // They do not block: where nothing is there, nothing is read.
                    while stream.read(&mut buffer).is_ok_and(|length| length == buffer.len()) {}
                }
            }
            Ok(())
        });
        Drain { stopped, thread }
    }
}

/// Readers that read on a thread of their own.
#[derive(Debug)]
pub struct Drain {
    stopped: Arc<AtomicBool>,
    thread: JoinHandle<Result<()>>,
}

impl Drain {
    /// Ends the reading.
    ///
    /// # Errors
    /// When it could not read all the time.
    pub async fn stop(self) -> Result<()> {
        self.stopped.store(true, Ordering::Relaxed);
        self.thread.await?
    }
}

async fn read_until(stream: &mut TcpStream, mark: &[u8]) -> Result<Vec<u8>> {
    let mut received = Vec::new();
    let mut searched = 0;
    loop {
        ensure!(stream.read_buf(&mut received).await? > 0, "the server hung up");
        if let Some(at) = memmem::find(&received[searched..], mark)
            && memmem::find(&received[searched + at..], END).is_some()
        {
            return Ok(received);
        }
        // A list of all hosts is long, and the mark stands behind it.
        searched = searched.max(received.len().saturating_sub(64 << 10));
    }
}

/// The limit of telling many: a bare program that writes the same bytes to as many connections.
#[derive(Debug)]
pub struct Broadcast {
    /// The process.
    pub process: Running,
    /// Where it listens.
    pub address: SocketAddr,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Broadcast {
    /// Starts one that writes these bytes.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(directory: &Path, bytes: &[u8], connections: usize) -> Result<Self> {
        let file = directory.join("broadcast.bytes");
        std::fs::write(&file, bytes)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("broadcast").arg(file).arg(connections.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Running::start(&mut command)?;
        let orders = process.child().stdin.take().context("the input is piped")?;
        let answers = BufReader::new(process.child().stdout.take().context("the output is piped")?);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut broadcast = Self { process, address, orders, answers };
        let port = broadcast.answer()?;
        broadcast.address.set_port(port);
        Ok(broadcast)
    }

    /// Waits until it has taken all connections.
    ///
    /// # Errors
    /// When it has ended.
    pub fn has_all(&mut self) -> Result<()> {
        self.answer().map(drop)
    }

    /// Has the bytes written to all connections.
    ///
    /// # Errors
    /// When it has ended.
    pub fn write(&mut self) -> Result<()> {
        Ok(self.orders.write_all(b"\n")?)
    }

    fn answer(&mut self) -> Result<u16> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        line.trim().parse().with_context(|| format!("the bare program said {line:?}"))
    }
}

/// What the child does: takes connections, and writes the bytes to all of them for each line of its
/// input.
///
/// # Errors
/// When a connection breaks.
pub fn broadcast(bytes: &Path, connections: usize) -> Result<()> {
    let bytes = std::fs::read(bytes)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    rustix::net::listen(&listener, 2048)?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?.port())?;
    let accepted = (0..connections).map(|_| listener.accept().map(|(stream, _)| stream));
    let mut streams: Vec<_> = accepted.collect::<std::io::Result<_>>()?;
    for stream in &streams {
        stream.set_nodelay(true)?;
    }
    writeln!(std::io::stdout(), "0")?;
    for line in std::io::stdin().lines() {
        line?;
        for stream in &mut streams {
            stream.write_all(&bytes)?;
        }
    }
    Ok(())
}
