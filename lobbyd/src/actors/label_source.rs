//! Knows what this server is called and which labels it has.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use futures_util::stream;
use lobby_client::{Discovery, Label};
use tokio::sync::Mutex;
use tracing::warn;

use super::registry::LocalChanged;
use crate::label_files::KnownProblems;
use crate::local_server::{LocalServer, Problem, Reading, StoreError};
use crate::watch::DirectoryWatch;

/// How long label files must be left alone before they are read, so that nobody sees one half written.
const QUIET: Duration = Duration::from_millis(100);

/// Add labels to the runtime file. *Asked by HttpApi.* Replies when they are stored.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), StoreError>")]
pub struct AddLabels(pub Vec<Label>);

/// Remove labels from the runtime file; labels from elsewhere stay. *Asked by HttpApi.* Replies when they are gone.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), StoreError>")]
pub struct DeleteLabels(pub Vec<Label>);

/// What is this server's packet, fresh from files and environment? *Asked by HttpApi and main.*
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Option<Discovery>")]
pub struct GetLocal;

/// Read label files again and publish, changed or not. *Sent by main* on SIGHUP. No reply.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Reread;

/// Reads the server's name and labels and tells when they change.
pub struct LabelSource {
    server: Arc<LocalServer>,
    listeners: Vec<Recipient<LocalChanged>>,
    problems: KnownProblems<Problem>,
    known: Option<Discovery>,
    keep_alive: Duration,
    /// Held while files are read or written: one at a time, in the order of asking.
    turn: Arc<Mutex<()>>,
    waiting: usize,
}

/// Something happened in the directory of label files.
struct FilesChanged;

impl LabelSource {
    /// `keep_alive` is how often files are read again, events or not; `listeners` are told of every change.
    pub fn new(server: LocalServer, keep_alive: Duration, listeners: Vec<Recipient<LocalChanged>>) -> Self {
        let (server, turn) = (Arc::new(server), Arc::default());
        Self { server, listeners, problems: KnownProblems::default(), known: None, keep_alive, turn, waiting: 0 }
    }

    /// Does something with the files, off the actor's thread and after everything asked for before.
    fn take_turn<T, Work>(&mut self, work: Work) -> impl ActorFuture<Self, Output = Option<T>> + use<T, Work>
    where
        T: Send + 'static,
        Work: FnOnce(&LocalServer) -> T + Send + 'static,
    {
        let (server, turn) = (Arc::clone(&self.server), Arc::clone(&self.turn));
        self.waiting += 1;
        let work = async move {
            let _turn = turn.lock_owned().await;
            tokio::task::spawn_blocking(move || work(&server)).await.ok()
        };
        work.into_actor(self).map(|done, source, _| {
            source.waiting -= 1;
            done
        })
    }

    fn read(&mut self) -> impl ActorFuture<Self, Output = Option<Discovery>> + use<> {
        self.take_turn(LocalServer::read).map(|reading, source, _| {
            source.take_in(reading?);
            source.known.clone()
        })
    }

    /// Stores labels with `change`, reads what came of it and tells.
    fn store(
        &mut self,
        change: impl FnOnce(&LocalServer) -> Result<Reading, StoreError> + Send + 'static,
    ) -> ResponseActFuture<Self, Result<(), StoreError>> {
        let stored = self.take_turn(change).map(|outcome, source, _| {
            let reading = outcome.unwrap_or_else(|| Err(StoreError::Failed(anyhow::anyhow!("lobbyd is stopping"))))?;
            source.take_in(reading);
            Ok(())
        });
        Box::pin(stored)
    }

    fn take_in(&mut self, reading: Reading) {
        for problem in self.problems.news(reading.problems) {
            warn!(problem = problem.to_string(), "of no use as this server's name or labels");
        }
        if let Some(packet) = reading.packet.filter(|packet| self.known.as_ref() != Some(packet)) {
            self.known = Some(packet);
            self.tell();
        }
    }

    fn tell(&self) {
        let Some(packet) = &self.known else { return };
        self.listeners.iter().for_each(|listener| listener.do_send(LocalChanged(packet.clone())));
    }

    /// Reads again unless a read that has not begun yet will show the same.
    fn reread(&mut self, ctx: &mut Context<Self>) {
        if self.waiting < 2 {
            let read = self.read().map(|_, _, _| ());
            ctx.spawn(read);
        }
    }
}

impl Actor for LabelSource {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let watch = DirectoryWatch::new(self.server.labels_path(), QUIET);
        ctx.add_stream(stream::unfold(watch, |mut watch| async {
            watch.changed().await;
            Some((FilesChanged, watch))
        }));
        ctx.run_interval(self.keep_alive, Self::reread);
        self.reread(ctx);
    }
}

impl StreamHandler<FilesChanged> for LabelSource {
    fn handle(&mut self, _: FilesChanged, ctx: &mut Self::Context) {
        self.reread(ctx);
    }

    fn finished(&mut self, _: &mut Self::Context) {}
}

impl Handler<AddLabels> for LabelSource {
    type Result = ResponseActFuture<Self, Result<(), StoreError>>;

    fn handle(&mut self, AddLabels(labels): AddLabels, _: &mut Self::Context) -> Self::Result {
        self.store(move |server| server.add(&labels))
    }
}

impl Handler<DeleteLabels> for LabelSource {
    type Result = ResponseActFuture<Self, Result<(), StoreError>>;

    fn handle(&mut self, DeleteLabels(labels): DeleteLabels, _: &mut Self::Context) -> Self::Result {
        self.store(move |server| server.delete(&labels))
    }
}

impl Handler<GetLocal> for LabelSource {
    type Result = ResponseActFuture<Self, Option<Discovery>>;

    fn handle(&mut self, _: GetLocal, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.read())
    }
}

impl Handler<Reread> for LabelSource {
    type Result = ();

    fn handle(&mut self, _: Reread, ctx: &mut Self::Context) {
        let read = self.read().map(|_, source, _| source.tell());
        ctx.spawn(read);
    }
}
