//! The label source: knows this host's name and labels, and tells when they change.

mod leasing;
#[cfg(test)]
mod tests;

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use futures_util::future::join;
use futures_util::{FutureExt, stream};
use lobby_client::{Discovery, Label, LocalLabel};
use tokio::task::{JoinError, spawn_blocking};
use tracing::{info, warn};

use crate::labels::agenda::{Agenda, NextReading, WorkDone};
use crate::labels::files::LabelsRead;
use crate::labels::local_host::LocalHost;
use crate::labels::pending::DISK_LIMIT;
use crate::labels::problems::LabelProblem;
use crate::labels::runtime_file::LabelChange;
use crate::labels::store::{LabelStore, StoreError};
use crate::registry::{BrokerChanged, LocalChanged};
use crate::sys::clock;
use crate::sys::watch::DirectoryWatch;
use leasing::Leasing;
use lobby_core::leases::LeaseChange;
use lobby_core::log::transitions::Transitions;

pub use leasing::LeaseLabels;

/// Time without changes after which label files are read, so that a file is not read half written.
const DEBOUNCE: Duration = Duration::from_millis(100);

/// Add labels to the runtime file. *Asked by HttpApi.* Replies when they are stored.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), StoreError>")]
pub struct AddLabels(pub Vec<Label>);

/// Remove labels from the runtime file and end their leases; labels from elsewhere stay. *Asked by
/// HttpApi.* Replies when they are gone.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), StoreError>")]
pub struct DeleteLabels(pub Vec<Label>);

/// Where does each label of this host come from, by the last reading? *Asked by HttpApi.* Replies
/// at once.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Vec<LocalLabel>")]
pub struct GetLocalLabels;

/// What is this host's packet, fresh from files and environment? *Asked by HttpApi and App.*
/// Replies at once with what to wait for.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "NextReading")]
pub struct GetLocalPacket;

/// Read label files again and publish, changed or not. *Sent by App* on SIGHUP. No reply.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct ReloadLabels;

/// Publish this host without its label files until they are read. *Sent by App* at the start, when
/// they take too long. No reply.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct StartWithoutFiles;

/// Reads this host's name and labels and tells when they change. One piece of work on the files is
/// done at a time, off the actor's thread.
pub struct LabelSource {
    host: LocalHost,
    /// The label files; `None` while they are being read or written.
    store: Option<LabelStore>,
    /// What the label files held when they were last read.
    files: LabelsRead,
    /// The labels that are being added to the label files.
    adding: Vec<Label>,
    leasing: Leasing,
    agenda: Agenda,
    /// Whether the work that is being done takes too long.
    is_late: bool,
    listeners: Vec<Recipient<LocalChanged>>,
    problems: Transitions<LabelProblem>,
    known: Option<Arc<Discovery>>,
    keep_alive: Duration,
}

/// Something happened in the directory of label files.
struct FilesChanged;

impl LabelSource {
    /// `keep_alive` is how often files are read again, events or not; `listeners` are told of every
    /// change.
    pub fn new(
        host: LocalHost,
        keep_alive: Duration,
        listeners: Vec<Recipient<LocalChanged>>,
    ) -> Self {
        Self {
            store: Some(LabelStore::new(host.clone())),
            files: LabelsRead::default(),
            adding: Vec::new(),
            leasing: Leasing::new(&host),
            host,
            agenda: Agenda::default(),
            is_late: false,
            listeners,
            problems: Transitions::default(),
            known: None,
            keep_alive,
        }
    }

    /// Begins the next piece of work, unless one is being done.
    fn work(&mut self, ctx: &mut Context<Self>) {
        if self.leasing.must_be_awaited() {
            return;
        }
        let Some(mut store) = self.store.take() else { return };
        let Some(work) = self.agenda.next() else {
            self.store = Some(store);
            return;
        };
        self.adding = work.adds().to_vec();
        let late = ctx.run_later(DISK_LIMIT, |source, _| source.tell_late());
        let work = spawn_blocking(move || {
            let done = work.run(&mut store);
            (store, done)
        });
        ctx.spawn(work.into_actor(self).map(move |done, source, ctx| {
            ctx.cancel_future(late);
            source.finish(done, ctx);
        }));
    }

    fn finish(&mut self, done: Result<(LabelStore, WorkDone), JoinError>, ctx: &mut Context<Self>) {
        // The runtime is ending.
        let Ok((store, mut done)) = done else { return ctx.stop() };
        self.store = Some(store);
        self.adding.clear();
        if std::mem::take(&mut self.is_late) {
            info!(target: "lobby::labels", "the disk with the label files answers again");
        }
        let is_changed = done.reading.take().is_some_and(|files| {
            self.files = files;
            self.take_in()
        });
        if done.publish && !is_changed {
            self.tell();
        }
        done.answer(self.known.clone());
        self.work(ctx);
    }

    fn tell_late(&mut self) {
        self.is_late = true;
        warn!(target: "lobby::labels", "the disk with the label files does not answer, labels stay as they are");
    }

    fn change(
        &mut self,
        change: LabelChange,
        ctx: &mut Context<Self>,
    ) -> ResponseFuture<Result<(), StoreError>> {
        match self.agenda.add(change) {
            Ok(outcome) => {
                self.work(ctx);
                Box::pin(outcome.wait())
            }
            Err(refusal) => Box::pin(ready(Err(refusal))),
        }
    }

    /// Puts together what is known of this host, and tells if the packet is another; returns
    /// whether it is.
    fn take_in(&mut self) -> bool {
        let reading = self.host.reading(&self.files);
        for problem in self.problems.news(reading.problems) {
            warn!(target: "lobby::labels", %problem, "{}", problem.message());
        }
        let changed = reading.packet.filter(|packet| self.known.as_deref() != Some(packet));
        let is_changed = changed.is_some();
        if is_changed {
            self.known = changed.map(Arc::new);
            self.tell();
        }
        is_changed
    }

    fn tell(&self) {
        let Some(packet) = &self.known else { return };
        self.listeners
            .iter()
            .for_each(|listener| listener.do_send(LocalChanged(Discovery::clone(packet))));
    }
}

crate::healthz::answers_healthz!(LabelSource);

impl Actor for LabelSource {
    type Context = Context<Self>;

    /// The first reading is the one that App asks for.
    fn started(&mut self, ctx: &mut Self::Context) {
        let watch = DirectoryWatch::new(self.host.labels_path(), DEBOUNCE);
        self.read_leases(ctx);
        Self::watch_leases(ctx);
        ctx.add_stream(stream::unfold(watch, |mut watch| async {
            watch.changed().await;
            Some((FilesChanged, watch))
        }));
        ctx.run_interval(self.keep_alive, |source, ctx| {
            source.agenda.read();
            source.work(ctx);
        });
    }
}

impl StreamHandler<FilesChanged> for LabelSource {
    /// A change of our own is known already, so files that look as they did when they were read are
    /// not read again.
    fn handle(&mut self, _: FilesChanged, ctx: &mut Self::Context) {
        self.agenda.read_if_changed();
        self.work(ctx);
    }

    fn finished(&mut self, _: &mut Self::Context) {}
}

impl Handler<AddLabels> for LabelSource {
    type Result = ResponseFuture<Result<(), StoreError>>;

    fn handle(&mut self, AddLabels(labels): AddLabels, ctx: &mut Self::Context) -> Self::Result {
        self.change(LabelChange::Add(labels), ctx)
    }
}

impl Handler<DeleteLabels> for LabelSource {
    type Result = ResponseFuture<Result<(), StoreError>>;

    fn handle(
        &mut self,
        DeleteLabels(labels): DeleteLabels,
        ctx: &mut Self::Context,
    ) -> Self::Result {
        let some_end =
            self.host.leases().labels_to_come().iter().any(|label| labels.contains(label));
        let ended = self.change_leases(LeaseChange::End(labels.clone()), ctx);
        let deleted = self.change(LabelChange::Delete(labels), ctx);
        // They are stored in two places, of which one may fail.
        Box::pin(join(deleted, ended).map(move |outcomes| match outcomes {
            (Err(error), Ok(())) | (Ok(()), Err(error)) if some_end => {
                Err(StoreError::Partly(error.into()))
            }
            (deleted, ended) => deleted.and(ended),
        }))
    }
}

impl Handler<GetLocalPacket> for LabelSource {
    type Result = MessageResult<GetLocalPacket>;

    fn handle(&mut self, _: GetLocalPacket, ctx: &mut Self::Context) -> Self::Result {
        let reading = self.agenda.next_reading(self.is_late);
        self.work(ctx);
        MessageResult(reading)
    }
}

impl Handler<GetLocalLabels> for LabelSource {
    type Result = MessageResult<GetLocalLabels>;

    fn handle(&mut self, _: GetLocalLabels, _: &mut Self::Context) -> Self::Result {
        let labels = self.host.local_labels(&self.files, clock::now(), clock::unix_millis());
        MessageResult(labels)
    }
}

impl Handler<ReloadLabels> for LabelSource {
    type Result = ();

    fn handle(&mut self, _: ReloadLabels, ctx: &mut Self::Context) {
        self.agenda.publish();
        self.work(ctx);
    }
}

impl Handler<BrokerChanged> for LabelSource {
    type Result = ();

    fn handle(&mut self, changed: BrokerChanged, ctx: &mut Self::Context) {
        if self.host.facts().link_changed(changed.driver_id.index(), changed.broker) {
            self.agenda.read();
            self.work(ctx);
        }
    }
}

impl Handler<StartWithoutFiles> for LabelSource {
    type Result = ();

    fn handle(&mut self, _: StartWithoutFiles, ctx: &mut Self::Context) {
        if self.known.is_none() {
            self.known = self.host.without_files().map(Arc::new);
            self.tell();
        }
        self.leasing.await_no_longer();
        self.work(ctx);
    }
}
