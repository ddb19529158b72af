//! A child process, what it costs, and its end.

use std::fs;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

/// A running program, killed when this value is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
}

impl Running {
    /// Starts a program.
    ///
    /// # Errors
    /// When it cannot be started; the message names it.
    pub fn start(command: &mut Command) -> Result<Self> {
        let child =
            command.spawn().with_context(|| format!("cannot start {:?}", command.get_program()))?;
        Ok(Self { child })
    }

    /// The process, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Processor time that its threads have used.
    ///
    /// # Errors
    /// When it has ended, or the kernel keeps no such account.
    pub fn cpu(&self) -> Result<Duration> {
        self.usage().cpu()
    }

    /// Resident memory in bytes (VmRSS).
    ///
    /// # Errors
    /// When it has ended.
    pub fn resident(&self) -> Result<u64> {
        self.usage().resident()
    }

    fn usage(&self) -> Usage {
        Usage::of(self.child.id())
    }

    /// Kills it (SIGKILL) and waits for its end.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill().context("cannot kill a child")?;
        self.wait().map(drop)
    }

    /// Asks it to end (SIGTERM).
    ///
    /// # Errors
    /// When the system does not let us.
    pub fn terminate(&self) -> Result<()> {
        let id = i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .context("a process has an id")?;
        kill_process(id, Signal::TERM).context("cannot send SIGTERM")
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        self.child.wait().context("cannot wait for a child")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended already is just what is wanted.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What a process costs, a child or not.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    id: u32,
}

impl Usage {
    /// That of the process with this id.
    pub fn of(id: u32) -> Self {
        Self { id }
    }

    /// Processor time that its threads have used. The scheduler's own account is in nanoseconds;
    /// `/proc/PID/stat` counts hundredths of a second, too coarse for a daemon at rest. A
    /// thread that ended is no longer counted, as idle helpers do: the sum may shrink.
    ///
    /// # Errors
    /// When it has ended, or the kernel keeps no such account.
    pub fn cpu(&self) -> Result<Duration> {
        let threads = self.proc("task");
        let mut nanoseconds = 0;
        for thread in fs::read_dir(&threads).with_context(|| format!("cannot read {threads}"))? {
            // One that ends between the listing and the reading has nothing to read.
            let account = fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
            nanoseconds +=
                account.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or(0);
        }
        anyhow::ensure!(
            nanoseconds > 0,
            "{threads}/*/schedstat tells no processor time: CONFIG_SCHED_INFO is needed"
        );
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// Resident memory in bytes (VmRSS).
    ///
    /// # Errors
    /// When it has ended.
    pub fn resident(&self) -> Result<u64> {
        let path = self.proc("status");
        let status = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let line =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kilobytes: u64 =
            line.trim().trim_end_matches(" kB").parse().context("VmRSS is no number")?;
        Ok(kilobytes * 1024)
    }

    fn proc(&self, file: &str) -> String {
        format!("/proc/{}/{file}", self.id)
    }
}
