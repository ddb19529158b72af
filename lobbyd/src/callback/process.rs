//! The process of the callback: a process group of its own, its input, its output as log lines, its end.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use tracing::info;

/// Longest piece of output that is logged as one line, in bytes.
const MAX_LINE_LEN: u64 = 8 * 1024;

/// How long output may still come after the program itself has ended, from a child that it left behind.
const LAST_OUTPUT: Duration = Duration::from_secs(1);

/// The command to run.
#[derive(Debug, Clone)]
pub struct CallbackCommand {
    /// The program and its arguments; not empty.
    pub words: Vec<String>,
    /// Environment variables that it must not inherit.
    pub withheld: Vec<&'static str>,
}

/// The process group of a running callback.
#[derive(Debug, Clone, Copy)]
pub struct ProcessGroup(Pid);

impl ProcessGroup {
    /// Asks all of its processes to end.
    pub fn terminate(self) {
        self.signal(Signal::TERM);
    }

    /// Ends all of its processes.
    pub fn kill(self) {
        self.signal(Signal::KILL);
    }

    fn signal(self, signal: Signal) {
        // The group may have ended by itself in the meantime, which is as good.
        kill_process_group(self.0, signal).ok();
    }
}

/// A callback that was started.
pub struct CallbackProcess {
    child: Child,
    group: ProcessGroup,
}

impl CallbackCommand {
    /// Starts the program.
    ///
    /// # Errors
    /// When the program does not exist or must not be executed.
    pub fn start(&self) -> io::Result<CallbackProcess> {
        let (program, arguments) = self.words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(program);
        command.args(arguments).process_group(0).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for variable in &self.withheld {
            command.env_remove(variable);
        }
        let child = command.spawn()?;
        let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let group = ProcessGroup(pid.ok_or(io::ErrorKind::NotFound)?);
        Ok(CallbackProcess { child, group })
    }
}

impl CallbackProcess {
    /// Its process group, to end it.
    pub fn group(&self) -> ProcessGroup {
        self.group
    }

    /// Writes its input, logs its output line by line and waits for its end.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub async fn finish(mut self, input: Vec<u8>) -> io::Result<ExitStatus> {
        let stdin = self.child.stdin.take();
        let (stdout, stderr) = (self.child.stdout.take(), self.child.stderr.take());
        let feed = tokio::spawn(async move {
            if let Some(mut stdin) = stdin {
                // A callback that does not read its input is not an error.
                stdin.write_all(&input).await.ok();
            }
        });
        let output = tokio::spawn(async { tokio::join!(log_lines("stdout", stdout), log_lines("stderr", stderr)) });
        let (feed_end, output_end) = (feed.abort_handle(), output.abort_handle());
        let status = self.child.wait().await;
        feed_end.abort();
        timeout(LAST_OUTPUT, output).await.ok();
        output_end.abort();
        status
    }
}

async fn log_lines(stream: &'static str, output: Option<impl AsyncRead + Unpin>) {
    let Some(output) = output else { return };
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    while let Ok(1..) = (&mut output).take(MAX_LINE_LEN).read_until(b'\n', &mut line).await {
        info!(target: "lobby::callback", stream, line = %String::from_utf8_lossy(&line).trim_end(), "callback output");
        line.clear();
    }
}
