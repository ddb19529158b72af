//! What carries packets between daemons. A driver moves bytes; it knows neither packets nor actors.

mod inbox;
pub mod local;
mod nats;
pub mod outbox;
mod redis;
mod tls;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use lobby_client::HostName;

use crate::config::{DriverSettings, Secret};

pub use self::local::Local;
pub use self::nats::Nats;
pub use self::redis::Redis;

/// The table of drivers: makes the one that the settings are for. `hostname` is what brokers are told of who connects.
pub fn make(settings: &DriverSettings, hostname: &HostName) -> Box<dyn Driver> {
    match settings.clone() {
        DriverSettings::Nats(settings) => Box::new(Nats::new(settings, format!("lobbyd/{hostname}"))),
        DriverSettings::Redis(settings) => Box::new(Redis::new(settings)),
        DriverSettings::Local(settings) => Box::new(Local::new(settings)),
    }
}

/// The secrets that a driver logs in with.
pub fn secrets(settings: &DriverSettings) -> Vec<Secret> {
    match settings {
        DriverSettings::Nats(settings) => std::iter::once(&settings.url).chain(&settings.nkey_seed).cloned().collect(),
        DriverSettings::Redis(settings) => settings.password.iter().cloned().collect(),
        DriverSettings::Local(_) => Vec::new(),
    }
}

/// A kind of channel, ready to be opened as often as its broker goes away.
pub trait Driver: Send + Sync + 'static {
    /// Opens one connection and subscribes to the channel. The caller limits the time and tries again after a failure.
    ///
    /// # Errors
    /// What keeps the channel from being reached, in words for a log; never a secret.
    fn open(&self) -> BoxFuture<'_, anyhow::Result<Channel>>;
}

/// Most packets that a channel hands over at once.
pub const LARGEST_BATCH: usize = 256;

/// An open connection to a channel: what comes in, and the way out.
pub struct Channel {
    /// Everything said on the channel, own packets included, each time all that is ready, up to [`LARGEST_BATCH`]. An error means
    /// that the link is down, the end that it was closed by us.
    pub incoming: BoxStream<'static, anyhow::Result<Vec<Incoming>>>,
    /// The way out, shared by all who publish.
    pub outgoing: std::sync::Arc<dyn Outgoing>,
}

/// The sending side of an open connection.
pub trait Outgoing: fmt::Debug + Send + Sync {
    /// Sends a packet and returns when the channel has it. The caller limits the time.
    ///
    /// # Errors
    /// Why the channel did not take the packet.
    fn publish(&self, parcel: Parcel) -> BoxFuture<'_, anyhow::Result<()>>;

    /// Ends the connection in an orderly way; what was published before is delivered. The caller limits the time.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// An encoded packet on its way out, with what a channel that keeps packets must know of it.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// Whose packet this is.
    pub host: HostName,
    /// The packet, encoded.
    pub payload: Bytes,
    /// Whether this is the host's last packet, its goodbye.
    pub last: bool,
}

/// What was heard on a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A packet.
    Packet {
        /// The packet, encoded.
        payload: Bytes,
        /// How long ago it was sent, where the channel keeps packets; else zero.
        age: Duration,
    },
    /// A packet that the channel kept was taken away by its sender.
    Withdrawn {
        /// The packet as it was last heard.
        payload: Bytes,
    },
    /// So many packets came faster than they were read and were dropped since this was last said.
    Dropped(u64),
}

impl Incoming {
    /// A packet of a channel that keeps none: it was sent just now.
    pub fn fresh(payload: Bytes) -> Self {
        Self::Packet { payload, age: Duration::ZERO }
    }
}
