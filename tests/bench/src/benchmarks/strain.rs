//! Strain: clients that ask for the longest answers there are, and some that do not read them.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::task::JoinHandle;

use crate::clock;
use crate::environment::{Environment, Lobby};
use crate::figures::{Goal, REPETITIONS, Row, Samples, Unit};
use crate::http::{Connection, get};

const HOSTS: usize = 100_000;
/// All hosts, indented: 64 MB.
const PRETTY: &str = "/v1/discoveries?pretty";
/// Matching labels of all hosts: 10 MB.
const FILTERED: &str = "/v1/discoveries?prefixes=service:";
/// Clients that ask at once and read, and how long they do.
const READERS: usize = 16;
const WINDOW: Duration = Duration::from_secs(5);
/// Clients that do not read.
const STUCK: usize = 30;
/// This long after the last of them took something they should be cut, with what a kernel needs to
/// see to it on top.
const CUT_AFTER: Duration = Duration::from_secs(32);
/// Time until they must be cut.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often health and memory are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const MEGABYTE: f64 = 1e6;
const MEMORY: Goal = Goal::AtMost { times: 1.0, plus: 40.0 };

/// Health and memory while clients read the longest answers there are, beside the same at rest.
pub(super) async fn strain(environment: &mut Environment) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (number, (path, what)) in
        [(PRETTY, "?pretty"), (FILTERED, "a filter")].into_iter().enumerate()
    {
        let (mut health, mut memory) = (Pairs::default(), Pairs::default());
        for repetition in 0..REPETITIONS {
            let lobby =
                environment.fresh_lobby(HOSTS, &format!("strain{number}{repetition}")).await?;
            let rest = watch(&lobby, until(WINDOW / 5)).await?;
            let readers: Vec<_> =
                (0..READERS).map(|_| Reader::start(lobby.lobbyd.address, path)).collect();
            let window = until(WINDOW);
            let busy =
                watch(&lobby, || Ok(window()? && readers.iter().all(Reader::has_read))).await?;
            for reader in readers {
                reader.stop().await?;
            }
            health.push(busy.slowest.as_secs_f64() * 1e3, rest.slowest.as_secs_f64() * 1e3);
            memory.push(busy.resident, rest.resident);
        }
        let row = |what: fmt::Arguments<'_>, unit| Row::new(what.to_string(), unit).hosts(HOSTS);
        let goal = Goal::AtMost { times: 0.0, plus: 100.0 };
        let slowest = row(
            format_args!("slowest /healthz while {READERS} clients read {what}"),
            Unit::Milliseconds,
        );
        rows.push(health.fill(slowest.goal(goal)));
        let most = row(format_args!("most memory meanwhile, limit: before"), Unit::Megabytes);
        rows.push(memory.fill(most.goal(MEMORY)));
    }
    Ok(rows)
}

/// Memory while clients do not read what they asked for, and how long they are waited for.
pub(super) async fn clients_that_do_not_read(environment: &mut Environment) -> Result<Vec<Row>> {
    let lobby = environment.fresh_lobby(HOSTS, "stuck").await?;
    let rest = watch(&lobby, until(WINDOW / 5)).await?;
    let clients = (0..STUCK).map(|number| {
        let path = ["/v1/discoveries", PRETTY, FILTERED][number % 3];
        let headers: &[_] = if number % 2 == 0 { &[] } else { &[("Accept-Encoding", "gzip")] };
        send(lobby.lobbyd.address, &get(path, headers))
    });
    let clients: Vec<TcpStream> = clients.collect::<Result<_>>()?;
    let mut waiting = queues_of(&lobby, &clients)?;
    ensure!(waiting.len() == STUCK, "not all clients are connected");
    // The daemon's patience begins when it can write no more.
    let (began, mut full) = (clock::now(), clock::now());
    let all_cut = || {
        let queues = queues_of(&lobby, &clients)?;
        if queues.iter().any(|(port, queue)| waiting.get(port) != Some(queue)) {
            full = clock::now();
        }
        waiting = queues;
        Ok(began.elapsed() > PATIENCE || waiting.is_empty())
    };
    let stuck = watch(&lobby, all_cut).await?;
    let sample = |value: f64| Samples::from_iter([value]);
    let what = format!("most memory while {STUCK} clients do not read, limit: before");
    let memory = Row::new(what, Unit::Megabytes).hosts(HOSTS).goal(MEMORY);
    let cut_goal = Goal::AtMost { times: 0.0, plus: CUT_AFTER.as_secs_f64() * 1e3 };
    let cut = Row::new("from full windows until all of them are cut", Unit::Milliseconds);
    let cut = cut.hosts(HOSTS).goal(cut_goal);
    let elapsed = full.elapsed().as_secs_f64() * 1e3;
    Ok(vec![
        memory.measured(sample(stuck.resident), sample(rest.resident)).note("measured once"),
        cut.measured(sample(elapsed), Samples::default()).note("measured once"),
    ])
}

/// Figures and their limits.
#[derive(Default)]
struct Pairs {
    figures: Samples,
    limits: Samples,
}

impl Pairs {
    fn push(&mut self, figure: f64, limit: f64) {
        self.figures.push(figure);
        self.limits.push(limit);
    }

    fn fill(self, row: Row) -> Row {
        row.measured(self.figures, self.limits)
    }
}

/// What was seen of a daemon for a while.
#[derive(Default)]
struct Seen {
    /// The slowest answer of `/healthz`, each on a connection of its own.
    slowest: Duration,
    /// The most memory, in megabytes.
    resident: f64,
}

/// Looks at a daemon until `is_over`.
async fn watch(lobby: &Lobby, mut is_over: impl FnMut() -> Result<bool>) -> Result<Seen> {
    let mut seen = Seen::default();
    let begin = clock::now();
    while !is_over()? {
        ensure!(begin.elapsed() < 2 * PATIENCE, "lobbyd does not answer, or does not cut clients");
        let asked = clock::now();
        let answer =
            Connection::open(lobby.lobbyd.address).await?.ask(&get("/healthz", &[])).await?;
        ensure!(answer.status == 200, "/healthz is answered with {}", answer.status);
        seen.slowest = seen.slowest.max(asked.elapsed());
        seen.resident = seen.resident.max(lobby.lobbyd.process.resident()? as f64 / MEGABYTE);
        clock::pause(LOOK_EVERY).await;
    }
    Ok(seen)
}

/// A condition that comes true after a while.
fn until(length: Duration) -> impl Fn() -> Result<bool> {
    let end: Instant = clock::now() + length;
    move || Ok(clock::now() >= end)
}

fn send(address: SocketAddr, request: &[u8]) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address).context("lobbyd does not accept")?;
    stream.write_all(request).context("lobbyd does not read")?;
    Ok(stream)
}

/// Of which clients the daemon holds a connection, by their ports, and how many bytes wait in it
/// for them, as the kernel knows.
fn queues_of(lobby: &Lobby, clients: &[TcpStream]) -> Result<BTreeMap<u16, String>> {
    /// The state of a connection that both sides hold.
    const ESTABLISHED: &str = "01";
    let table = std::fs::read_to_string("/proc/net/tcp").context("cannot read /proc/net/tcp")?;
    let port = |address: &str| u16::from_str_radix(address.rsplit(':').next()?, 16).ok();
    let ports: Vec<_> =
        clients.iter().filter_map(|client| Some(client.local_addr().ok()?.port())).collect();
    let mut queues = BTreeMap::new();
    for line in table.lines().skip(1) {
        let fields: Vec<_> = line.split_whitespace().take(5).collect();
        if let [_, local, remote, ESTABLISHED, queue] = fields[..]
            && port(local) == Some(lobby.lobbyd.address.port())
            && let Some(port) = port(remote).filter(|port| ports.contains(port))
        {
            queues.insert(port, queue.to_owned());
        }
    }
    Ok(queues)
}

/// A client that asks for the same again and again, and reads all of it.
struct Reader {
    stopped: Arc<AtomicBool>,
    bytes: Arc<AtomicU64>,
    thread: JoinHandle<Result<()>>,
}

impl Reader {
    fn start(address: SocketAddr, path: &'static str) -> Self {
        let (stopped, bytes) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (stop, count) = (Arc::clone(&stopped), Arc::clone(&bytes));
        let thread = tokio::task::spawn_blocking(move || {
            let mut buffer = vec![0; 64 << 10];
            while !stop.load(Ordering::Relaxed) {
                let mut stream = send(address, &get(path, &[("Connection", "close")]))?;
                loop {
                    let len = stream.read(&mut buffer).context("the connection broke")?;
                    if len == 0 || stop.load(Ordering::Relaxed) {
                        break;
                    }
                    count.fetch_add(len as u64, Ordering::Relaxed);
                }
            }
            Ok(())
        });
        Self { stopped, bytes, thread }
    }

    /// Whether a piece of an answer has come.
    fn has_read(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > 0
    }

    async fn stop(self) -> Result<()> {
        self.stopped.store(true, Ordering::Relaxed);
        self.thread.await.context("a client failed")?
    }
}
