//! Where the commands of a page are played.

use std::path::Path;
use std::process::{Command, Stdio};

use futures_util::future::join_all;
use lobby_tests::{LIMIT, Lobbyd, Process, ensure, eventually, free_port, program};
use tempfile::TempDir;

use super::page::{Page, root};

/// Ports that pages speak of, other than that of the daemon who is asked.
const SHOWN: [&str; 8] = ["1314", "1321", "1322", "4222", "6379", "8000", "8653", "9090"];

/// The two daemons of `make demo STAY=1`.
pub(super) struct Stage {
    alpha: Lobbyd,
    _beta: Lobbyd,
    _packets: TempDir,
}

/// Free ports in place of those that are shown.
pub(super) struct Ports(Vec<(&'static str, String)>);

impl Stage {
    pub(super) async fn set() -> Self {
        let packets = TempDir::new().unwrap();
        let alpha = Lobbyd::named("alpha")
            .labels("location:prague,service:web")
            .local(packets.path())
            .start()
            .await;
        let beta = Lobbyd::named("beta").labels("prometheus:node:host:127.0.0.1,service:smtp");
        let beta = beta.local(packets.path()).start().await;
        alpha.meets("beta").await;
        Self { alpha, _beta: beta, _packets: packets }
    }

    /// Plays all blocks of a page. Those that start programs of their own have ports of their own,
    /// and do not wait for each other; the others ask and change the two daemons, in the order
    /// of the page.
    pub(super) async fn play(&self, page: &Page) {
        let starts_programs = |block: &String| block.lines().any(|line| line.ends_with('&'));
        let (alone, in_order): (Vec<_>, Vec<_>) =
            page.blocks("console").into_iter().partition(starts_programs);
        let in_order = async {
            for block in &in_order {
                self.play_block(block).await;
            }
        };
        tokio::join!(in_order, join_all(alone.iter().map(|block| self.play_block(block))));
    }

    /// Runs a block in an empty directory.
    async fn play_block(&self, block: &str) {
        let (directory, ports) =
            (TempDir::new().unwrap(), Ports::beside(self.alpha.address().port()));
        let prometheus = ports.here(&Page::read("config/prometheus.yml").text);
        std::fs::write(directory.path().join("prometheus.yml"), prometheus).unwrap();
        ports.play(block, directory.path()).await;
    }
}

impl Ports {
    /// Others for each block, beside the one of the stage.
    fn beside(stage: u16) -> Self {
        let mut ports: Vec<_> = SHOWN.map(|port| (port, free_port().to_string())).into();
        ports.push(("1313", stage.to_string()));
        Self(ports)
    }

    /// Free ones for all that a page shows.
    pub(super) fn free() -> Self {
        Self::beside(free_port())
    }

    /// Runs a block's commands one after the other in a directory. What ends in `&` is given back,
    /// and runs until it is dropped.
    pub(super) async fn play(&self, block: &str, directory: &Path) -> Vec<Process> {
        let mut running = Vec::new();
        for command in format!("\n{block}").split("\n$ ").skip(1) {
            let (line, expected) = command.split_once('\n').unwrap_or((command, ""));
            match line.strip_suffix('&') {
                // A reader waits where a test asks again.
                None if line.starts_with("sleep ") => {}
                Some(line) => running.push(self.start(line, directory)),
                None => self.expect(line, expected, directory).await,
            }
        }
        running
    }

    /// A text of a page as it is here. By way of marks, as the digits of a port shown may be in
    /// another real one.
    pub(super) fn here(&self, text: &str) -> String {
        let marks = || ('\u{e000}'..).map(String::from);
        let marked = self.0.iter().zip(marks());
        let marked =
            marked.fold(text.to_owned(), |text, ((shown, _), mark)| text.replace(shown, &mark));
        self.0.iter().zip(marks()).fold(marked, |text, ((_, real), mark)| text.replace(&mark, real))
    }

    fn start(&self, line: &str, directory: &Path) -> Process {
        Process::start("docs", &mut self.shell(&format!("exec env {}", self.here(line)), directory))
    }

    /// A shell of a reader who has the clone in CLONE, and asks the first daemon.
    fn shell(&self, line: &str, directory: &Path) -> Command {
        let mut shell = shell(line, directory);
        shell.env("PORT", self.here("1313")).env("CLONE", root()).env("HOME", directory);
        shell
    }

    /// Runs a command until it prints what is shown: what it asks may still be starting.
    async fn expect(&self, line: &str, expected: &str, directory: &Path) {
        let expected = without_times(&self.here(expected));
        eventually(LIMIT, async || {
            let command = self.shell(&format!("{{ {}; }} 2>&1", self.here(line)), directory);
            let run = tokio::process::Command::from(command).kill_on_drop(true).output();
            let output = run.await.map_err(|error| error.to_string())?;
            let printed = without_times(&String::from_utf8_lossy(&output.stdout));
            ensure(printed == expected, format!("$ {line}\n{printed}\n--- instead of\n{expected}"))
        })
        .await;
    }
}

/// The output with all that differs from run to run made equal: times, and white space at the end
/// of lines.
pub(super) fn without_times(output: &str) -> String {
    const TIMES: [&str; 3] = [r#""last_check":"#, r#""until":"#, r#""until": "#];
    let masked = TIMES.iter().fold(output.to_owned(), |text, field| without_time(&text, field));
    masked.trim_end().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// The text with the same for each time behind a field.
fn without_time(text: &str, field: &str) -> String {
    let before = format!("{field}1");
    let mut pieces = text.split(&before);
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| {
        text + field + "TIME" + piece.trim_start_matches(|c: char| c.is_ascii_digit())
    })
}

/// A shell in a directory, where our programs are found first, and then those that Debian keeps
/// from ordinary users.
pub(super) fn shell(line: &str, directory: &Path) -> Command {
    let programs = program("lobbyd").parent().unwrap().to_owned();
    let inherited = std::env::vars_os()
        .find_map(|(name, value)| (name == "PATH").then_some(value))
        .unwrap_or_default();
    let path = format!("{}:{}:/usr/sbin", programs.display(), inherited.display());
    let mut shell = Command::new("sh");
    shell.args(["-c", line]).current_dir(directory).env_clear().env("PATH", path);
    // Labels that end are not kept where those of the machine are.
    shell.env("STATE_PATH", directory.join("state"));
    shell.stdin(Stdio::null());
    shell
}
