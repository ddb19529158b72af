//! A daemon whose system calls are watched, or made slow or wrong.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::Process;

/// The launcher of a program whose system calls strace writes down, and changes if told to.
#[derive(Debug)]
pub struct Tracer {
    options: Vec<OsString>,
    directory: TempDir,
}

impl Tracer {
    /// Watches these system calls, comma separated.
    ///
    /// # Panics
    /// If a temporary directory cannot be made.
    pub fn of(calls: &str) -> Self {
        let directory = TempDir::new().expect("a temporary directory can be made");
        Self { options: vec!["-e".into(), format!("trace={calls}").into()], directory }
    }

    /// Only those on this file or directory.
    #[must_use]
    pub fn on(mut self, path: &Path) -> Self {
        self.options.extend(["-P".into(), path.into()]);
        self
    }

    /// Holds up each call of this kind before it is done.
    #[must_use]
    pub fn delays(self, call: &str, time: Duration) -> Self {
        self.injects(&format!("{call}:delay_enter={}", time.as_micros()))
    }

    /// Lets each call of this kind fail with this error, as `EIO`, undone.
    #[must_use]
    pub fn fails(self, call: &str, error: &str) -> Self {
        self.injects(&format!("{call}:error={error}"))
    }

    fn injects(mut self, expression: &str) -> Self {
        self.options.extend(["-e".into(), format!("inject={expression}").into()]);
        self
    }

    /// The words to put in front of a command. It keeps its process id: strace runs beside it.
    pub fn launcher(&self) -> Vec<OsString> {
        let words = ["strace", "-D", "-f", "-qq"].map(OsString::from);
        let output = ["-o".into(), self.directory.path().join("calls").into()];
        words.into_iter().chain(self.options.iter().cloned()).chain(output).collect()
    }

    /// Ends strace: no call is held up any more.
    ///
    /// # Panics
    /// If the program is not traced.
    pub fn release(&self, program: &Process) {
        let status = fs::read_to_string(format!("/proc/{}/status", program.id()))
            .expect("a running process");
        let tracer =
            status.lines().find_map(|line| line.strip_prefix("TracerPid:")?.trim().parse().ok());
        let tracer = tracer.and_then(Pid::from_raw).expect("a tracer");
        kill_process(tracer, Signal::KILL).expect("strace can be ended");
    }

    /// The system calls so far, one a line as strace writes them.
    ///
    /// # Panics
    /// If strace was not started.
    pub fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.directory.path().join("calls"))
            .expect("strace writes its output");
        calls.lines().map(str::to_owned).collect()
    }
}
