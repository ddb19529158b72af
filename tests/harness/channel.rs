//! Any one of the channels that daemons meet on.

use tempfile::TempDir;

use crate::{NatsServer, RawPeer, RedisServer};

const NO_BROKER: &str = "a directory has no broker";

/// A channel of its own for one test.
#[derive(Debug)]
pub enum Channel {
    /// A NATS server.
    Nats(NatsServer),
    /// A Redis server.
    Redis(RedisServer),
    /// A directory.
    Local(TempDir),
}

impl Channel {
    /// A NATS server that takes connections.
    pub async fn nats() -> Self {
        Self::Nats(NatsServer::start().await)
    }

    /// A Redis server that takes connections.
    pub async fn redis() -> Self {
        Self::Redis(RedisServer::start().await)
    }

    /// An empty directory.
    ///
    /// # Panics
    /// If it cannot be made.
    pub async fn local() -> Self {
        std::future::ready(Self::Local(TempDir::new().expect("a temporary directory can be made")))
            .await
    }

    /// The broker's port.
    ///
    /// # Panics
    /// If this is a directory.
    pub fn port(&self) -> u16 {
        self.broker(NatsServer::port, RedisServer::port)
    }

    /// Freezes the broker.
    ///
    /// # Panics
    /// If this is a directory.
    pub fn pause(&self) {
        self.broker(NatsServer::pause, RedisServer::pause);
    }

    /// Lets the broker go on.
    ///
    /// # Panics
    /// If this is a directory.
    pub fn resume(&self) {
        self.broker(NatsServer::resume, RedisServer::resume);
    }

    /// Kills the broker and waits until it is gone.
    ///
    /// # Panics
    /// If this is a directory.
    pub fn kill(&mut self) {
        match self {
            Self::Nats(server) => server.kill(),
            Self::Redis(server) => server.kill(),
            Self::Local(_) => panic!("{NO_BROKER}"),
        }
    }

    /// Kills the broker, if it still runs, and starts it again on the same port.
    ///
    /// # Panics
    /// If it does not start, or this is a directory.
    pub async fn restart(&mut self) {
        match self {
            Self::Nats(server) => server.restart().await,
            Self::Redis(server) => server.restart().await,
            Self::Local(_) => panic!("{NO_BROKER}"),
        }
    }

    /// Kills the broker, if it still runs, and starts it again on the same port: without a login,
    /// or with a password.
    ///
    /// # Panics
    /// If it does not start, or this is a directory.
    pub async fn restart_for(&mut self, password: Option<&str>) {
        match self {
            Self::Nats(server) => {
                let token =
                    password.map(|password| format!("authorization {{ token: \"{password}\" }}"));
                server.restart_with(&token.unwrap_or_default()).await;
            }
            Self::Redis(server) => {
                let password = password.map(|password| format!("requirepass {password}"));
                server.restart_with(&password.unwrap_or_default()).await;
            }
            Self::Local(_) => panic!("{NO_BROKER}"),
        }
    }

    /// Joins in the conversation.
    ///
    /// # Panics
    /// If the broker cannot be reached, or this is a directory.
    pub async fn wire(&self) -> RawPeer {
        match self {
            Self::Nats(server) => RawPeer::nats(server).await,
            Self::Redis(server) => RawPeer::redis(server).await,
            Self::Local(_) => panic!("{NO_BROKER}"),
        }
    }

    fn broker<T>(
        &self,
        nats: impl FnOnce(&NatsServer) -> T,
        redis: impl FnOnce(&RedisServer) -> T,
    ) -> T {
        match self {
            Self::Nats(server) => nats(server),
            Self::Redis(server) => redis(server),
            Self::Local(_) => panic!("{NO_BROKER}"),
        }
    }
}
