//! What the measurements share: the brokers, and daemons that know fleets of various sizes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use bytes::Bytes;
use lobby_client::Label;
use lobby_tests::{NatsServer, RedisServer};
use tempfile::TempDir;

use crate::clock;
use crate::fleet::Fleet;
use crate::http::{Answer, Connection};
use crate::lobbyd::{Lobbyd, Start};
use crate::wire::{Publisher, frame};

/// How many packets are sent before the daemon is waited for, while a fleet is introduced to it:
/// few enough to lose none.
const PORTION: usize = 2_000;
/// Time for a daemon to take in a portion.
const PORTION_LIMIT: Duration = Duration::from_secs(30);

/// Brokers, daemons and directories.
#[derive(Debug)]
pub struct Environment {
    /// The program under test.
    pub program: PathBuf,
    /// Where results and logs go.
    pub directory: PathBuf,
    /// The NATS server.
    pub nats: NatsServer,
    redis: Option<RedisServer>,
    lobbies: BTreeMap<usize, Rc<Lobby>>,
}

/// A daemon that is the first server of a fleet and knows the others.
#[derive(Debug)]
pub struct Lobby {
    /// The daemon.
    pub lobbyd: Lobbyd,
    /// The fleet.
    pub fleet: Fleet,
    /// The NATS subject of this lobby.
    pub subject: String,
}

impl Environment {
    /// Starts what every measurement needs.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub async fn set(program: &Path, directory: &Path) -> Result<Self> {
        std::fs::create_dir_all(directory)?;
        let nats = NatsServer::with_config("log_file: \"/dev/null\"").await;
        let (program, directory) = (program.to_owned(), directory.to_owned());
        Ok(Self { program, directory, nats, redis: None, lobbies: BTreeMap::new() })
    }

    /// The Redis server, started on first use.
    pub async fn redis(&mut self) -> &RedisServer {
        if self.redis.is_none() {
            self.redis = Some(RedisServer::with_config("logfile /dev/null").await);
        }
        self.redis.as_ref().expect("it was just started")
    }

    /// A daemon that knows a fleet of this size, shared by all who only read it or renew its hosts.
    ///
    /// # Errors
    /// When it does not start or does not take the fleet in.
    pub async fn lobby(&mut self, hosts: usize) -> Result<Rc<Lobby>> {
        if let Some(lobby) = self.lobbies.get(&hosts) {
            return Ok(Rc::clone(lobby));
        }
        let lobby = Rc::new(self.fresh_lobby(hosts, "lobby").await?);
        self.lobbies.insert(hosts, Rc::clone(&lobby));
        Ok(lobby)
    }

    /// Ends the shared daemons; the next who wants one gets it fresh.
    pub fn forget_lobbies(&mut self) {
        self.lobbies.clear();
    }

    /// A daemon of its own that knows a fleet of this size; `channel` tells its lobby from others
    /// of the same size.
    ///
    /// # Errors
    /// When it does not start or does not take the fleet in.
    pub async fn fresh_lobby(&self, hosts: usize, channel: &str) -> Result<Lobby> {
        let (fleet, subject) = (Fleet::new(hosts), format!("{channel}.{hosts}"));
        let first = fleet.discovery(0, 0);
        let labels: Vec<_> = first.labels.iter().map(Label::as_str).collect();
        let log = self.directory.join(format!("lobbyd-{subject}.log"));
        let start = Start::new(&self.program, &log, first.hostname.as_str())
            .set("LABELS", labels.join(","))
            .set("NATS_URL", self.nats.url())
            .set("NATS_DISCOVERY_CHANNEL", &subject)
            .set("MAX_SERVERS", "1000000")
            .set("TTL", "86400");
        let lobby = Lobby { lobbyd: start.start(TempDir::new()?).await?, fleet, subject };
        lobby.introduce_fleet(self.nats.port()).await?;
        Ok(lobby)
    }
}

impl Lobby {
    /// The other servers, as they can be heard: those that the daemon itself is not.
    pub fn others(&self) -> std::ops::Range<usize> {
        1..self.fleet.size()
    }

    /// What each of the others sends, ready to be written to NATS.
    pub fn frames(&self, generation: u64) -> Vec<Bytes> {
        let frame = |server| frame(&self.subject, &self.fleet.payload(server, generation)).into();
        self.others().map(frame).collect()
    }

    /// What a host beside the fleet sends that changes a label again and again, ready to be written
    /// to NATS.
    pub fn changing_frames(&self) -> Vec<Bytes> {
        let beside = self.fleet.size();
        let payload = |generation| Fleet::stranger(beside, generation);
        (0..2).map(|generation| frame(&self.subject, &payload(generation)).into()).collect()
    }

    async fn introduce_fleet(&self, nats_port: u16) -> Result<()> {
        let mut publisher = Publisher::connect(nats_port)?;
        let mut known = 1;
        for portion in self.frames(0).chunks(PORTION) {
            known += portion.len();
            publisher.send(&portion.concat())?;
            self.wait_for(known).await?;
        }
        Ok(())
    }

    async fn wait_for(&self, hosts: usize) -> Result<()> {
        let deadline = clock::now() + PORTION_LIMIT;
        loop {
            let status = self.lobbyd.status().await?;
            if status.records >= hosts {
                return Ok(());
            }
            if clock::now() > deadline {
                bail!(
                    "lobbyd knows {} hosts instead of {hosts} after {PORTION_LIMIT:?}",
                    status.records
                );
            }
            clock::pause(Duration::from_millis(2)).await;
        }
    }

    /// What it answers to a request.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn ask(&self, request: &Arc<[u8]>) -> Result<Answer> {
        Connection::open(self.lobbyd.address).await?.ask(request).await
    }
}
