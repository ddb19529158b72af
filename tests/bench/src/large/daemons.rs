//! The real daemons of a large fleet.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use lobby_client::Label;
use tempfile::TempDir;

use super::cluster::{Cluster, EVENTS, USER};
use crate::clock;
use crate::fleet::Fleet;
use crate::http::{Connection, get, request};
use crate::lobbyd::{Lobbyd, Start};

/// The label whose way is measured.
const LABEL: &str = "fleet:measured";

/// Between two looks at a daemon.
const LOOK: Duration = Duration::from_millis(2);

/// A lobby on the cluster.
#[derive(Debug)]
pub struct Lobby<'a> {
    /// The program under test.
    pub program: &'a Path,
    /// Where logs go.
    pub directory: &'a Path,
    /// The servers.
    pub cluster: &'a Cluster,
    /// The subject of the packets.
    pub subject: String,
    /// Simulated hosts.
    pub simulated: usize,
    /// MAX_PACKET_RATE.
    pub rate: u32,
}

impl Lobby<'_> {
    /// Starts a daemon that is the host of this number behind the simulated ones, logged in as this
    /// user.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn daemon(&self, number: usize, user: &str) -> Result<Daemon> {
        let host = Fleet::new((self.simulated + 100).next_multiple_of(10));
        let host = host.discovery(self.simulated + number, 0);
        let labels: Vec<_> = host.labels.iter().map(Label::as_str).collect();
        let log = self.log(number);
        let start = Start::new(self.program, &log, host.hostname.as_str())
            .set("LABELS", labels.join(","))
            .set("NATS_URL", self.cluster.url(number, user))
            .set("NATS_DISCOVERY_CHANNEL", &self.subject)
            .set("NATS_EVENTS", EVENTS)
            .set("MAX_PACKET_RATE", self.rate.to_string());
        // The way of a label is to be measured, not the disk.
        Ok(Daemon { lobbyd: start.start(TempDir::new_in("/dev/shm")?).await? })
    }

    /// Starts the daemon of a fleet that are there from the beginning.
    ///
    /// # Errors
    /// When one does not come up.
    pub async fn daemons(&self, count: usize) -> Result<Vec<Daemon>> {
        let mut daemons = Vec::new();
        for number in 0..count {
            daemons.push(self.daemon(number, USER).await?);
        }
        Ok(daemons)
    }

    fn log(&self, number: usize) -> PathBuf {
        self.directory.join(format!("lobbyd-{}-{number}.log", self.subject))
    }
}

/// A real daemon. It closes connections that are quiet, so each question has its own.
#[derive(Debug)]
pub struct Daemon {
    /// The daemon.
    pub lobbyd: Lobbyd,
}

impl Daemon {
    /// How many packets it has received.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn received(&self) -> Result<u64> {
        let status = self.lobbyd.status().await?;
        Ok(status.drivers.iter().map(|driver| driver.received).sum())
    }

    /// Waits until it knows exactly so many hosts. Returns for how long it did, from `begin` on.
    ///
    /// # Errors
    /// When that takes longer than the limit.
    pub async fn knows(&self, hosts: usize, begin: Instant, limit: Duration) -> Result<Duration> {
        loop {
            // One that is busy with thousands of hosts may not answer in time.
            let records = self.lobbyd.status().await.map_or(0, |status| status.records);
            if records == hosts {
                return Ok(begin.elapsed());
            }
            ensure!(
                begin.elapsed() < limit,
                "a daemon knows {records} hosts instead of {hosts} after {limit:?}"
            );
            clock::pause(LOOK).await;
        }
    }

    /// Adds the label, or takes it away.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn label(&self, is_there: bool) -> Result<()> {
        let method = if is_there { "POST" } else { "DELETE" };
        let mut connection = Connection::open(self.lobbyd.address).await?;
        let answer = connection.ask(&request(method, "/v1/labels", &[], LABEL)).await?;
        ensure!(answer.status == 200, "a label is answered with {}", answer.status);
        Ok(())
    }

    /// Waits until it lists the label, or lists it no more.
    ///
    /// # Errors
    /// When that takes longer than the limit.
    pub async fn lists(&self, is_there: bool, limit: Duration) -> Result<()> {
        let (question, begin) = (get(&format!("/v1/resolve?label={LABEL}"), &[]), clock::now());
        let mut connection = Connection::open(self.lobbyd.address).await?;
        while (connection.ask(&question).await?.body.as_ref() != b"[]") != is_there {
            ensure!(begin.elapsed() < limit, "a label did not spread within {limit:?}");
        }
        Ok(())
    }
}
