//! Packets kept in a directory, for daemons on the same machine or in containers that share a volume: one file for each host.
//!
//! The daemons have to be allowed to write to the directory and to remove each other's files, so they run as the same user or share a
//! group with a setgid directory made for them; a directory made by the driver has mode 0755 less the umask. Nobody else should have
//! that right: who may write there may speak for any host. They also share one TTL, since each sweeps what is dead by its own.

mod packet_directory;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt, try_unfold};
use futures_util::{FutureExt, future};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::config::LocalSettings;
use crate::link::driver::{Connection, Driver, LARGEST_BATCH, PacketSink};
use crate::sys::clock;
use crate::sys::files;
use crate::sys::watch::DirectoryWatch;
use lobby_core::link::message::{InboundEvent, OutboundPacket};
use lobby_core::wire::file_name;
use packet_directory::PacketDirectory;

/// How long the directory must be quiet before it is read.
const DEBOUNCE: Duration = Duration::from_millis(10);

/// How soon to look again whether a missed file is really gone.
const SECOND_LOOK: Duration = Duration::from_millis(50);

/// The driver for one machine.
#[derive(Debug, Clone)]
pub struct Local {
    settings: LocalSettings,
}

impl Local {
    /// A driver that keeps its packets in a directory.
    pub fn new(settings: LocalSettings) -> Self {
        Self { settings }
    }
}

impl Driver for Local {
    fn open(&self) -> BoxFuture<'_, anyhow::Result<Connection>> {
        let settings = self.settings.clone();
        async move {
            let directory = settings.path.clone();
            let incoming = Reader::start(settings).await?.into_stream();
            Ok(Connection { incoming, outgoing: Arc::new(Writer { directory, turn: Arc::default() }) })
        }
        .boxed()
    }
}

/// Hands on what changes in the directory.
struct Reader {
    packet_directory: PacketDirectory,
    watch: DirectoryWatch,
    keep_alive: Duration,
    /// Whether a second look is due.
    unsure: bool,
    news: VecDeque<InboundEvent>,
}

impl Reader {
    /// Takes the first look, at everything that is there, from a watch that is in place.
    async fn start(settings: LocalSettings) -> anyhow::Result<Self> {
        let keep_alive = settings.keep_alive;
        let path = settings.path.clone();
        let packet_directory = spawn_blocking(|| PacketDirectory::open(settings)).await??;
        let mut watch = DirectoryWatch::new(&path, DEBOUNCE);
        watch.changed().await;
        Self { packet_directory, watch, keep_alive, unsure: false, news: VecDeque::new() }.look().await
    }

    async fn look(mut self) -> anyhow::Result<Self> {
        spawn_blocking(move || {
            let look = self.packet_directory.look(clock::now())?;
            self.news.extend(look.news);
            self.unsure = look.unsure;
            Ok(self)
        })
        .await?
    }

    fn into_stream(self) -> BoxStream<'static, anyhow::Result<Vec<InboundEvent>>> {
        try_unfold(self, |mut reader| async {
            loop {
                if !reader.news.is_empty() {
                    let many = reader.news.len().min(LARGEST_BATCH);
                    return Ok(Some((reader.news.drain(..many).collect(), reader)));
                }
                let longest = if reader.unsure { SECOND_LOOK } else { reader.keep_alive };
                // Events or not, the directory is read again: they can be lost.
                timeout(longest, reader.watch.changed()).await.ok();
                reader = reader.look().await?;
            }
        })
        .boxed()
    }
}

/// Writes and removes files, one after the other.
#[derive(Debug)]
struct Writer {
    directory: PathBuf,
    /// A write that its caller has given up goes on, and must not bring a file back after the goodbye: whoever writes holds this.
    turn: Arc<Mutex<()>>,
}

impl PacketSink for Writer {
    fn publish(&self, packet: OutboundPacket) -> BoxFuture<'_, anyhow::Result<()>> {
        let path = self.directory.join(file_name::of(&packet.host));
        async move {
            let turn = Arc::clone(&self.turn).lock_owned().await;
            spawn_blocking(move || {
                let _turn = turn;
                // Not synced: after a power cut nobody needs it.
                if packet.last { remove(&path) } else { files::replace_short_lived_file(&path, &packet.payload) }
            })
            .await?
        }
        .boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        future::ready(()).boxed()
    }
}

fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.with_context(|| format!("cannot remove {}", path.display())),
    }
}
