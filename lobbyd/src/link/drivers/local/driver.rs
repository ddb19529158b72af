//! The driver: opens the directory.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::LocalSettings;
use super::reader::Reader;
use super::writer::Writer;
use crate::link::driver::{Connection, Driver};

/// The driver for one machine.
#[derive(Debug)]
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
    fn open<'a>(&'a self, _: &'a str) -> BoxFuture<'a, anyhow::Result<Connection>> {
        let settings = self.settings.clone();
        async move {
            let outgoing = Writer::new(settings.path.clone());
            let incoming = Reader::start(settings).await?.into_stream();
            Ok(Connection { incoming, outgoing: std::sync::Arc::new(outgoing), note: None })
        }
        .boxed()
    }
}
