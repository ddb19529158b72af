//! Signals: requests of the operating system to the daemon.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc as threads};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use nix::sys::signal::SigSet;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator;
use tokio::sync::{Notify, mpsc};
use tracing::error;

/// How long the daemon may take to end after the first signal; its parts have limits below a
/// second.
const END_LIMIT: Duration = Duration::from_secs(5);

/// How long it may take after a further one.
const NEXT_END_LIMIT: Duration = Duration::from_millis(500);

/// The meaning of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGHUP: read files again.
    Reload,
    /// SIGTERM or SIGINT: say goodbye and exit.
    End,
}

/// The signals that the daemon handles.
#[derive(Debug)]
pub struct Signals {
    reload: Arc<Notify>,
    ends: mpsc::UnboundedReceiver<()>,
    started: Arc<AtomicBool>,
}

impl Signals {
    /// Handles the signals from now on, whatever the parent process had made of them: blocked
    /// signals are unblocked, ignored ones are caught. To be called first thing, before
    /// anything may wait and before there are other threads.
    ///
    /// They are caught on a thread of their own, which nothing can hold up. `leave` ends the
    /// process at once with an exit status. The thread calls it when a signal is to end the
    /// daemon before it has [`started`](Self::started), and when the daemon does not end within
    /// a few seconds after that.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn take_over(leave: fn(u8) -> !) -> anyhow::Result<Self> {
        // SIGCHLD is caught only so that it is not ignored: the status of an ignored child is lost.
        let caught = iterator::Signals::new([SIGHUP, SIGTERM, SIGINT, SIGCHLD])
            .context("cannot handle signals")?;
        // After that, for one that is pending must find its handler.
        SigSet::all().thread_unblock().context("cannot unblock signals")?;
        let (ended, ends) = mpsc::unbounded_channel();
        let (reload, started) = (Arc::<Notify>::default(), Arc::<AtomicBool>::default());
        let catcher =
            Catcher { reload: Arc::clone(&reload), ended, started: Arc::clone(&started), leave };
        let thread = thread::Builder::new().name("signals".to_owned());
        thread.spawn(|| catcher.run(caught)).context("cannot start a thread for signals")?;
        Ok(Self { reload, ends, started })
    }

    /// Says that the daemon is running: from now on it ends by itself when a signal asks for it.
    pub fn started(&self) {
        self.started.store(true, Ordering::SeqCst);
    }

    /// Waits for the next signal.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            () = self.reload.notified() => Signal::Reload,
            _ = self.ends.recv() => Signal::End,
        }
    }

    /// Waits for a signal that ends the daemon; others wait for [`next`](Self::next).
    pub async fn end(&mut self) {
        self.ends.recv().await;
    }
}

/// The thread behind [`Signals`].
struct Catcher {
    reload: Arc<Notify>,
    ended: mpsc::UnboundedSender<()>,
    started: Arc<AtomicBool>,
    leave: fn(u8) -> !,
}

impl Catcher {
    fn run(self, mut caught: iterator::Signals) {
        let mut limit = END_LIMIT;
        for signal in caught.forever() {
            match signal {
                SIGHUP => self.reload.notify_one(),
                SIGTERM | SIGINT => self.end(std::mem::replace(&mut limit, NEXT_END_LIMIT)),
                _ => {}
            }
        }
    }

    fn end(&self, limit: Duration) {
        // Sent before the question: a daemon that has just started finds it.
        self.ended.send(()).ok();
        if !self.started.load(Ordering::SeqCst) {
            (self.leave)(0);
        }
        let leave = self.leave;
        // Without a thread there is no limit, and the daemon ends all the same.
        thread::Builder::new()
            .name("end-limit".to_owned())
            .spawn(move || leave_after(limit, leave))
            .ok();
    }
}

fn leave_after(limit: Duration, leave: fn(u8) -> !) {
    let (_sender, nothing) = threads::channel::<()>();
    nothing.recv_timeout(limit).ok();
    error!(target: "lobby", "lobbyd did not end in time, exiting at once");
    leave(1);
}
