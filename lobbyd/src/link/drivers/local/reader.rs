//! The receiving side: a stream of what changes in the directory.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::stream::{BoxStream, StreamExt, try_unfold};
use tokio::time::timeout;

use super::LocalSettings;
use super::packet_directory::PacketDirectory;
use crate::link::driver::LARGEST_BATCH;
use crate::sys::clock;
use crate::sys::file_work::FileWork;
use crate::sys::watch::DirectoryWatch;
use lobby_core::link::message::InboundEvent;

/// How long the directory must be quiet before it is read.
pub(super) const DEBOUNCE: Duration = Duration::from_millis(10);

/// How soon to look again whether a missed file is really gone.
const SECOND_LOOK: Duration = Duration::from_millis(50);

/// How long a look may take. Whoever does not publish has no other way to find out that the
/// directory hangs.
const LOOK_LIMIT: Duration = Duration::from_secs(10);

/// Reads what changes in the directory.
pub(super) struct DirectoryReader {
    packet_directory: PacketDirectory,
    work: FileWork,
    pub(super) watch: DirectoryWatch,
    keep_alive: Duration,
    /// Whether a second look is due.
    unsure: bool,
    news: VecDeque<InboundEvent>,
}

impl DirectoryReader {
    /// Takes the first look, at everything that is there, from a watch that is in place.
    pub(super) async fn start(settings: LocalSettings, work: FileWork) -> anyhow::Result<Self> {
        let keep_alive = settings.keep_alive;
        let path = settings.path.clone();
        let packet_directory = work.run(LOOK_LIMIT, || PacketDirectory::open(settings)).await?;
        let mut watch = DirectoryWatch::new(&path, DEBOUNCE);
        watch.changed().await;
        let news = VecDeque::new();
        Self { packet_directory, work, watch, keep_alive, unsure: false, news }.look().await
    }

    async fn look(mut self) -> anyhow::Result<Self> {
        let work = self.work.clone();
        work.run(LOOK_LIMIT, move || {
            let look = self.packet_directory.look(clock::now())?;
            self.news.extend(look.news);
            self.unsure = look.unsure;
            Ok(self)
        })
        .await
    }

    pub(super) fn into_stream(self) -> BoxStream<'static, anyhow::Result<Vec<InboundEvent>>> {
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
