//! Any one of the channels that daemons meet on.

use tempfile::TempDir;

use crate::{NatsServer, RedisServer};

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
        std::future::ready(Self::Local(TempDir::new().expect("a temporary directory can be made"))).await
    }
}
