//! What the measurements share: the brokers, and daemons that know fleets of various sizes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use bytes::Bytes;
use lobby_client::{Discovery, Label};
use lobby_core::signing::keys::Keys;
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
/// The key of signed packets.
const KEY: &str = "0123456789abcdef-benchmark";
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
    /// What packets are signed with, where they are.
    signing: Option<Signing>,
}

/// The key of signed packets, and the time of the first ones: each host's must grow.
#[derive(Debug)]
struct Signing {
    keys: Keys,
    unix_millis: u64,
}

impl Signing {
    fn new() -> Result<Self> {
        Ok(Self { keys: Keys::parse(KEY)?, unix_millis: (clock::unix_seconds() - 3_600) * 1_000 })
    }

    /// The packet that tells of a server, signed so many milliseconds after the first ones.
    fn payload(&self, server: usize, discovery: &Discovery, millis: usize) -> Bytes {
        Fleet::signed(server, discovery, &self.keys, self.unix_millis + millis as u64)
    }
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
        self.lobby_with(hosts, channel, &[]).await
    }

    /// As [`Environment::fresh_lobby`], with more settings.
    ///
    /// # Errors
    /// When it does not start or does not take the fleet in.
    pub async fn lobby_with(
        &self,
        hosts: usize,
        channel: &str,
        settings: &[(&'static str, String)],
    ) -> Result<Lobby> {
        let (fleet, subject) = (Fleet::new(hosts), format!("{channel}.{hosts}"));
        let start = self.start_of(fleet, &subject);
        let start = settings.iter().fold(start, |start, (name, value)| start.set(name, value));
        self.lobby_of(start, fleet, subject, None).await
    }

    /// A daemon of its own that takes in only signed packets.
    ///
    /// # Errors
    /// When it does not start or does not take the fleet in.
    pub async fn signed_lobby(&self, hosts: usize) -> Result<Lobby> {
        let (fleet, subject) = (Fleet::new(hosts), format!("signed.{hosts}"));
        let path = self.directory.join("packet-key");
        std::fs::write(&path, KEY)?;
        let start = self.start_of(fleet, &subject);
        let start = start.set("PACKET_KEY_FILE", path).set("PACKET_VERIFY", "enforce");
        self.lobby_of(start, fleet, subject, Some(Signing::new()?)).await
    }

    fn start_of(&self, fleet: Fleet, subject: &str) -> Start {
        let first = fleet.discovery(0, 0);
        let labels: Vec<_> = first.labels.iter().map(Label::as_str).collect();
        let log = self.directory.join(format!("lobbyd-{subject}.log"));
        Start::new(&self.program, &log, first.hostname.as_str())
            .set("LABELS", labels.join(","))
            .set("NATS_URL", self.nats.url())
            .set("NATS_DISCOVERY_CHANNEL", subject)
            .set("MAX_SERVERS", "1000000")
            .set("TTL", "86400")
    }

    async fn lobby_of(
        &self,
        start: Start,
        fleet: Fleet,
        subject: String,
        signing: Option<Signing>,
    ) -> Result<Lobby> {
        let lobby = Lobby { lobbyd: start.start(TempDir::new()?).await?, fleet, subject, signing };
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
        let payload = |server| match &self.signing {
            Some(signing) => signing.payload(server, &self.fleet.discovery(server, generation), 0),
            None => self.fleet.payload(server, generation),
        };
        self.others().map(|server| frame(&self.subject, &payload(server)).into()).collect()
    }

    /// So many signed keep-alives of the others in turn, after as many that were sent before, ready
    /// to be written to NATS.
    pub fn signed_frames(&self, before: usize, count: usize) -> Vec<u8> {
        let Some(signing) = &self.signing else { return Vec::new() };
        let hosts: Vec<_> =
            self.others().map(|server| (server, self.fleet.discovery(server, 0))).collect();
        let frame = |((server, discovery), number): (&(usize, Discovery), usize)| {
            frame(&self.subject, &signing.payload(*server, discovery, number))
        };
        hosts.iter().cycle().zip(before + 1..).take(count).flat_map(frame).collect()
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
