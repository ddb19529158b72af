//! Child processes, and the orphans that process 1 of a container inherits.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use nix::sys::wait::{Id, WaitPidFlag, waitid, waitpid};
use nix::unistd::Pid;
use rustix::process::{Pid as RunningPid, Signal, kill_process_group};
use signal_hook::consts::SIGCHLD;
use signal_hook::iterator::Signals;
use tokio::process::{Child, Command};
use tracing::warn;

/// The process ids of the children that are waited for. Locked while a child is being started:
/// until it is known it might be taken for an orphan.
static OWN: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// The children of this process that it waits for itself.
///
/// Process 1 of a container is the parent of every process there whose own parent has ended. Nobody
/// else can wait for these: they would stay as zombies until the container has no process ids left.
#[derive(Debug, Clone, Copy)]
pub struct Children(());

/// Kills all children that still run, with their process groups. Never waits: one that is just
/// being started is left alone.
pub fn kill_all() {
    let Ok(own) = OWN.try_lock() else { return };
    for group in own.iter().filter_map(|id| RunningPid::from_raw(*id)) {
        // It may have ended by itself in the meantime.
        kill_process_group(group, Signal::KILL).ok();
    }
}

impl Children {
    /// No child yet. As process 1, orphans are reaped from now on, on a thread of its own.
    pub fn new() -> Self {
        let children = Self(());
        if is_init() {
            let thread =
                thread::Builder::new().name("reaper".to_owned()).spawn(move || children.run());
            if let Err(error) = thread {
                warn!(target: "lobby", %error, "orphans stay as zombies");
            }
        }
        children
    }

    /// Starts a program, in a process group of its own. Blocks until it was executed, which a file
    /// system that hangs may put off for ever.
    ///
    /// # Errors
    /// The system's, when the program cannot be executed.
    pub fn spawn(self, command: &mut Command) -> io::Result<(Child, RunningPid)> {
        let mut own = self.own();
        let child = command.process_group(0).spawn()?;
        let id = child.id().and_then(|id| i32::try_from(id).ok()).ok_or(io::ErrorKind::NotFound)?;
        own.insert(id);
        Ok((child, RunningPid::from_raw(id).ok_or(io::ErrorKind::NotFound)?))
    }

    /// Forgets a child that was waited for.
    pub fn ended(self, child: RunningPid) {
        self.own().remove(&child.as_raw_nonzero().get());
        if is_init() {
            // It may have hidden orphans.
            self.reap_orphans();
        }
    }

    fn run(self) {
        let mut signals = match Signals::new([SIGCHLD]) {
            Ok(signals) => signals,
            Err(error) => return warn!(target: "lobby", %error, "orphans stay as zombies"),
        };
        self.reap_orphans();
        for _ in signals.forever() {
            self.reap_orphans();
        }
    }

    /// Waits for all that have ended, up to the first own child, which is waited for elsewhere.
    fn reap_orphans(self) {
        let own = self.own();
        while let Some(id) = next_ended().filter(|id| !own.contains(&id.as_raw())) {
            if waitpid(id, Some(WaitPidFlag::WNOHANG)).is_err() {
                return;
            }
        }
    }

    fn own(self) -> MutexGuard<'static, BTreeSet<i32>> {
        OWN.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_init() -> bool {
    std::process::id() == 1
}

/// A child that has ended; it is not waited for.
fn next_ended() -> Option<Pid> {
    waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT).ok()?.pid()
}
