//! Program: what runs while its labels are there.

use std::ffi::OsString;
use std::io::{self, ErrorKind, IsTerminal};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};

use anyhow::anyhow;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, Command};

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
}

impl Program {
    /// Starts it. Of a terminal it gets no input, which the foreground alone may read.
    pub(super) fn start(words: &[OsString]) -> Result<Self, Failure> {
        let Some((name, arguments)) = words.split_first() else {
            return Err(Failure::usage(anyhow!("there is no program to run")));
        };
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
        Ok(Self { child, id })
    }

    /// Passes a signal on: to all of its process group what a terminal would send to all of it,
    /// else to the program alone.
    pub(super) fn signal(&self, signal: Signal) {
        let Some(id) = self.id else { return };
        let sent = match signal {
            Signal::INT | Signal::QUIT | Signal::WINCH => kill_process_group(id, signal),
            _ => kill_process(id, signal),
        };
        // One that has just ended needs no signal.
        sent.ok();
    }

    /// Waits for its end. Returns the exit status that tells of it.
    pub(super) async fn ended(&mut self) -> io::Result<i32> {
        let status = self.child.wait().await;
        self.id = None;
        status.map(exit_status)
    }
}

/// The exit status, or 128 and the signal that ended it.
fn exit_status(status: ExitStatus) -> i32 {
    status.code().or_else(|| Some(128 + status.signal()?)).unwrap_or(crate::FAILED)
}
