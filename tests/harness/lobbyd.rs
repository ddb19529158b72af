//! The daemon under test.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lobby_client::Client;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binaries::tied;
use crate::http::{self, Answer};
use crate::{Channel, Feed, LIMIT, NatsServer, Process, RedisServer, binaries, eventually};

/// What a daemon will be started with. Its environment is PATH and the settings given, nothing
/// else.
#[derive(Debug, Clone)]
pub struct LobbydBuilder {
    name: String,
    drivers: Vec<&'static str>,
    settings: BTreeMap<String, OsString>,
    arguments: Vec<String>,
    launcher: Vec<OsString>,
    muted: bool,
    home: Arc<TempDir>,
}

impl LobbydBuilder {
    fn new(name: &str) -> Self {
        let home = TempDir::new().expect("a temporary directory can be made");
        std::fs::create_dir(home.path().join("labels")).expect("a directory can be made");
        let settings = BTreeMap::from([
            ("HOSTNAME".to_owned(), name.into()),
            ("PORT".to_owned(), "0".into()),
            ("KEEP_ALIVE".to_owned(), "1".into()),
            ("TTL".to_owned(), "30".into()),
            ("CLEAN_EVERY".to_owned(), "1".into()),
            ("LABELS_PATH".to_owned(), home.path().join("labels").into()),
            ("LOCAL_PATH".to_owned(), home.path().join("lobby").into()),
            ("STATE_PATH".to_owned(), home.path().join("state").into()),
        ]);
        let (drivers, arguments, launcher) = (vec![], vec![], vec![]);
        Self {
            name: name.to_owned(),
            drivers,
            settings,
            arguments,
            launcher,
            muted: false,
            home: Arc::new(home),
        }
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn set(mut self, setting: &str, value: impl Into<OsString>) -> Self {
        self.settings.insert(setting.to_owned(), value.into());
        self
    }

    /// Leaves an environment variable out that is set by default.
    #[must_use]
    pub fn unset(mut self, setting: &str) -> Self {
        self.settings.remove(setting);
        self
    }

    /// Sets LABELS.
    #[must_use]
    pub fn labels(self, labels: &str) -> Self {
        self.set("LABELS", labels)
    }

    /// Sets KEEP_ALIVE so high, and TTL higher, that whatever is seen was neither a keep-alive nor
    /// an expiry.
    #[must_use]
    pub fn without_keep_alive(self) -> Self {
        self.set("KEEP_ALIVE", "3600").set("TTL", "10800")
    }

    /// Adds a command-line argument.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Puts a command in front, which ends in running the daemon in its own process.
    #[must_use]
    pub fn launched_by(mut self, launcher: Vec<OsString>) -> Self {
        self.launcher = launcher;
        self
    }

    /// Keeps what it says without showing it.
    #[must_use]
    pub fn muted(mut self) -> Self {
        self.muted = true;
        self
    }

    /// Adds the NATS driver on this server.
    #[must_use]
    pub fn nats(self, server: &NatsServer) -> Self {
        self.nats_at(&server.url())
    }

    /// Adds the NATS driver on this address, where a server may or may not be.
    #[must_use]
    pub fn nats_at(self, url: &str) -> Self {
        self.driver("NATS").set("NATS_URL", url)
    }

    /// Adds the Redis driver on this server.
    #[must_use]
    pub fn redis(self, server: &RedisServer) -> Self {
        self.redis_at(server.port())
    }

    /// Adds the Redis driver on this port, where a server may or may not be.
    #[must_use]
    pub fn redis_at(self, port: u16) -> Self {
        self.driver("Redis").set("REDIS_PORT", port.to_string())
    }

    /// Adds the Local driver on this directory.
    #[must_use]
    pub fn local(self, directory: &Path) -> Self {
        self.driver("Local").set("LOCAL_PATH", directory)
    }

    /// Adds the driver of this channel.
    #[must_use]
    pub fn on(self, channel: &Channel) -> Self {
        match channel {
            Channel::Nats(server) => self.nats(server),
            Channel::Redis(server) => self.redis(server),
            Channel::Local(directory) => self.local(directory.path()),
        }
    }

    fn driver(mut self, driver: &'static str) -> Self {
        self.drivers.push(driver);
        self
    }

    /// LABELS_PATH, a directory of its own that is there and empty.
    pub fn labels_path(&self) -> PathBuf {
        self.home.path().join("labels")
    }

    /// STATE_PATH, which the daemon makes when it is needed.
    pub fn state_path(&self) -> PathBuf {
        self.home.path().join("state")
    }

    /// Starts the daemon and waits until its API listens.
    ///
    /// # Panics
    /// If it does not come up; with what it said.
    pub async fn start(self) -> Lobbyd {
        let process = self.spawn();
        let address = process.logged_address("listening").await;
        Lobbyd { process, address, builder: self }
    }

    /// Starts the daemon and waits for nothing: for one without API, or that is to fail.
    ///
    /// # Panics
    /// If the program cannot be started.
    pub fn spawn(&self) -> Process {
        let mut words = self.launcher.clone();
        words.push(binaries::program("lobbyd").into());
        words.extend(self.arguments.iter().map(OsString::from));
        let mut command = tied(&words[0]);
        command.args(&words[1..]).env_clear().envs(self.environment());
        let start = if self.muted { Process::start_muted } else { Process::start };
        start(&self.name, &mut command).living_in(Arc::clone(&self.home))
    }

    /// The environment that it is started with: Local on a directory of its own, unless another
    /// driver or a DRIVER was given.
    pub fn environment(&self) -> BTreeMap<String, OsString> {
        let drivers =
            if self.drivers.is_empty() { "Local".to_owned() } else { self.drivers.join(",") };
        let mut environment = self.settings.clone();
        environment.entry("DRIVER".to_owned()).or_insert(drivers.into());
        environment.extend(
            std::env::vars_os()
                .filter(|(name, _)| name == "PATH")
                .map(|(_, path)| ("PATH".to_owned(), path)),
        );
        environment
    }
}

/// A running daemon whose API listens, killed when this value is dropped. It is a [`Process`] too.
#[derive(Debug)]
pub struct Lobbyd {
    process: Process,
    address: SocketAddr,
    builder: LobbydBuilder,
}

impl Lobbyd {
    /// A daemon under this HOSTNAME, with settings fit for tests: keep-alives each second,
    /// directories of its own.
    pub fn named(hostname: &str) -> LobbydBuilder {
        LobbydBuilder::new(hostname)
    }

    /// Where its API listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its label files are.
    pub fn labels_path(&self) -> PathBuf {
        self.builder.labels_path()
    }

    /// STATE_PATH, which it makes when it is needed.
    pub fn state_path(&self) -> PathBuf {
        self.builder.state_path()
    }

    /// Starts another daemon with the same settings and directories.
    ///
    /// # Panics
    /// If it does not come up.
    pub async fn start_again(&self) -> Self {
        self.builder.clone().start().await
    }

    /// Sends a request.
    pub async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Answer {
        http::send(self.address, method, path, headers, body).await
    }

    /// GETs a path.
    pub async fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], "").await
    }

    /// GETs a path that must be there, as JSON.
    ///
    /// # Panics
    /// If the answer is not 200 with JSON.
    pub async fn get_json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.text());
        answer.json()
    }

    /// Adds runtime labels, one a line.
    pub async fn add_labels(&self, labels: &str) -> Answer {
        self.request("POST", "/v1/labels", &[], labels).await
    }

    /// Adds labels, one a line, that end after this time, such as `60s`.
    pub async fn lease_labels(&self, labels: &str, ttl: &str) -> Answer {
        self.request("POST", &format!("/v1/labels?ttl={ttl}"), &[], labels).await
    }

    /// Removes runtime labels, one a line.
    pub async fn delete_labels(&self, labels: &str) -> Answer {
        self.request("DELETE", "/v1/labels", &[], labels).await
    }

    /// Opens a feed of events.
    pub async fn feed(&self, path: &str, headers: &[(&str, &str)]) -> Feed {
        Feed::open(self.address, path, headers).await
    }

    /// All packets, as `GET /v1/discoveries` lists them.
    pub async fn discoveries(&self) -> Vec<Value> {
        self.get_json("/v1/discoveries").await.as_array().cloned().expect("a list")
    }

    /// Labels by host name.
    pub async fn lobby(&self) -> Value {
        let hosts = self.discoveries().await;
        hosts
            .iter()
            .map(|host| {
                (host["hostname"].as_str().unwrap_or("?").to_owned(), host["labels"].clone())
            })
            .collect()
    }

    /// Waits until it knows exactly these hosts with these labels: `{"host": ["label", …]}`.
    ///
    /// # Panics
    /// If that does not come true.
    #[track_caller]
    pub fn knows(&self, expected: Value) -> impl Future<Output = ()> + '_ {
        eventually(LIMIT, async move || {
            let lobby = self.lobby().await;
            if lobby == expected { Ok(()) } else { Err(format!("{lobby} instead of {expected}")) }
        })
    }

    /// Waits until it knows this host, whatever its labels, and returns them.
    ///
    /// # Panics
    /// If that does not come true.
    #[track_caller]
    pub fn meets<'a>(&'a self, host: &'a str) -> impl Future<Output = Value> + 'a {
        eventually(LIMIT, async move || {
            let lobby = self.lobby().await;
            lobby.get(host).cloned().ok_or_else(|| format!("no {host} in {lobby}"))
        })
    }

    /// The library's client of its API.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn client(&self) -> Client {
        Client::new(&format!("http://{}", self.address)).expect("a client can be made")
    }

    /// Its own labels, fresh.
    pub async fn own_labels(&self) -> Value {
        self.get_json("/v1/discovery").await.get("labels").cloned().unwrap_or(json!("no labels"))
    }
}

impl Deref for Lobbyd {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}
