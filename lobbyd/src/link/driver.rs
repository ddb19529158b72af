//! The driver: carries packets between daemons. It moves bytes and knows neither packets nor
//! actors.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use lobby_core::link::message::{InboundEvent, OutboundPacket};
use lobby_core::link::stats::ChannelPlace;

use crate::config::{self, Secret};

/// What a driver's folder declares: its name, its settings, and how it is made of them.
pub(crate) type DriverSpec = config::DriverSpec<Box<dyn Driver>>;

/// A kind of channel, opened again whenever its broker was away.
pub trait Driver: fmt::Debug + Send + Sync + 'static {
    /// Opens one connection and subscribes to the channel. `client_name` tells the broker who
    /// connects. `own` is the newest packet of this server, if there is one: where packets were
    /// refused before, a link is up only when this one is accepted. The caller limits the time and
    /// tries again after a failure.
    ///
    /// # Errors
    /// What keeps the channel from being reached, in words for a log; never a secret.
    fn open<'a>(
        &'a self,
        client_name: &'a str,
        own: Option<Bytes>,
    ) -> BoxFuture<'a, anyhow::Result<Connection>>;

    /// Where it meets the others, as the settings say; never a secret.
    fn place(&self) -> ChannelPlace;

    /// The secrets that it logs in with. When one of them changes, the connection is opened anew.
    fn secrets(&self) -> Vec<Secret> {
        Vec::new()
    }
}

/// Most events that a connection hands over at once.
pub const LARGEST_BATCH: usize = 256;

/// An open connection to a channel.
pub struct Connection {
    /// Everything said on the channel, own packets included, in batches of all that is ready, up
    /// to [`LARGEST_BATCH`]. An error means that the link is down, the end that it was closed
    /// by us.
    pub incoming: BoxStream<'static, anyhow::Result<Vec<InboundEvent>>>,
    /// The sending side, shared by all that publish.
    pub outgoing: Arc<dyn PacketSink>,
    /// What is wrong with the channel although it is open, in words for a log.
    pub note: Option<String>,
    /// The broker that it is connected to; none where there is none.
    pub server: Option<String>,
    /// The broker's end of the connection; none where there is no broker.
    pub peer: Option<SocketAddr>,
    /// A way to be told of everybody at once, where the driver has one.
    pub sync: Option<Arc<dyn SyncChannel>>,
}

/// A way to ask another daemon for the packets of everybody, beside the channel.
pub trait SyncChannel: fmt::Debug + Send + Sync {
    /// Asks; one of those who answer does so. The caller limits the time.
    ///
    /// # Errors
    /// Why it cannot be asked, in words for a log.
    fn ask(&self) -> BoxFuture<'_, anyhow::Result<BoxStream<'static, SyncReply>>>;

    /// The questions of others, from now on.
    ///
    /// # Errors
    /// Why they cannot be heard, in words for a log.
    fn questions(&self)
    -> BoxFuture<'_, anyhow::Result<BoxStream<'static, Box<dyn SyncQuestion>>>>;

    /// Checks that the broker lets this daemon ask and answer.
    ///
    /// # Errors
    /// That it does not, in words for a log.
    fn check(&self) -> anyhow::Result<()>;
}

/// A part of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncReply {
    /// There is nobody who could answer.
    Nobody,
    /// A piece, as it came.
    Piece(Bytes),
}

/// A question of another daemon.
pub trait SyncQuestion: fmt::Debug + Send + Sync {
    /// Greatest length of a piece, in bytes.
    fn max_len(&self) -> usize;

    /// Sends a piece of the answer. The caller limits the time.
    ///
    /// # Errors
    /// Why it could not be sent.
    fn reply(&self, piece: Bytes) -> BoxFuture<'_, anyhow::Result<()>>;
}

/// The sending side of an open connection.
pub trait PacketSink: fmt::Debug + Send + Sync {
    /// Sends a packet and returns when the channel has it. The caller limits the time.
    ///
    /// # Errors
    /// Why the channel did not take the packet.
    fn publish(&self, packet: OutboundPacket) -> BoxFuture<'_, anyhow::Result<()>>;

    /// Ends the connection in an orderly way; what was published before is delivered. The caller
    /// limits the time.
    fn close(&self) -> BoxFuture<'_, ()>;
}
