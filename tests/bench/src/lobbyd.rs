//! The daemon under test.

use std::ffi::OsString;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lobby_client::Status;
use lobby_tests::free_port;
use tempfile::TempDir;

use crate::clock;
use crate::http::{Connection, get};
use crate::process::Running;

/// Time for a daemon to answer after its start.
const START_LIMIT: Duration = Duration::from_secs(10);

/// What a daemon is started with. Its environment holds the settings given and nothing else.
#[derive(Debug)]
pub struct Start {
    program: PathBuf,
    log: PathBuf,
    settings: Vec<(&'static str, OsString)>,
}

impl Start {
    /// A daemon of this host name, with every other setting at its default.
    pub fn new(program: &Path, log: &Path, hostname: &str) -> Self {
        let start = Self { program: program.to_owned(), log: log.to_owned(), settings: Vec::new() };
        start.set("HOSTNAME", hostname)
    }

    /// Gives a setting.
    #[must_use]
    pub fn set(mut self, setting: &'static str, value: impl Into<OsString>) -> Self {
        self.settings.push((setting, value.into()));
        self
    }

    /// The command that starts it, and where its API will be.
    ///
    /// # Errors
    /// When its log cannot be written.
    pub fn command(&self) -> Result<(Command, SocketAddr)> {
        let port = free_port();
        let mut command = Command::new(&self.program);
        command.env_clear().envs(self.settings.iter().cloned()).env("PORT", port.to_string());
        let log = File::create(&self.log)
            .with_context(|| format!("cannot write {}", self.log.display()))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Ok((command, SocketAddr::from((Ipv4Addr::LOCALHOST, port))))
    }

    /// Starts it and waits until its API answers and its link is up. Labels added at run time go to
    /// `labels`.
    ///
    /// # Errors
    /// When it does not come up; the message names its log.
    pub async fn start(self, labels: TempDir) -> Result<Lobbyd> {
        let this = self.set("LABELS_PATH", labels.path());
        let (mut command, address) = this.command()?;
        let lobbyd = Lobbyd { process: Running::start(&mut command)?, address, labels };
        let up = tokio::time::timeout(START_LIMIT, lobbyd.is_up()).await;
        ensure!(up.is_ok(), "lobbyd does not come up: see {}", this.log.display());
        Ok(lobbyd)
    }
}

/// A running daemon.
#[derive(Debug)]
pub struct Lobbyd {
    /// The process.
    pub process: Running,
    /// Where its API is.
    pub address: SocketAddr,
    #[expect(dead_code, reason = "keeps the directory of label files until the daemon has ended")]
    labels: TempDir,
}

impl Lobbyd {
    async fn is_up(&self) {
        while !self.status().await.is_ok_and(|status| status.drivers.iter().all(is_up)) {
            clock::pause(Duration::from_millis(5)).await;
        }
    }

    /// What it tells of itself.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn status(&self) -> Result<Status> {
        Self::status_on(&mut Connection::open(self.address).await?).await
    }

    /// What a daemon tells of itself on a connection to it.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn status_on(connection: &mut Connection) -> Result<Status> {
        let answer = connection.ask(&get("/v1/status", &[])).await?;
        let text = String::from_utf8_lossy(&answer.body);
        ensure!(
            answer.status == 200,
            "/v1/status is answered with {}: {}",
            answer.status,
            text.trim()
        );
        serde_json::from_slice(&answer.body).context("the status is not as expected")
    }
}

fn is_up(driver: &lobby_client::DriverStatus) -> bool {
    driver.state == lobby_client::LinkState::Up
}
