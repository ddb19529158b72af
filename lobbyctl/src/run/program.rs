//! Program: what runs while its labels are there.

use std::ffi::OsString;
use std::io::{self, ErrorKind, IsTerminal};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};

use anyhow::{Context, anyhow};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid,
};
use tokio::process::{Child, Command};
use tokio::signal::unix::{self, SignalKind};

use super::session;
use super::signals::is_stop;
use crate::Failure;

/// Exit status of a program that is not there, as shells have it.
const NOT_FOUND: i32 = 127;

/// Exit status of a program that cannot be run.
const NOT_EXECUTABLE: i32 = 126;

/// A program that runs, in a process group of its own: what a terminal sends to the foreground,
/// lobbyctl alone gets, and passes it on once.
#[derive(Debug)]
pub(super) struct Program {
    child: Child,
    /// None once it has ended.
    id: Option<Pid>,
    /// Tells that a child has stopped or ended.
    changes: unix::Signal,
    /// Whether it belongs to a session on a terminal.
    has_terminal: bool,
}

/// What becomes of a program.
#[derive(Debug)]
pub(super) enum Change {
    /// It has ended, with an exit status that tells of it.
    Ended(io::Result<i32>),
    /// The system has stopped it, since it wanted to read or set the terminal.
    WantsTerminal,
}

impl Program {
    /// Starts it. Of a terminal it gets no input, which the foreground alone may read.
    pub(super) fn start(words: &[OsString]) -> Result<Self, Failure> {
        let Some((name, arguments)) = words.split_first() else {
            return Err(Failure::usage(anyhow!("there is no program to run")));
        };
        let changes = unix::signal(SignalKind::child()).context("cannot listen for signals");
        let changes = changes.map_err(Failure::other)?;
        let mut command = Command::new(name);
        command.args(arguments).process_group(0);
        if io::stdin().is_terminal() {
            command.stdin(Stdio::null());
        }
        let child = command.spawn().map_err(|error| {
            let missing = error.kind() == ErrorKind::NotFound;
            let status = if missing { NOT_FOUND } else { NOT_EXECUTABLE };
            Failure { status, cause: anyhow!("cannot run {}: {error}", name.display()) }
        })?;
        let id = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Ok(Self { child, id, changes, has_terminal: session::has_terminal() })
    }

    /// Passes a signal on: to all of its process group what a terminal would send to all of it,
    /// else to the program alone. One that is stopped takes no end in before it goes on.
    pub(super) fn signal(&self, signal: Signal) {
        let Some(id) = self.id else { return };
        let is_hangup = signal == Signal::HUP && self.has_terminal;
        let sent = match signal {
            Signal::INT | Signal::QUIT | Signal::WINCH | Signal::TSTP | Signal::CONT => {
                kill_process_group(id, signal)
            }
            _ if is_hangup => kill_process_group(id, signal),
            _ => kill_process(id, signal),
        };
        // One that has just ended needs no signal.
        sent.ok();
        if is_stop(signal) || is_hangup {
            kill_process_group(id, Signal::CONT).ok();
        }
    }

    /// Waits until something becomes of it.
    pub(super) async fn changed(&mut self) -> Change {
        loop {
            tokio::select! {
                status = self.child.wait() => {
                    self.id = None;
                    return Change::Ended(status.map(exit_status));
                }
                _ = self.changes.recv() => if self.has_wanted_terminal() {
                    return Change::WantsTerminal;
                }
            }
        }
    }

    /// Whether the terminal has stopped it since this was last asked.
    fn has_wanted_terminal(&self) -> bool {
        let Some(id) = self.id else { return false };
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
        let status = waitid(WaitId::Pid(id), options).ok().flatten();
        let by = status.and_then(|status| status.stopping_signal());
        by.is_some_and(|by| [Signal::TTIN.as_raw(), Signal::TTOU.as_raw()].contains(&by))
    }
}

/// The exit status, or 128 and the signal that ended it.
fn exit_status(status: ExitStatus) -> i32 {
    status.code().or_else(|| Some(128 + status.signal()?)).unwrap_or(crate::FAILED)
}
