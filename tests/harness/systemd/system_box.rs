//! A machine in a box: a real systemd, process 1 of namespaces of its own, over the files of this
//! machine. Nothing that happens in it lasts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use tempfile::TempDir;

use crate::Process;
use crate::binaries::tied;
use crate::eventually::eventually;

/// Enters the cgroup, then the namespaces.
const LAUNCH: &str = r#"
echo $$ >"$1/cgroup.procs"
exec unshare --mount --pid --fork --uts --ipc --net --cgroup --kill-child=SIGKILL \
    --propagation private "$2" "$3" "$4"
"#;

/// Longest time that systemd may take to start.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Longest time that one script may take.
const SCRIPT_LIMIT: &str = "120";

/// The machine. It needs root.
#[derive(Debug)]
pub struct SystemBox {
    // Dropped in this order: with the first everything in the box is killed.
    _process: Process,
    _group: Group,
    _layer: TempDir,
    init: String,
}

/// What is put into a box: files by name, which appear in `/run/box`.
#[derive(Debug)]
pub struct Installed(TempDir);

impl Installed {
    /// Nothing yet.
    ///
    /// # Panics
    /// If there is no place for it.
    pub fn nothing() -> Self {
        Self(TempDir::new().expect("a temporary directory can be made"))
    }

    /// Adds a file or a directory under its own name.
    ///
    /// # Panics
    /// If it cannot be copied.
    #[must_use]
    pub fn with(self, path: &Path) -> Self {
        self.add(path);
        self
    }

    /// As [`Installed::with`].
    ///
    /// # Panics
    /// If it cannot be copied.
    pub fn add(&self, path: &Path) {
        let copied = Command::new("cp").arg("-a").arg(path).arg(self.0.path()).status();
        assert!(copied.is_ok_and(|status| status.success()), "cannot copy {}", path.display());
    }

    /// Adds a text as a file.
    ///
    /// # Panics
    /// If it cannot be written.
    #[must_use]
    pub fn text(self, name: &str, text: &str) -> Self {
        fs::write(self.0.path().join(name), text).expect("a file can be written");
        self
    }
}

/// The cgroup of the box, removed with all that systemd made below it.
#[derive(Debug)]
struct Group(PathBuf);

impl Group {
    fn new(name: &str) -> Self {
        let unified = Path::new("/sys/fs/cgroup/unified");
        let root = if unified.is_dir() { unified } else { Path::new("/sys/fs/cgroup") };
        let path = root.join(name);
        fs::create_dir(&path).expect("root may make a cgroup");
        Self(path)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Processes that were killed are in it for a moment.
        let script = r#"for _ in $(seq 100); do
            find "$0" -depth -type d -exec rmdir {} + 2>/dev/null; [ -d "$0" ] || exit 0; sleep .05
        done"#;
        Command::new("bash").args(["-c", script]).arg(&self.0).status().ok();
    }
}

impl SystemBox {
    /// Starts a machine with these files in `/run/box` and waits until systemd is up.
    ///
    /// # Panics
    /// If it does not start, for one without root.
    pub async fn start(files: &Installed) -> Self {
        let layer = TempDir::new().expect("a temporary directory can be made");
        let name = layer.path().file_name().expect("a directory has a name").to_string_lossy();
        let group = Group::new(&format!("lobby{name}"));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("harness/systemd/box-init");
        let mut launch = tied("bash");
        launch.args(["-ec", LAUNCH, "bash"]).arg(&group.0).arg(script);
        let process = Process::start_muted("box", launch.arg(layer.path()).arg(files.0.path()));
        let init = eventually(START_LIMIT, async || {
            child_of(process.id()).ok_or_else(|| process.logs().join("\n"))
        });
        let init = init.await;
        let machine = Self { _process: process, _group: group, _layer: layer, init };
        machine.eventually("systemctl is-active --quiet basic.target").await;
        machine
    }

    /// Runs a script of bash in the box that must succeed, and returns what it printed.
    ///
    /// # Panics
    /// If it fails; with what it said.
    #[track_caller]
    pub fn run(&self, script: &str) -> String {
        let output = self.output(script);
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{script}\n{}\n{stdout}{stderr}", output.status);
        stdout
    }

    /// Whether a script of bash succeeds in the box.
    pub fn succeeds(&self, script: &str) -> bool {
        self.output(script).status.success()
    }

    /// Waits until a script of bash succeeds in the box, and returns what it printed then.
    ///
    /// # Panics
    /// If it does not.
    #[track_caller]
    pub fn eventually<'a>(&'a self, script: &'a str) -> impl Future<Output = String> + 'a {
        eventually(START_LIMIT, async move || {
            let output = self.output(script);
            let stdout = text(&output.stdout);
            let said = || format!("{script}: {stdout}{}", text(&output.stderr));
            if output.status.success() { Ok(stdout.clone()) } else { Err(said()) }
        })
    }

    /// Copies a file into the box.
    ///
    /// # Panics
    /// If it cannot be copied.
    pub fn put(&self, file: &Path, path: &str) {
        let root = format!("/proc/{}/root{path}", self.init);
        fs::copy(file, root).expect("root may write into the box");
    }

    fn output(&self, script: &str) -> Output {
        let mut command = tied("nsenter");
        command.args(["-t", &self.init, "-m", "-p", "-u", "-i", "-n", "-C", "--"]);
        command.args(["timeout", SCRIPT_LIMIT]);
        command.args(["bash", "-euo", "pipefail", "-c", script]).env_clear();
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.envs([("LANG", "C.UTF-8"), ("HOME", "/root"), ("TERM", "xterm")]);
        command.current_dir("/").output().expect("nsenter can be started")
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The process id of the child of a process, if it is systemd already.
fn child_of(parent: u32) -> Option<String> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
    let child = children.split_whitespace().next()?;
    let name = fs::read_to_string(format!("/proc/{child}/comm")).ok()?;
    (name.trim() == "systemd").then(|| child.to_owned())
}
