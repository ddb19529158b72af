//! The sending side: one file for each host.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use futures_util::FutureExt;
use futures_util::future::{self, BoxFuture};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use crate::link::driver::PacketSink;
use crate::sys::files;
use lobby_core::link::message::OutboundPacket;
use lobby_core::wire::file_name;

/// Writes and removes files, one after the other.
#[derive(Debug)]
pub(super) struct Writer {
    directory: PathBuf,
    turn: Turn,
}

/// Held by the write that is under way. One that its caller has given up goes on, and must not
/// bring a file back after the goodbye.
pub(super) type Turn = Arc<Mutex<()>>;

impl Writer {
    pub(super) fn new(directory: PathBuf, turn: Turn) -> Self {
        Self { directory, turn }
    }
}

impl PacketSink for Writer {
    fn publish(&self, packet: OutboundPacket) -> BoxFuture<'_, anyhow::Result<()>> {
        let path = self.directory.join(file_name::of(&packet.host));
        async move {
            let turn = Arc::clone(&self.turn).lock_owned().await;
            spawn_blocking(move || {
                let _turn = turn;
                // Not synced: after a power cut it is not needed.
                if packet.last {
                    remove(&path)
                } else {
                    files::replace_short_lived_file(&path, &packet.payload)
                }
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
