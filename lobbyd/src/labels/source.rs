//! The label source: knows this host's name and labels, and tells when they change.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use futures_util::stream;
use lobby_client::{Discovery, Label};
use tokio::sync::Mutex;
use tracing::warn;

use crate::labels::local_host::{LocalHost, LocalReading};
use crate::labels::problems::Problem;
use crate::labels::runtime_file::LabelChange;
use crate::labels::store::{LabelStore, StoreError};
use crate::registry::LocalChanged;
use crate::sys::watch::DirectoryWatch;
use lobby_core::log::transitions::Transitions;

/// Time without changes after which label files are read, so that a file is not read half written.
const DEBOUNCE: Duration = Duration::from_millis(100);

/// Add labels to the runtime file. *Asked by HttpApi.* Replies when they are stored.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), StoreError>")]
pub struct AddLabels(pub Vec<Label>);

/// Remove labels from the runtime file; labels from elsewhere stay. *Asked by HttpApi.* Replies when they are gone.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), StoreError>")]
pub struct DeleteLabels(pub Vec<Label>);

/// What is this host's packet, fresh from files and environment? *Asked by HttpApi and App.*
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Option<Discovery>")]
pub struct GetLocalPacket;

/// Read label files again and publish, changed or not. *Sent by App* on SIGHUP. No reply.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct ReloadLabels;

/// Publish this host without its label files until they are read. *Sent by App* at the start, when they take too long. No reply.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct StartWithoutFiles;

/// Reads this host's name and labels and tells when they change.
pub struct LabelSource {
    host: LocalHost,
    /// Held while files are read or written: one at a time, in the order of asking.
    store: Arc<Mutex<LabelStore>>,
    waiting: usize,
    listeners: Vec<Recipient<LocalChanged>>,
    problems: Transitions<Problem>,
    known: Option<Discovery>,
    keep_alive: Duration,
}

/// Something happened in the directory of label files.
struct FilesChanged;

impl LabelSource {
    /// `keep_alive` is how often files are read again, events or not; `listeners` are told of every change.
    pub fn new(host: LocalHost, keep_alive: Duration, listeners: Vec<Recipient<LocalChanged>>) -> Self {
        Self {
            store: Arc::new(Mutex::new(LabelStore::new(host.clone()))),
            waiting: 0,
            host,
            listeners,
            problems: Transitions::default(),
            known: None,
            keep_alive,
        }
    }

    /// Does something with the files, off the actor's thread and after everything asked for before.
    fn take_turn<T, Work>(&mut self, work: Work) -> impl ActorFuture<Self, Output = Option<T>> + use<T, Work>
    where
        T: Send + 'static,
        Work: FnOnce(&mut LabelStore) -> T + Send + 'static,
    {
        let store = Arc::clone(&self.store);
        self.waiting += 1;
        let work = async move {
            let mut store = store.lock_owned().await;
            tokio::task::spawn_blocking(move || work(&mut store)).await.ok()
        };
        work.into_actor(self).map(|done, source, _| {
            source.waiting -= 1;
            done
        })
    }

    fn read(&mut self) -> impl ActorFuture<Self, Output = Option<Discovery>> + use<> {
        self.take_turn(LabelStore::read).map(|reading, source, _| {
            source.take_in(reading?);
            source.known.clone()
        })
    }

    /// Stores a change and tells what came of it.
    fn store(&mut self, change: LabelChange) -> ResponseActFuture<Self, Result<(), StoreError>> {
        let stored = self.take_turn(move |store| store.change(&change)).map(|done, source, _| {
            let stopping = || StoreError::Failed(anyhow::anyhow!("lobbyd is stopping"));
            let (reading, stored) = done.ok_or_else(stopping)?;
            source.take_in(reading);
            stored
        });
        Box::pin(stored)
    }

    /// Takes in a reading and tells if the packet is another; returns whether it is.
    fn take_in(&mut self, reading: LocalReading) -> bool {
        for problem in self.problems.news(reading.problems) {
            warn!(target: "lobby::labels", problem = problem.to_string(), "ignored an invalid host name or label");
        }
        let changed = reading.packet.filter(|packet| self.known.as_ref() != Some(packet));
        let is_changed = changed.is_some();
        if is_changed {
            self.known = changed;
            self.tell();
        }
        is_changed
    }

    /// Takes in a reading and tells once, whether the packet is another or not.
    fn publish(&mut self, reading: Option<LocalReading>) {
        if !reading.is_some_and(|reading| self.take_in(reading)) {
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

    /// Reads again if a file has changed: not after each change of our own, which is known.
    fn reread_if_changed(&mut self, ctx: &mut Context<Self>) {
        if self.waiting < 2 {
            let read = self.take_turn(LabelStore::read_if_changed).map(|reading, source, _| {
                if let Some(reading) = reading.flatten() {
                    source.take_in(reading);
                }
            });
            ctx.spawn(read);
        }
    }
}

crate::healthz::answers_healthz!(LabelSource);

impl Actor for LabelSource {
    type Context = Context<Self>;

    /// The first reading is the one that App asks for.
    fn started(&mut self, ctx: &mut Self::Context) {
        let watch = DirectoryWatch::new(self.host.labels_path(), DEBOUNCE);
        ctx.add_stream(stream::unfold(watch, |mut watch| async {
            watch.changed().await;
            Some((FilesChanged, watch))
        }));
        ctx.run_interval(self.keep_alive, Self::reread);
    }
}

impl StreamHandler<FilesChanged> for LabelSource {
    fn handle(&mut self, _: FilesChanged, ctx: &mut Self::Context) {
        self.reread_if_changed(ctx);
    }

    fn finished(&mut self, _: &mut Self::Context) {}
}

impl Handler<AddLabels> for LabelSource {
    type Result = ResponseActFuture<Self, Result<(), StoreError>>;

    fn handle(&mut self, AddLabels(labels): AddLabels, _: &mut Self::Context) -> Self::Result {
        self.store(LabelChange::Add(labels))
    }
}

impl Handler<DeleteLabels> for LabelSource {
    type Result = ResponseActFuture<Self, Result<(), StoreError>>;

    fn handle(&mut self, DeleteLabels(labels): DeleteLabels, _: &mut Self::Context) -> Self::Result {
        self.store(LabelChange::Delete(labels))
    }
}

impl Handler<GetLocalPacket> for LabelSource {
    type Result = ResponseActFuture<Self, Option<Discovery>>;

    fn handle(&mut self, _: GetLocalPacket, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.read())
    }
}

impl Handler<ReloadLabels> for LabelSource {
    type Result = ();

    fn handle(&mut self, _: ReloadLabels, ctx: &mut Self::Context) {
        let read = self.take_turn(LabelStore::read).map(|reading, source, _| source.publish(reading));
        ctx.spawn(read);
    }
}

impl Handler<StartWithoutFiles> for LabelSource {
    type Result = ();

    fn handle(&mut self, _: StartWithoutFiles, _: &mut Self::Context) {
        if self.known.is_none() {
            self.known = self.host.without_files();
            self.tell();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use lobby_client::HostName;
    use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

    use super::*;
    use crate::config::LocalHostSettings;

    /// Hands on what it is told of.
    struct Listener(UnboundedSender<Discovery>);

    impl Actor for Listener {
        type Context = Context<Self>;
    }

    impl Handler<LocalChanged> for Listener {
        type Result = ();

        fn handle(&mut self, LocalChanged(packet): LocalChanged, _: &mut Self::Context) {
            self.0.send(packet).unwrap();
        }
    }

    fn source(directory: &Path) -> (LabelSource, UnboundedReceiver<Discovery>) {
        let settings = LocalHostSettings {
            hostname: HostName::parse("a").ok(),
            labels: vec![Label::parse("env:1").unwrap()],
            labels_path: directory.to_owned(),
            runtime_labels_filename: "_runtime".to_owned(),
        };
        let (told, news) = unbounded_channel();
        let listeners = vec![Listener(told).start().recipient()];
        (LabelSource::new(LocalHost::new(settings), Duration::from_secs(3600), listeners), news)
    }

    async fn next(news: &mut UnboundedReceiver<Discovery>) -> Vec<String> {
        let packet = tokio::time::timeout(Duration::from_secs(20), news.recv()).await.unwrap().unwrap();
        packet.labels.iter().map(|label| label.as_str().to_owned()).collect()
    }

    #[actix_rt::test]
    async fn while_files_hang_the_host_is_published_without_them() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("file"), "file:1").unwrap();
        let (source, mut news) = source(directory.path());
        let hanging = Arc::clone(&source.store).lock_owned().await;
        let source = source.start();
        source.send(StartWithoutFiles).await.unwrap();
        assert_eq!(next(&mut news).await, ["env:1"]);
        drop(hanging);
        assert_eq!(next(&mut news).await, ["env:1", "file:1"]);
        source.send(StartWithoutFiles).await.unwrap();
        source.send(ReloadLabels).await.unwrap();
        assert_eq!(next(&mut news).await, ["env:1", "file:1"]);
    }

    #[actix_rt::test]
    async fn a_reread_tells_once_whether_labels_changed_or_not() {
        let directory = tempfile::tempdir().unwrap();
        let (mut source, mut news) = source(directory.path());
        let labels = ["file:1", "file:1", "file:2", "file:3"];
        for label in labels {
            fs::write(directory.path().join("file"), label).unwrap();
            let reading = source.store.try_lock().unwrap().read();
            source.publish(Some(reading));
        }
        for label in labels {
            assert_eq!(next(&mut news).await, ["env:1", label]);
        }
        drop(source);
        assert_eq!(news.recv().await, None);
    }
}
