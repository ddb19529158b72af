//! The notifier: tells the service manager, systemd for one, how the daemon is doing.

use std::env;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use sd_notify::NotifyState;
use tracing::warn;

/// Most notices that wait while the service manager does not read.
const QUEUE: usize = 16;

/// What the service manager is told.
#[derive(Debug, PartialEq, Eq)]
pub enum Notice {
    /// The daemon serves: it has started, or has read its files again.
    Ready,
    /// The daemon reads its files again.
    Reloading,
    /// The daemon works: every actor has answered.
    Alive,
    /// How the daemon is doing, in one line.
    Status(String),
    /// The daemon is about to end.
    Stopping,
}

/// The notifier. Its thread alone waits for the service manager.
#[derive(Debug, Clone)]
pub struct Notifier {
    queue: SyncSender<Notice>,
}

impl Notifier {
    /// The notifier of this process; none where no service manager asks for notices
    /// (NOTIFY_SOCKET).
    #[expect(
        clippy::disallowed_methods,
        reason = "NOTIFY_SOCKET is no setting of lobby: the service manager gives it"
    )]
    pub fn start() -> Option<Self> {
        env::var_os("NOTIFY_SOCKET")?;
        let (queue, notices) = sync_channel(QUEUE);
        let thread = thread::Builder::new().name("notifier".to_owned()).spawn(|| run(notices));
        if let Err(error) = thread {
            warn!(target: "lobby", %error, "the service manager will not be told anything");
            return None;
        }
        Some(Self { queue })
    }

    /// Hands over a notice. Returns whether there was room for it: a service manager that does not
    /// read holds nobody up.
    pub fn tell(&self, notice: Notice) -> bool {
        self.queue.try_send(notice).is_ok()
    }
}

/// The time within which the service manager wants to hear that the daemon works, if it does
/// (WATCHDOG_USEC).
pub fn watchdog_limit() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero())
}

fn run(notices: Receiver<Notice>) {
    let mut told = None;
    for notice in notices {
        let outcome = send(&notice);
        let failure = outcome.as_ref().err().map(io::Error::kind);
        if let Err(error) = outcome
            && failure != told
        {
            warn!(target: "lobby", %error, "the service manager cannot be told");
        }
        told = failure;
    }
}

fn send(notice: &Notice) -> io::Result<()> {
    match notice {
        Notice::Ready => sd_notify::notify(&[NotifyState::Ready]),
        Notice::Reloading => {
            sd_notify::notify(&[NotifyState::Reloading, NotifyState::monotonic_usec_now()?])
        }
        Notice::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
        Notice::Status(text) => sd_notify::notify(&[NotifyState::Status(text)]),
        Notice::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
    }
}
