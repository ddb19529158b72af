//! The load generator: a closed loop of connections, each of which asks again as soon as it has the
//! whole answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustls::ClientConfig;
use tokio::task::{JoinHandle, JoinSet};

use super::connection::{Connection, Piece, Shape};
use crate::clock;
use crate::process::Running;

/// How many connections ask at once.
pub const CONNECTIONS: usize = 16;
/// How many threads they share. With one, large answers would keep it busier than the server, and
/// every server would look as fast.
const THREADS: usize = 2;
/// How long a server may warm up, and how long is counted.
const WARM_UP: Duration = Duration::from_millis(150);
const WINDOW: Duration = Duration::from_millis(600);
/// A server that takes long for an answer is watched for so many times as long, within reason.
const LONGER: u32 = 16;
const LONGEST_WINDOW: Duration = Duration::from_secs(2);
/// Where nothing came, something is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where a server is, and whether TLS is spoken with it.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    /// With TLS, set up like this.
    pub tls: Option<Arc<ClientConfig>>,
}

impl From<SocketAddr> for Target {
    fn from(address: SocketAddr) -> Self {
        Self { address, tls: None }
    }
}

/// What a server reached.
#[derive(Debug, Clone, Copy)]
pub struct Speed {
    /// Requests per second.
    pub requests: f64,
    /// Processor time of the server per request, in microseconds.
    pub cpu: f64,
}

/// Asks a server the same again and again. Every answer must be of the same shape as the first,
/// with the status expected.
///
/// # Errors
/// When an answer is another, or a connection breaks.
pub async fn measure(
    server: &Running,
    target: &Target,
    request: &Arc<[u8]>,
    status: u16,
) -> Result<Speed> {
    measure_each(server, target, &Arc::from([Arc::clone(request)]), status).await
}

/// Asks a server some questions in turn, again and again. Every answer must be of the same shape as
/// the first, with the status expected.
///
/// # Errors
/// When an answer is another, or a connection breaks.
pub async fn measure_each(
    server: &Running,
    target: &Target,
    requests: &Arc<[Arc<[u8]>]>,
    status: u16,
) -> Result<Speed> {
    let request = requests.first().context("there is no question")?;
    let (shape, alone) = first(target, request).await?;
    ensure!(shape.status == status, "the answer's status is {} instead of {status}", shape.status);
    let job = Arc::new(Job::new(target.clone(), Arc::clone(requests), shape));
    let threads: Vec<_> = (0..THREADS).map(|_| Job::start_thread(&job)).collect();
    clock::pause(WARM_UP.max(alone)).await;
    let (begin, bytes, cpu) = (clock::now(), job.bytes(), server.cpu()?);
    clock::pause(WINDOW.max(alone * LONGER).min(LONGEST_WINDOW)).await;
    while job.bytes() == bytes && begin.elapsed() < PATIENCE {
        clock::pause(WARM_UP).await;
    }
    let (length, bytes, cpu) =
        (begin.elapsed(), job.bytes() - bytes, server.cpu()?.saturating_sub(cpu));
    job.stop(threads).await?;
    ensure!(bytes > 0, "no answer came within {length:?}");
    let answers = bytes as f64 / shape.bytes() as f64;
    Ok(Speed { requests: answers / length.as_secs_f64(), cpu: cpu.as_secs_f64() * 1e6 / answers })
}

/// The shape of the answer, and how long it takes when nobody else asks.
async fn first(target: &Target, request: &[u8]) -> Result<(Shape, Duration)> {
    let (mut connection, begin) = (Connection::open_to(target).await?, clock::now());
    connection.send(request).await?;
    Ok((connection.receive(|_| {}).await?, begin.elapsed()))
}

struct Job {
    target: Target,
    requests: Arc<[Arc<[u8]>]>,
    /// How many requests were sent.
    sent: AtomicUsize,
    shape: Shape,
    /// Bytes of answers, not answers: a large answer is not all or nothing.
    bytes: AtomicU64,
    stopped: AtomicBool,
}

impl Job {
    fn new(target: Target, requests: Arc<[Arc<[u8]>]>, shape: Shape) -> Self {
        let (sent, bytes, stopped) =
            (AtomicUsize::new(0), AtomicU64::new(0), AtomicBool::new(false));
        Self { target, requests, sent, shape, bytes, stopped }
    }

    fn next_request(&self) -> &[u8] {
        &self.requests[self.sent.fetch_add(1, Ordering::Relaxed) % self.requests.len()]
    }

    fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Serves a share of the connections from a thread of its own.
    fn start_thread(job: &Arc<Self>) -> JoinHandle<Result<()>> {
        let job = Arc::clone(job);
        tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
            runtime.block_on(async {
                let connections = (0..CONNECTIONS / THREADS).map(|_| Arc::clone(&job).ask_on());
                let mut asking: JoinSet<_> = connections.collect();
                while let Some(ended) = asking.join_next().await {
                    ended??;
                }
                Ok(())
            })
        })
    }

    /// Asks on one connection until stopped.
    async fn ask_on(self: Arc<Self>) -> Result<()> {
        let mut connection = Connection::open_to(&self.target).await?;
        while !self.is_stopped() {
            connection.send(self.next_request()).await?;
            let count = |piece: Piece<'_>| {
                let (Piece::Head(bytes) | Piece::Body(bytes)) = piece;
                self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            };
            let shape = connection.receive(count).await?;
            ensure!(
                shape.is_like(self.shape),
                "an answer was {shape:?}, the first one {:?}",
                self.shape
            );
        }
        Ok(())
    }

    /// Lets running requests end, so that the server is at rest when something else is measured.
    async fn stop(&self, threads: Vec<JoinHandle<Result<()>>>) -> Result<()> {
        self.stopped.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.await.context("the load generator failed")??;
        }
        Ok(())
    }
}
