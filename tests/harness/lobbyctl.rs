//! The command line under test.

use std::ffi::OsString;
use std::process::Command;

use crate::Lobbyd;
use crate::binaries::program;
use crate::eventually::LIMIT;

/// What a run of lobbyctl gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What it printed.
    pub stdout: String,
    /// What it said.
    pub stderr: String,
    /// Its exit status; none if a signal ended it.
    pub status: Option<i32>,
}

/// Runs lobbyctl against this daemon, pointed at it by the environment.
///
/// # Panics
/// If it does not end.
pub async fn lobbyctl(daemon: &Lobbyd, arguments: &[&str]) -> Outcome {
    let (host, port) = (daemon.address().ip().to_string(), daemon.address().port().to_string());
    lobbyctl_with(&[("HOST", &host), ("PORT", &port)], arguments).await
}

/// Runs lobbyctl in an environment of these variables and nothing else.
///
/// # Panics
/// If it does not end.
pub async fn lobbyctl_with(environment: &[(&str, &str)], arguments: &[&str]) -> Outcome {
    lobbyctl_by(&[], environment, arguments).await
}

/// Runs lobbyctl with a command in front that ends in running it.
///
/// # Panics
/// If it does not end.
pub async fn lobbyctl_by(
    launcher: &[OsString],
    environment: &[(&str, &str)],
    arguments: &[&str],
) -> Outcome {
    let words: Vec<_> = launcher.iter().cloned().chain([program("lobbyctl").into()]).collect();
    let path = std::env::vars_os().filter(|(name, _)| !launcher.is_empty() && name == "PATH");
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).args(arguments).env_clear();
    command.envs(path).envs(environment.iter().copied());
    let run = tokio::process::Command::from(command).kill_on_drop(true).output();
    let output =
        tokio::time::timeout(LIMIT, run).await.expect("lobbyctl ends").expect("lobbyctl runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Outcome {
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
        status: output.status.code(),
    }
}
