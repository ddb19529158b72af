//! The process of the callback: a process group of its own, its input, its output, its end.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::warn;

use crate::callback::output::OutputLog;
use crate::callback::program;
use crate::config::{CallbackSettings, PREFIX};
use crate::sys::children::Children;
use lobby_core::callback::schedule::RunReason;

/// How long a run waits for output that comes after the end of its program, from processes that it
/// left behind.
const LAST_OUTPUT: Duration = Duration::from_secs(1);

/// How long a run that took too long has to end by itself.
const KILL_AFTER: Duration = Duration::from_secs(5);

/// The command to run.
#[derive(Debug)]
pub struct CallbackCommand {
    words: Vec<String>,
    withheld: Vec<&'static str>,
    time_limit: Option<Duration>,
    children: Children,
    output: OutputLog,
}

/// What a run is told of itself. Nothing of it comes from packets.
#[derive(Debug, Clone, Copy)]
pub struct RunContext {
    /// LOBBY_REASON: why it starts.
    pub reason: RunReason,
    /// LOBBY_WARM: whether the daemon must have heard everybody.
    pub is_warm: bool,
    /// LOBBY_REVISION: that of the list; it grows with each change.
    pub revision: u64,
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
    id: Pid,
    time_limit: Option<Duration>,
    children: Children,
    output: OutputLog,
}

/// How a run ended.
pub struct Ended {
    /// The program's exit status, or why it cannot be waited for.
    pub status: io::Result<ExitStatus>,
    /// Whether it was ended because it took too long.
    pub is_late: bool,
    /// The reading of output that processes in the background still hold open. Without a reader
    /// they would be ended by SIGPIPE.
    pub open_output: Option<JoinHandle<()>>,
}

impl CallbackCommand {
    /// The command of these settings.
    pub fn new(settings: &CallbackSettings, children: Children) -> Self {
        let (words, withheld) = (settings.command.clone(), settings.withheld.clone());
        let (time_limit, output) = (settings.time_limit, OutputLog::new());
        Self { words, withheld, time_limit, children, output }
    }

    /// The program and its arguments.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// What keeps the program from being run, as far as can be seen without running it. Blocks.
    #[expect(
        clippy::disallowed_methods,
        reason = "PATH is no setting of lobby; the system looks programs up in it"
    )]
    pub fn problem_of(words: &[String]) -> Option<String> {
        program::problem(words.first()?, std::env::var_os("PATH").as_deref())
    }

    /// Starts the program. Blocks until it is executed.
    ///
    /// # Errors
    /// When the program does not exist or cannot be executed.
    pub fn start(&self, context: RunContext) -> io::Result<CallbackProcess> {
        let (program, arguments) = self.words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(program);
        command.args(arguments).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for variable in &self.withheld {
            command.env_remove(variable).env_remove(format!("{PREFIX}{variable}"));
        }
        command.env("LOBBY_REASON", context.reason.to_string());
        command.env("LOBBY_WARM", context.is_warm.to_string());
        command.env("LOBBY_REVISION", context.revision.to_string());
        let (child, id) = self.children.spawn(&mut command)?;
        Ok(CallbackProcess {
            child,
            id,
            time_limit: self.time_limit,
            children: self.children,
            output: self.output.clone(),
        })
    }
}

impl CallbackProcess {
    /// Its process group, to end it.
    pub fn group(&self) -> ProcessGroup {
        ProcessGroup(self.id)
    }

    /// Writes its input, logs its output line by line and waits for its end. Ends it when it takes
    /// too long.
    pub async fn finish(mut self, input: Vec<u8>) -> Ended {
        let stdin = self.child.stdin.take();
        let feed = tokio::spawn(async move {
            if let Some(mut stdin) = stdin {
                // A callback that does not read its input is not an error.
                stdin.write_all(&input).await.ok();
            }
        });
        let mut output = self.log_output();
        let (status, is_late) = self.wait().await;
        self.children.ended(self.id);
        feed.abort();
        let is_open = timeout(LAST_OUTPUT, &mut output).await.is_err();
        self.output.log_rest();
        Ended { status, is_late, open_output: is_open.then_some(output) }
    }

    /// Waits for its end. Returns whether it had to be ended.
    async fn wait(&mut self) -> (io::Result<ExitStatus>, bool) {
        let Some(limit) = self.time_limit else { return (self.child.wait().await, false) };
        if let Ok(status) = timeout(limit, self.child.wait()).await {
            return (status, false);
        }
        let (group, seconds) = (self.group(), limit.as_secs());
        warn!(target: "lobby::callback", seconds, "callback takes longer than CALLBACK_TIMEOUT, it is being ended");
        group.terminate();
        let ended = timeout(KILL_AFTER, self.child.wait()).await;
        // What the program has left behind goes with it.
        group.kill();
        let status = match ended {
            Ok(status) => status,
            Err(_) => self.child.wait().await,
        };
        (status, true)
    }

    fn log_output(&mut self) -> JoinHandle<()> {
        let (stdout, stderr) = (self.child.stdout.take(), self.child.stderr.take());
        let log = self.output.clone();
        tokio::spawn(async move {
            tokio::join!(log.log_lines("stdout", stdout), log.log_lines("stderr", stderr));
        })
    }
}
