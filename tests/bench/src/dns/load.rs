//! The load generator: sockets, each of which asks again as soon as it has the answer.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::net::UdpSocket;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::clock;
use crate::http::Speed;
use crate::process::Running;

/// How many sockets ask at once, and how many threads they share, as over HTTP.
const SOCKETS: usize = 16;
const THREADS: usize = 2;
/// How long a server may warm up, and how long is counted.
const WARM_UP: Duration = Duration::from_millis(150);
const WINDOW: Duration = Duration::from_millis(600);
/// A datagram may be lost: after this long it is sent again.
const LOST: Duration = Duration::from_secs(1);

/// The question for the IPv4 addresses of a name.
pub fn question(name: &str) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
        message.extend_from_slice(label.as_bytes());
    }
    message.extend([0, 0, 1, 0, 1]);
    message
}

/// The answer to a question.
///
/// # Errors
/// When none comes in time.
pub async fn ask(server: SocketAddr, question: &[u8]) -> Result<Vec<u8>> {
    let socket = connect(server).await?;
    socket.send(question).await?;
    let mut answer = vec![0; 4096];
    let len = timeout(LOST, socket.recv(&mut answer)).await.context("no answer")??;
    answer.truncate(len);
    Ok(answer)
}

/// Asks a server the same again and again. Every answer must be as long as this.
///
/// # Errors
/// When an answer is another.
pub async fn measure(
    server: &Running,
    address: SocketAddr,
    question: &Arc<[u8]>,
    len: usize,
) -> Result<Speed> {
    let load = Arc::new(Load {
        address,
        question: Arc::clone(question),
        len,
        answers: AtomicU64::new(0),
        stopped: AtomicBool::new(false),
    });
    let threads: Vec<_> = (0..THREADS).map(|_| Load::start_thread(&load)).collect();
    clock::pause(WARM_UP).await;
    let (begin, before, cpu) = (clock::now(), load.count(), server.cpu()?);
    clock::pause(WINDOW).await;
    let (time, answers) = (begin.elapsed(), (load.count() - before) as f64);
    let cpu = server.cpu()?.saturating_sub(cpu);
    load.stopped.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.await.context("the load generator failed")??;
    }
    ensure!(answers > 0.0, "no answer came within {time:?}");
    Ok(Speed { requests: answers / time.as_secs_f64(), cpu: cpu.as_secs_f64() * 1e6 / answers })
}

struct Load {
    address: SocketAddr,
    question: Arc<[u8]>,
    len: usize,
    answers: AtomicU64,
    stopped: AtomicBool,
}

impl Load {
    fn count(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// Serves a share of the sockets from a thread of its own.
    fn start_thread(load: &Arc<Self>) -> JoinHandle<Result<()>> {
        let load = Arc::clone(load);
        tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut asking: JoinSet<_> =
                    (0..SOCKETS / THREADS).map(|_| Arc::clone(&load).ask_on()).collect();
                while let Some(ended) = asking.join_next().await {
                    ended??;
                }
                Ok(())
            })
        })
    }

    /// Asks on one socket until stopped.
    async fn ask_on(self: Arc<Self>) -> Result<()> {
        let (socket, mut answer) = (connect(self.address).await?, vec![0; 4096]);
        while !self.stopped.load(Ordering::Relaxed) {
            socket.send(&self.question).await?;
            if let Ok(received) = timeout(LOST, socket.recv(&mut answer)).await {
                let len = received?;
                ensure!(len == self.len, "{len} bytes instead of {}", self.len);
                self.answers.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }
}

async fn connect(server: SocketAddr) -> Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    socket.connect(server).await?;
    Ok(socket)
}
