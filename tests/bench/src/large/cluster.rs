//! The cluster of NATS servers, with permissions, and with news of closed connections.

use std::time::Duration;

use anyhow::Result;
use async_nats::{Client, ConnectOptions};
use lobby_tests::NatsServer;

use crate::process::Usage;

/// The subject on which the servers tell of closed connections.
pub const EVENTS: &str = "$SYS.ACCOUNT.LOBBY.DISCONNECT";

/// A user who may do what a daemon does.
pub const USER: &str = "lobbyd:lobbyd";

/// A user with the permissions of before there was sync.
pub const USER_WITHOUT_SYNC: &str = "before:before";

/// What each server is configured with.
const CONFIG: &str = r#"
log_file: "/dev/null"
accounts {
  LOBBY: {
    users: [
      { user: lobbyd, password: lobbyd }
      { user: before, password: before, permissions: {
        publish: { deny: ["*.*.sync", "$SYS.>"] }, subscribe: { deny: "*.*.sync" } } }
    ]
    imports: [ { stream: { account: SYS, subject: "$SYS.ACCOUNT.LOBBY.DISCONNECT" } } ]
  }
  SYS: { exports: [ { stream: "$SYS.ACCOUNT.LOBBY.DISCONNECT", accounts: [LOBBY] } ] }
}
system_account: SYS
"#;

/// Messages that wait in a client of ours.
const ROOM: usize = 1 << 20;

/// A connection of our own to the server on this port.
///
/// # Errors
/// When it is not there.
pub async fn connect(port: u16) -> Result<Client> {
    let options = ConnectOptions::with_user_and_password("lobbyd".into(), "lobbyd".into());
    let options = options.name("lobby-fleet").subscription_capacity(ROOM);
    Ok(options.connect(format!("nats://127.0.0.1:{port}")).await?)
}

/// Three servers.
#[derive(Debug)]
pub struct Cluster {
    servers: Vec<NatsServer>,
}

impl Cluster {
    /// Starts it.
    pub async fn start() -> Self {
        Self { servers: NatsServer::cluster(CONFIG).await }
    }

    /// The URL of one of the servers; those of numbers that follow each other are others.
    pub fn url(&self, number: usize, user: &str) -> String {
        format!("nats://{user}@127.0.0.1:{}", self.port(number))
    }

    /// The port of one of the servers.
    pub fn port(&self, number: usize) -> u16 {
        self.servers[number % self.servers.len()].port()
    }

    /// The processor time that all servers have used.
    ///
    /// # Errors
    /// When one has ended.
    pub fn cpu(&self) -> Result<Duration> {
        self.servers.iter().map(|server| Usage::of(server.id()).cpu()).sum()
    }

    /// The memory of the largest server, in bytes.
    ///
    /// # Errors
    /// When one has ended.
    pub fn resident(&self) -> Result<u64> {
        let all = self.servers.iter().map(|server| Usage::of(server.id()).resident());
        Ok(all.collect::<Result<Vec<_>>>()?.into_iter().max().unwrap_or(0))
    }
}
