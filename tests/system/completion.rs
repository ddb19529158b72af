//! Completion of lobbyctl in real shells, on a terminal.

use std::process::{Command, Output};

use lobby_tests::{LIMIT, Lobbyd, ensure, eventually, program};
use tempfile::TempDir;

use crate::machine::root;

/// A shell on a terminal of its own, of tmux.
struct Shell {
    directory: TempDir,
}

impl Shell {
    /// Starts a shell with these words, without the configuration of whoever runs the tests.
    fn start(words: &[&str], port: u16) -> Self {
        let directory = TempDir::new().unwrap();
        let shell = Self { directory };
        let programs = program("lobbyctl").parent().unwrap().display().to_string();
        let environment =
            [format!("PATH={programs}:/usr/bin:/bin"), format!("PORT={port}"), "PS1=$ ".into()];
        let mut command = shell.tmux();
        command.args(["-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "30", "env"]);
        let started = command.args(environment).args(words).output().unwrap();
        assert!(started.status.success(), "{started:?}");
        shell
    }

    fn tmux(&self) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.directory.path().join("socket"));
        command.env("HOME", self.directory.path()).env("TERM", "xterm").env("LC_ALL", "C.UTF-8");
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.tmux().args(words).output().unwrap()
    }

    /// Presses keys: `text` as it is, then those that have names.
    fn types(&self, text: &str, keys: &[&str]) {
        self.run(&["send-keys", "-l", text]);
        self.run(&[&["send-keys"], keys].concat());
    }

    /// Waits until the screen shows this.
    async fn shows(&self, text: &str) {
        eventually(LIMIT, async || {
            let screen = self.run(&["capture-pane", "-p"]);
            let screen = String::from_utf8_lossy(&screen.stdout).into_owned();
            ensure(screen.contains(text), format!("no {text:?} in:\n{screen}"))
        })
        .await;
    }

    /// Waits until it takes what is typed.
    async fn is_ready(&self) {
        self.types("echo re'ady'", &["Enter"]);
        self.shows("\nready").await;
    }

    /// A label is completed up to its colon, and behind it.
    async fn completes_labels(&self) {
        self.is_ready().await;
        self.types("lobbyctl resolve se", &["Tab"]);
        self.shows("lobbyctl resolve service:").await;
        self.types("w", &["Tab"]);
        self.shows("lobbyctl resolve service:web").await;
        self.types("", &["Enter"]);
        self.shows("\nalpha").await;
    }

    /// A host is completed as an argument and as the daemon to ask.
    async fn completes_hosts(&self) {
        self.is_ready().await;
        self.types("lobbyctl doctor al", &["Tab"]);
        self.shows("lobbyctl doctor alpha").await;
        self.types("", &["Enter"]);
        self.shows("alpha is the server of this daemon").await;
        for begun in ["lobbyctl --host al", "lobbyctl --host=al"] {
            self.types(begun, &["Tab"]);
            self.shows(&format!("{begun}pha")).await;
            // It takes the line away.
            self.types("", &["C-u"]);
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.run(&["kill-server"]);
    }
}

async fn daemon() -> Lobbyd {
    Lobbyd::named("alpha").labels("service:web,service:smtp,location:prague").start().await
}

fn stub(name: &str) -> String {
    root().join("packaging/completions").join(name).display().to_string()
}

/// A bash that has read the completion.
fn bash(daemon: &Lobbyd) -> Shell {
    let shell = Shell::start(&["bash", "--norc", "--noprofile"], daemon.address().port());
    shell.types("source /usr/share/bash-completion/bash_completion", &["Enter"]);
    shell.types(&format!("source {}", stub("lobbyctl.bash")), &["Enter"]);
    shell
}

/// A zsh that finds the completion.
fn zsh(daemon: &Lobbyd) -> Shell {
    let shell = Shell::start(&["zsh", "-f"], daemon.address().port());
    let functions = root().join("packaging/completions");
    let setup =
        format!("fpath=({} $fpath); autoload -U compinit; compinit -u -D", functions.display());
    shell.types(&setup, &["Enter"]);
    shell
}

/// A fish that has read the completion.
fn fish(daemon: &Lobbyd) -> Shell {
    let shell = Shell::start(&["fish", "--no-config"], daemon.address().port());
    shell.types(&format!("source {}", stub("lobbyctl.fish")), &["Enter"]);
    shell
}

#[actix_rt::test]
async fn bash_completes_labels_behind_the_colon() {
    let daemon = daemon().await;
    bash(&daemon).completes_labels().await;
}

#[actix_rt::test]
async fn zsh_completes_labels_behind_the_colon() {
    let daemon = daemon().await;
    zsh(&daemon).completes_labels().await;
}

#[actix_rt::test]
async fn fish_completes_labels_behind_the_colon() {
    let daemon = daemon().await;
    fish(&daemon).completes_labels().await;
}

#[actix_rt::test]
async fn bash_completes_the_names_of_hosts() {
    let daemon = daemon().await;
    bash(&daemon).completes_hosts().await;
}

#[actix_rt::test]
async fn zsh_completes_the_names_of_hosts() {
    let daemon = daemon().await;
    zsh(&daemon).completes_hosts().await;
}

#[actix_rt::test]
async fn fish_completes_the_names_of_hosts() {
    let daemon = daemon().await;
    fish(&daemon).completes_hosts().await;
}
