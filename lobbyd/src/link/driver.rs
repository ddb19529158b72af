//! The driver: what carries packets between daemons. It moves bytes and knows neither packets nor actors.

use std::fmt;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use lobby_core::link::message::{InboundEvent, OutboundPacket};

/// A kind of channel, ready to be opened as often as its broker goes away.
pub trait Driver: Send + Sync + 'static {
    /// Opens one connection and subscribes to the channel. The caller limits the time and tries again after a failure.
    ///
    /// # Errors
    /// What keeps the channel from being reached, in words for a log; never a secret.
    fn open(&self) -> BoxFuture<'_, anyhow::Result<Connection>>;
}

/// Most packets that a channel hands over at once.
pub const LARGEST_BATCH: usize = 256;

/// An open connection to a channel: what comes in, and the way out.
pub struct Connection {
    /// Everything said on the channel, own packets included, each time all that is ready, up to [`LARGEST_BATCH`]. An error means
    /// that the link is down, the end that it was closed by us.
    pub incoming: BoxStream<'static, anyhow::Result<Vec<InboundEvent>>>,
    /// The way out, shared by all who publish.
    pub outgoing: std::sync::Arc<dyn PacketSink>,
}

/// The sending side of an open connection.
pub trait PacketSink: fmt::Debug + Send + Sync {
    /// Sends a packet and returns when the channel has it. The caller limits the time.
    ///
    /// # Errors
    /// Why the channel did not take the packet.
    fn publish(&self, packet: OutboundPacket) -> BoxFuture<'_, anyhow::Result<()>>;

    /// Ends the connection in an orderly way; what was published before is delivered. The caller limits the time.
    fn close(&self) -> BoxFuture<'_, ()>;
}
