//! The driver: opens the directory.

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::LocalSettings;
use super::reader::DirectoryReader;
use super::writer::{Turn, Writer};
use crate::link::driver::{Connection, Driver};
use crate::sys::file_work::FileWork;
use lobby_core::link::stats::ChannelPlace;

/// The driver for one machine.
#[derive(Debug)]
pub struct Local {
    settings: LocalSettings,
    /// The reading of the directory, and the writing, whatever connection they are for.
    reading: FileWork,
    turn: Turn,
}

impl Local {
    /// A driver that keeps its packets in a directory.
    pub fn new(settings: LocalSettings) -> Self {
        let reading = FileWork::on(&settings.path.display().to_string());
        Self { settings, reading, turn: Turn::default() }
    }
}

impl Driver for Local {
    fn open<'a>(
        &'a self,
        _: &'a str,
        _: Option<Bytes>,
    ) -> BoxFuture<'a, anyhow::Result<Connection>> {
        let settings = self.settings.clone();
        async move {
            let outgoing = Writer::new(settings.path.clone(), self.turn.clone());
            let incoming =
                DirectoryReader::start(settings, self.reading.clone()).await?.into_stream();
            let outgoing = std::sync::Arc::new(outgoing);
            Ok(Connection { incoming, outgoing, note: None, server: None, peer: None, sync: None })
        }
        .boxed()
    }

    fn place(&self) -> ChannelPlace {
        ChannelPlace { server: None, channel: self.settings.path.display().to_string() }
    }
}
