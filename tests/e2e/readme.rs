//! The README keeps its word: its commands print what it shows, its tables and examples are those of the program.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use lobby_tests::{LIMIT, Lobbyd, Process, ensure, eventually, free_port, program};
use tempfile::TempDir;

/// Time for the whole demo: it waits for one KEEP_ALIVE.
const DEMO_LIMIT: Duration = Duration::from_secs(60);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The contents of the README's code blocks of one kind.
fn blocks(kind: &str) -> Vec<String> {
    let readme = text("README.md");
    let (opening, mut rest, mut blocks) = (format!("\n```{kind}\n"), readme.as_str(), Vec::new());
    while let Some((_, block)) = rest.split_once(&opening) {
        let (block, behind) = block.split_once("```\n").expect("a code block is closed");
        blocks.push(block.to_owned());
        rest = behind;
    }
    blocks
}

/// The output with all that differs from run to run made equal: times, and white space at the end of lines.
fn without_times(output: &str) -> String {
    let mut pieces = output.split(r#""last_check":1"#);
    let first = pieces.next().unwrap_or_default().to_owned();
    let masked = pieces.fold(first, |text, piece| {
        let rest = piece.trim_start_matches(|c: char| c.is_ascii_digit());
        text + r#""last_check":TIME"# + rest
    });
    masked.trim_end().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// A shell in a directory, where our programs are found first, and then those that Debian keeps from ordinary users.
fn shell(line: &str, directory: &Path) -> Command {
    let programs = program("lobbyd").parent().unwrap().to_owned();
    let inherited = std::env::vars_os().find_map(|(name, value)| (name == "PATH").then_some(value)).unwrap_or_default();
    let path = format!("{}:{}:/usr/sbin", programs.display(), inherited.display());
    let mut shell = Command::new("sh");
    shell.args(["-c", line]).current_dir(directory).env_clear().env("PATH", path);
    shell.stdin(Stdio::null());
    shell
}

/// The two daemons of `make demo STAY=1`, and free ports in place of those that the README speaks of.
struct Stage {
    _alpha: Lobbyd,
    _beta: Lobbyd,
    _packets: TempDir,
    ports: Vec<(&'static str, String)>,
}

impl Stage {
    async fn set() -> Self {
        let packets = TempDir::new().unwrap();
        let alpha = Lobbyd::named("alpha").labels("location:prague,service:web").local(packets.path()).start().await;
        let beta = Lobbyd::named("beta").labels("prometheus:node:host:127.0.0.1,service:smtp");
        let beta = beta.local(packets.path()).start().await;
        alpha.meets("beta").await;
        let mut ports: Vec<_> =
            ["1321", "1322", "4222", "6379", "9090"].map(|port| (port, free_port().to_string())).into();
        ports.push(("1313", alpha.address().port().to_string()));
        Self { _alpha: alpha, _beta: beta, _packets: packets, ports }
    }

    /// A text of the README as it is here. By way of marks, as the digits of a port shown may be in another real one.
    fn here(&self, text: &str) -> String {
        let marks = || ('\u{e000}'..).map(String::from);
        let marked = self.ports.iter().zip(marks());
        let marked = marked.fold(text.to_owned(), |text, ((shown, _), mark)| text.replace(shown, &mark));
        self.ports.iter().zip(marks()).fold(marked, |text, ((_, real), mark)| text.replace(&mark, real))
    }

    fn port(&self, shown: &str) -> &str {
        self.ports.iter().find(|(port, _)| *port == shown).map(|(_, real)| real.as_str()).unwrap()
    }

    /// Runs a block's commands one after the other in an empty directory. What ends in `&` runs until the end of the block.
    async fn play(&self, block: &str) {
        let directory = TempDir::new().unwrap();
        std::fs::write(directory.path().join("prometheus.yml"), self.here(&text("config/prometheus.yml"))).unwrap();
        let mut running = Vec::new();
        for command in format!("\n{block}").split("\n$ ").skip(1) {
            let (line, expected) = command.split_once('\n').unwrap_or((command, ""));
            match line.strip_suffix('&') {
                // A reader waits where a test asks again.
                None if line.starts_with("sleep ") => {}
                Some(line) => running.push(self.start(line, directory.path())),
                None => self.expect(line, expected, directory.path()).await,
            }
        }
    }

    fn start(&self, line: &str, directory: &Path) -> Process {
        Process::start("readme", &mut shell(&format!("exec env {}", self.here(line)), directory))
    }

    /// Runs a command until it prints what is shown: what it asks may still be starting.
    async fn expect(&self, line: &str, expected: &str, directory: &Path) {
        let expected = without_times(&self.here(expected));
        eventually(LIMIT, async || {
            let mut command = shell(&format!("{{ {}; }} 2>&1", self.here(line)), directory);
            command.env("PORT", self.port("1313"));
            let run = tokio::process::Command::from(command).kill_on_drop(true).output();
            let output = run.await.map_err(|error| error.to_string())?;
            let printed = without_times(&String::from_utf8_lossy(&output.stdout));
            ensure(printed == expected, format!("$ {line}\n{printed}\n--- instead of\n{expected}"))
        })
        .await;
    }
}

#[actix_rt::test]
async fn every_command_prints_what_is_shown() {
    let stage = Stage::set().await;
    let blocks = blocks("console");
    assert!(blocks.len() >= 5, "the README has lost its examples");
    for block in blocks {
        stage.play(&block).await;
    }
}

#[actix_rt::test]
async fn the_demo_prints_what_is_shown_and_leaves_nothing_behind() {
    let (home, [first, second]) = (TempDir::new().unwrap(), two_free_ports_in_a_row());
    let programs = program("lobbyctl").parent().unwrap().display().to_string();
    let limit = DEMO_LIMIT.as_secs();
    let mut demo = shell(&format!("exec timeout {limit} config/demo.sh '{programs}' 2>&1"), &root());
    demo.env("TMPDIR", home.path()).env("PORT", first.to_string()).env("TOKEN", "not for the demo");
    let output = tokio::process::Command::from(demo).output().await.unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let printed = printed.replace(&first.to_string(), "1313").replace(&second.to_string(), "1314");
    let shown = blocks("text").remove(0);
    assert_eq!(without_times(&printed), without_times(&shown));
    assert!(output.status.success(), "{:?}", output.status);
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

fn two_free_ports_in_a_row() -> [u16; 2] {
    let mut first = free_port();
    loop {
        let second = free_port();
        if second == first + 1 {
            return [first, second];
        }
        first = second;
    }
}

/// The settings in the order of `lobbyd --help`, as the rows of the table.
fn rows_of_help(help: &str) -> Vec<String> {
    let (_, groups) = help.split_once("Print version\n").expect("the options of clap come first");
    let (mut rows, mut meaning) = (Vec::new(), String::new());
    for line in groups.lines().map(str::trim) {
        if let Some((name, default)) = line.strip_prefix("[env: ").and_then(|rest| rest.split_once("] [default: ")) {
            rows.push(format!("| {name} | {} | {} |", default.trim_end_matches(']'), std::mem::take(&mut meaning)));
        } else if let Some(heading) = line.strip_suffix(':').filter(|_| meaning.is_empty()) {
            rows.push(format!("| **{heading}** | | |"));
        } else if !line.starts_with("--") && !line.is_empty() {
            // A long meaning is wrapped.
            meaning = format!("{meaning} {line}").trim_start().to_owned();
        }
    }
    rows
}

#[test]
fn the_table_of_settings_is_what_help_says() {
    let output = Command::new(program("lobbyd")).arg("--help").env_clear().output().unwrap();
    let rows = rows_of_help(&String::from_utf8(output.stdout).unwrap());
    assert!(rows.iter().any(|row| row.starts_with("| KEEP_ALIVE | 5 | ")), "{rows:?}");
    let readme = text("README.md");
    let (_, table) = readme.split_once("| setting | default | meaning |\n|---|---|---|\n").unwrap();
    let shown: Vec<_> = table.lines().take_while(|line| line.starts_with('|')).collect();
    assert_eq!(shown, rows);
}

#[test]
fn the_prometheus_configuration_is_the_file() {
    assert_eq!(blocks("yaml"), [text("config/prometheus.yml")]);
}

#[test]
fn the_permissions_for_nats_are_the_file() {
    assert_eq!(blocks("conf"), [text("config/nats-permissions.conf")]);
}

#[test]
fn the_status_shown_has_the_words_that_a_daemon_uses() {
    let [example] = blocks("json").try_into().expect("there is one status");
    let status: lobby_client::Status = serde_json::from_str(&example).unwrap();
    assert_eq!(serde_json::to_string_pretty(&status).unwrap() + "\n", example);
    assert_eq!(status.version, env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_rust_example_is_taken_from_the_program() {
    let program = text("lobby-client/examples/find_service.rs").replace("\n    ", "\n");
    let [example] = blocks("rust").try_into().expect("there is one example");
    assert!(program.contains(&example), "{example}\nis not part of\n{program}");
}

#[test]
fn every_link_leads_somewhere() {
    for document in ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"] {
        let contents = text(document);
        let anchors: Vec<_> = contents.lines().filter(|line| line.starts_with('#')).map(anchor).collect();
        for target in contents.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let found = match target.strip_prefix('#') {
                Some(name) => anchors.iter().any(|anchor| anchor == name),
                None => target.starts_with("https://") || root().join(target).exists(),
            };
            assert!(found, "{document}: nothing at {target}");
        }
    }
}

/// What a heading is called in links.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    words.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
}
