//! The programs that are compared: how they are started and run.

use std::ffi::OsStr;
use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use lobby_tests::free_port;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::observation::Observation;
use crate::pair::{Pair, Side};
use crate::waiting::eventually;

/// How long anything may take that takes milliseconds on an idle machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(15);

/// Where the two programs of each side are.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    directory: PathBuf,
}

impl Programs {
    /// Those of a directory that holds `lobbyd` and `lobbyctl`.
    pub(crate) fn of(directory: &Path) -> Result<Self, String> {
        for name in ["lobbyd", "lobbyctl"] {
            if !directory.join(name).is_file() {
                return Err(format!("there is no {name} in {}", directory.display()));
            }
        }
        let directory = std::path::absolute(directory).map_err(|error| error.to_string())?;
        Ok(Self { directory })
    }

    pub(crate) fn lobbyd(&self) -> PathBuf {
        self.directory.join("lobbyd")
    }

    pub(crate) fn lobbyctl(&self) -> PathBuf {
        self.directory.join("lobbyctl")
    }
}

/// Settings of a daemon, as environment variables.
pub(crate) type Settings = Vec<(String, String)>;

/// Settings under which a daemon listens only, and nothing happens by itself: KEEP_ALIVE is short
/// so that it is soon warm, TTL long so that nobody expires.
pub(crate) fn listening_only() -> Settings {
    settings(&[
        ("HOSTNAME", "me"),
        ("LABELS_PATH", "labels"),
        ("LOCAL_PATH", "lobby"),
        ("REGISTER", "false"),
        ("KEEP_ALIVE", "1"),
        ("TTL", "600"),
    ])
}

/// Settings of these names and values.
pub(crate) fn settings(pairs: &[(&str, &str)]) -> Settings {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A running daemon in a directory of its own, killed when this value is dropped.
#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    port: u16,
    home: TempDir,
}

impl Daemon {
    /// Starts a daemon with these settings and no others; later ones beat earlier ones. PORT is
    /// added. `launcher` is put in front of the program.
    fn spawn(
        program: &Path,
        launcher: &[String],
        settings: &Settings,
        prepare: &dyn Fn(&Path),
    ) -> Self {
        let home = TempDir::new().expect("a temporary directory can be made");
        std::fs::create_dir(home.path().join("labels")).expect("a directory can be made");
        prepare(home.path());
        let port = free_port();
        let log = File::create(home.path().join("log")).expect("a file can be made");
        let words: Vec<&OsStr> =
            launcher.iter().map(OsStr::new).chain([program.as_os_str()]).collect();
        let mut command = clean(words[0]);
        command.args(&words[1..]).env("PORT", port.to_string()).envs(settings.iter().cloned());
        command.current_dir(home.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().expect("the daemon can be started");
        Self { child, port, home }
    }

    /// Where its API listens.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Its working directory, which relative paths of settings start from.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Its log so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until its API listens.
    ///
    /// # Panics
    /// If it does not come up.
    pub(crate) fn wait_until_it_listens(&mut self) {
        let address = self.address();
        let up = eventually(LIMIT, || {
            let ended = self.child.try_wait().ok().flatten();
            assert!(ended.is_none(), "a daemon ended at once: {}", self.log());
            TcpStream::connect(address).ok()
        });
        assert!(up.is_some(), "a daemon does not listen: {}", self.log());
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).ok();
    }

    /// Ends it with SIGTERM and tells its exit status.
    pub(crate) fn stop(&mut self) -> Observation {
        self.signal(Signal::TERM);
        self.end()
    }

    /// Waits for its end and tells its exit status.
    pub(crate) fn end(&mut self) -> Observation {
        let ended = eventually(LIMIT, || self.child.try_wait().ok().flatten());
        Observation::default().with("exit status", exit_text(ended))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Starts both daemons with the same settings and waits until they listen. `prepare` puts files
/// into the working directory of each.
pub(crate) fn start_with(
    programs: &Pair<Programs>,
    settings: &Settings,
    prepare: &dyn Fn(&Path),
) -> Pair<Daemon> {
    start_each(programs, |_| settings.clone(), prepare)
}

/// As [`start_with`], with settings for each side.
pub(crate) fn start_each(
    programs: &Pair<Programs>,
    settings: impl Fn(Side) -> Settings,
    prepare: &dyn Fn(&Path),
) -> Pair<Daemon> {
    let mut daemons = spawn_each(programs, &[], settings, prepare);
    daemons.old.wait_until_it_listens();
    daemons.new.wait_until_it_listens();
    daemons
}

/// As [`start_each`], behind a launcher, and without waiting.
pub(crate) fn spawn_each(
    programs: &Pair<Programs>,
    launcher: &[String],
    settings: impl Fn(Side) -> Settings,
    prepare: &dyn Fn(&Path),
) -> Pair<Daemon> {
    Pair::of(|side| {
        Daemon::spawn(&programs.side(side).lobbyd(), launcher, &settings(side), prepare)
    })
}

/// Starts both daemons with the same settings and waits until they listen.
pub(crate) fn start(programs: &Pair<Programs>, settings: &Settings) -> Pair<Daemon> {
    start_with(programs, settings, &|_| ())
}

/// Runs a program to its end, or kills it when it takes longer than the limit.
pub(crate) fn run(
    program: &Path,
    arguments: &[&OsStr],
    environment: &Settings,
    directory: &Path,
    limit: Duration,
) -> Observation {
    let outputs = TempDir::new().expect("a temporary directory can be made");
    let file = |name: &str| File::create(outputs.path().join(name)).expect("a file can be made");
    let mut command = clean(program);
    command.args(arguments).envs(environment.iter().cloned()).current_dir(directory);
    command.stdin(Stdio::null()).stdout(file("stdout")).stderr(file("stderr"));
    let mut child = command.spawn().expect("a program can be started");
    let ended = eventually(limit, || child.try_wait().ok().flatten());
    child.kill().ok();
    child.wait().ok();
    let seen = Observation::default().with("exit status", exit_text(ended));
    if ended.is_none() {
        return seen;
    }
    let text = |name: &str| std::fs::read(outputs.path().join(name)).unwrap_or_default();
    seen.with("stdout", text("stdout")).with("stderr", text("stderr"))
}

/// A command with an empty environment but for PATH, that is killed when this thread ends.
pub(crate) fn clean(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program).env_clear();
    command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    command
}

fn exit_text(ended: Option<ExitStatus>) -> String {
    ended.map_or("still running".to_owned(), |status| status.to_string())
}
