//! Signals: requests of the operating system to the daemon.

use anyhow::Context;
use tokio::signal::unix::{self, SignalKind};

/// The meaning of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGHUP: read files again.
    Reload,
    /// SIGTERM or SIGINT: say goodbye and exit.
    End,
}

/// The signals that the daemon heeds.
#[derive(Debug)]
pub struct Signals {
    hangup: unix::Signal,
    terminate: unix::Signal,
    interrupt: unix::Signal,
}

impl Signals {
    /// Handles the signals from now on.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn listen() -> anyhow::Result<Self> {
        let listen = |kind| unix::signal(kind).context("cannot handle signals");
        Ok(Self {
            hangup: listen(SignalKind::hangup())?,
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next signal.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.hangup.recv() => Signal::Reload,
            _ = self.terminate.recv() => Signal::End,
            _ = self.interrupt.recv() => Signal::End,
        }
    }

    /// Waits for a signal that ends the daemon; others wait for [`next`](Self::next).
    pub async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
