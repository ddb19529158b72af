//! Packets sent to NATS in the bytes of its protocol, made beforehand: so the sender costs next to
//! nothing, and neither the daemon nor the limit beside it waits for it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use memchr::memmem;
use tokio::task::JoinHandle;

use crate::clock;

/// Most bytes of one write.
const PIECE: usize = 256 << 10;

/// A message as a publisher sends it to the server.
pub fn frame(subject: &str, payload: &[u8]) -> Vec<u8> {
    [format!("PUB {subject} {}\r\n", payload.len()).as_bytes(), payload, b"\r\n"].concat()
}

/// A connection that publishes. It does not live long enough for the server to miss its answers to
/// pings.
#[derive(Debug)]
pub struct Publisher(TcpStream);

impl Publisher {
    /// Connects to a NATS server on loopback.
    ///
    /// # Errors
    /// When it is not there.
    pub fn connect(port: u16) -> Result<Self> {
        let stream =
            TcpStream::connect(("127.0.0.1", port)).context("cannot connect to nats-server")?;
        stream.set_nodelay(true)?;
        let mut publisher = Self(stream);
        publisher.0.write_all(b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\n")?;
        publisher.round_trip()?;
        Ok(publisher)
    }

    /// Sends frames; the system may still hold the last ones when this returns.
    ///
    /// # Errors
    /// When the connection broke.
    pub fn send(&mut self, frames: &[u8]) -> Result<()> {
        frames
            .chunks(PIECE)
            .try_for_each(|piece| self.0.write_all(piece))
            .context("nats-server hung up")
    }

    /// Returns when the server has dealt with all that was sent.
    ///
    /// # Errors
    /// When the connection broke.
    pub fn round_trip(&mut self) -> Result<()> {
        self.0.write_all(b"PING\r\n")?;
        let (mut heard, mut buffer) = (Vec::new(), [0; 4096]);
        while memmem::find(&heard, b"PONG\r\n").is_none() {
            let length = self.0.read(&mut buffer)?;
            anyhow::ensure!(length > 0, "nats-server hung up: {}", String::from_utf8_lossy(&heard));
            heard.extend(&buffer[..length]);
        }
        Ok(())
    }
}

/// Sends frames from a thread of its own, one after the other round and round, each in its own
/// time, until dropped.
#[derive(Debug)]
pub struct Steady {
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Steady {
    /// Sends every frame once a period, evenly spread.
    ///
    /// # Errors
    /// When the server is not there.
    pub fn start(port: u16, frames: Vec<Bytes>, period: Duration) -> Result<Self> {
        let mut publisher = Publisher::connect(port)?;
        let stopped = Arc::new(AtomicBool::new(false));
        let (stop, gap, begin) =
            (Arc::clone(&stopped), period.div_f64(frames.len() as f64), clock::now());
        let thread = tokio::task::spawn_blocking(move || {
            for (turn, frame) in (0_u32..).zip(frames.iter().cycle()) {
                clock::stop_thread_until(begin + gap * turn);
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                publisher.send(frame)?;
            }
            Ok(())
        });
        Ok(Self { stopped, thread: Some(thread) })
    }

    /// Stops sending.
    ///
    /// # Errors
    /// When it could not send all the time.
    pub async fn stop(mut self) -> Result<()> {
        self.stopped.store(true, Ordering::Relaxed);
        match self.thread.take() {
            Some(thread) => thread.await?,
            None => Ok(()),
        }
    }
}

impl Drop for Steady {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}
