//! A child process whose stderr is shown and kept, and which never outlives its test.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, Once, PoisonError};
use std::time::Duration;

use rustix::io::retry_on_intr;
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, getrlimit, kill_process, setrlimit,
    waitid,
};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::eventually::{LIMIT, eventually, now};

/// Open files of a test process, as far as its hard limit lets it.
const OPEN_FILES: u64 = 16_384;

/// A running program, killed when this value is dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Mutex<Child>,
    lines: Lines,
    gate: Arc<Gate>,
    /// Dropped after this value itself, so after the program has ended, which else made it again.
    home: Option<Arc<TempDir>>,
}

/// Lines of stderr, and when they came.
type Lines = Arc<Mutex<Vec<(Instant, String)>>>;

/// Lets the lines of stderr through, or holds them up.
#[derive(Debug, Default)]
struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum GateState {
    #[default]
    Open,
    Shut,
    /// Nobody wants more lines: what the program has left running finds nobody who reads.
    Gone,
}

impl Gate {
    fn set(&self, state: GateState) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
        self.changed.notify_all();
    }

    /// Waits while it is shut. Returns whether lines are wanted.
    fn pass(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_shut = |state: &mut GateState| *state == GateState::Shut;
        let state = self.changed.wait_while(state, is_shut).unwrap_or_else(PoisonError::into_inner);
        *state == GateState::Open
    }
}

/// How a program ended.
#[derive(Debug, Clone, Copy)]
pub struct Exit {
    /// Its exit status.
    pub status: ExitStatus,
    /// Time from the question to the end.
    pub after: Duration,
}

impl Process {
    /// Starts a program; its stderr goes to the test's output under this name.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(name: &str, command: &mut Command) -> Self {
        Self::start_showing(name, command, true)
    }

    /// As [`Process::start`], with its stderr kept and not shown.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start_muted(name: &str, command: &mut Command) -> Self {
        Self::start_showing(name, command, false)
    }

    fn start_showing(name: &str, command: &mut Command, show: bool) -> Self {
        raise_open_files();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{name}: cannot start {:?}: {error}", command.get_program())
            });
        let (lines, gate) = (Arc::default(), Arc::<Gate>::default());
        let stderr = child.stderr.take().expect("stderr is piped");
        keep(name.to_owned(), stderr, show, Arc::clone(&lines), Arc::clone(&gate));
        Self { name: name.to_owned(), child: Mutex::new(child), lines, gate, home: None }
    }

    /// Keeps the directory of its files until it has ended.
    #[must_use]
    pub(crate) fn living_in(mut self, home: Arc<TempDir>) -> Self {
        self.home = Some(home);
        self
    }

    /// Reads its stderr no further, or again.
    pub fn read_no_log(&self, shut: bool) {
        self.gate.set(if shut { GateState::Shut } else { GateState::Open });
    }

    /// All lines of stderr so far.
    pub fn logs(&self) -> Vec<String> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(|(_, line)| line.clone()).collect()
    }

    /// When the lines of stderr so far came that hold this text.
    pub fn times_of(&self, text: &str) -> Vec<Instant> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().filter(|(_, line)| line.contains(text)).map(|(time, _)| *time).collect()
    }

    /// The lines of stderr so far that hold this text.
    pub fn logs_with(&self, text: &str) -> Vec<String> {
        self.logs().into_iter().filter(|line| line.contains(text)).collect()
    }

    /// Waits until a line of stderr holds this text and returns it.
    ///
    /// # Panics
    /// If none comes.
    #[track_caller]
    pub fn logged<'a>(&'a self, text: &'a str) -> impl Future<Output = String> + 'a {
        eventually(LIMIT, async move || self.logs_with(text).pop().ok_or_else(|| self.story(text)))
    }

    /// The address on the first line of stderr that holds this text: how a program on port 0 tells
    /// its port.
    ///
    /// # Panics
    /// If there is none, or the program ends before.
    #[track_caller]
    pub fn logged_address<'a>(&'a self, text: &'a str) -> impl Future<Output = SocketAddr> + 'a {
        eventually(LIMIT, async move || {
            let address = self.logs_with(text).iter().find_map(|line| address_in(line));
            assert!(address.is_some() || self.is_running(), "{}", self.story(text));
            address.ok_or_else(|| self.story(text))
        })
    }

    /// Whether it has not ended yet.
    pub fn is_running(&self) -> bool {
        self.status().is_none()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child().id()
    }

    /// The most memory that it ever had, in MB.
    ///
    /// # Panics
    /// If it has ended.
    pub fn peak_memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()))
            .expect("a running process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") / 1024
    }

    /// The number of its open files.
    ///
    /// # Panics
    /// If it has ended.
    pub fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.id())).expect("it runs").count()
    }

    /// Sends it a signal, unless it has ended.
    ///
    /// # Panics
    /// If the system does not let us.
    pub fn signal(&self, signal: Signal) {
        let child = self.child();
        let sent = kill_process(Pid::from_child(&child), signal);
        sent.unwrap_or_else(|error| panic!("{}: cannot send {signal:?}: {error}", self.name));
    }

    /// Freezes it, until it gets SIGCONT, and returns when all of its threads stand still. The
    /// signal alone is only on its way: for a while some threads would still take connections
    /// and answer.
    ///
    /// # Panics
    /// If it has ended.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
        let child = self.child();
        let stopped =
            retry_on_intr(|| waitid(WaitId::Pid(Pid::from_child(&child)), WaitIdOptions::STOPPED));
        stopped.unwrap_or_else(|error| panic!("{}: cannot be stopped: {error}", self.name));
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it does not end within the limit.
    #[track_caller]
    pub fn wait(&self, limit: Duration) -> impl Future<Output = Exit> {
        let asked = now();
        eventually(limit, async move || {
            let status = self.status().ok_or_else(|| self.story("its end"))?;
            Ok(Exit { status, after: asked.elapsed() })
        })
    }

    /// Asks it to end, and waits for that: what it has started would outlive it if it were killed.
    pub fn end(&self) {
        let limit = now() + LIMIT;
        if self.is_running() {
            self.signal(Signal::TERM);
        }
        while self.is_running() && now() < limit {
            std::thread::yield_now();
        }
    }

    /// Kills it at once and waits until it is gone.
    pub fn kill(&self) {
        let mut child = self.child();
        child.kill().ok();
        child.wait().ok();
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn status(&self) -> Option<ExitStatus> {
        self.child().try_wait().expect("a child can be asked for its status")
    }

    fn story(&self, expected: &str) -> String {
        let status = self.status().map_or("runs".to_owned(), |status| status.to_string());
        format!(
            "{} ({status}), waiting for {expected:?}, said:\n{}",
            self.name,
            self.logs().join("\n")
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        self.gate.set(GateState::Gone);
    }
}

/// Tests beside each other have more open files than the 1,024 that an ordinary user starts with.
fn raise_open_files() {
    static RAISED: Once = Once::new();
    RAISED.call_once(|| {
        let limit = getrlimit(Resource::Nofile);
        let most = limit.maximum.map_or(OPEN_FILES, |most| most.min(OPEN_FILES));
        let current = limit.current.map(|current| current.max(most));
        // Where it cannot be raised, a test will say what it could not open.
        setrlimit(Resource::Nofile, Rlimit { current, ..limit }).ok();
    });
}

#[expect(clippy::print_stderr, reason = "the test's output is where a failure is explained")]
fn keep(name: String, stderr: ChildStderr, show: bool, lines: Lines, gate: Arc<Gate>) {
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
            if !gate.pass() {
                return;
            }
            let line = String::from_utf8_lossy(&line).into_owned();
            if show {
                eprintln!("[{name}] {line}");
            }
            lines.lock().unwrap_or_else(PoisonError::into_inner).push((now(), line));
        }
    });
}

/// Finds `address=IP:PORT` or `"address":"IP:PORT"`.
fn address_in(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("address")?;
    let rest = rest.trim_start_matches(['"', ':', '=']);
    rest.split(['"', ' ', ',']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventually::ensure;

    #[test]
    fn an_address_is_found_in_text_and_json_lines() {
        let expected = "127.0.0.1:43210".parse().ok();
        assert_eq!(address_in("INFO lobbyd: listening address=127.0.0.1:43210 pid=7"), expected);
        assert_eq!(address_in(r#"{"message":"listening","address":"127.0.0.1:43210"}"#), expected);
        assert_eq!(address_in("listening address=[::1]:80"), "[::1]:80".parse().ok());
        assert_eq!(address_in("listening"), None);
    }

    #[actix_rt::test]
    async fn a_log_that_is_not_read_is_read_later() {
        let process = Process::start("yes", Command::new("sh").args(["-c", "exec yes 1>&2"]));
        process.logged("y").await;
        process.read_no_log(true);
        let count = async || {
            let before = process.logs().len();
            tokio::time::sleep(Duration::from_millis(50)).await;
            process.logs().len() - before
        };
        // A line may have passed before.
        count().await;
        assert_eq!(count().await, 0);
        process.read_no_log(false);
        eventually(LIMIT, async || ensure(count().await > 0, "silence")).await;
    }

    #[actix_rt::test]
    async fn nobody_reads_what_a_killed_program_has_left_running() {
        let process = Process::start("sh", Command::new("sh").args(["-c", "yes 1>&2; true"]));
        process.logged("y").await;
        let children = format!("/proc/{0}/task/{0}/children", process.id());
        let child = std::fs::read_to_string(children).unwrap();
        let child = std::path::Path::new("/proc").join(child.trim());
        assert!(child.exists());
        drop(process);
        eventually(LIMIT, async || ensure(!child.exists(), "it is still heard")).await;
    }

    #[test]
    fn a_paused_program_stands_still() {
        let process = Process::start("sleep", Command::new("sleep").arg("60"));
        let state = || std::fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap();
        for _ in 0..100 {
            process.pause();
            assert!(state().contains("(sleep) T "), "{}", state());
            process.signal(Signal::CONT);
        }
    }
}
