//! The leases of the label source: granted, written, ended.

use std::future::ready;
use std::time::{Duration, Instant};

use actix::prelude::*;
use lobby_client::Label;
use tokio::task::spawn_blocking;
use tracing::warn;

use super::LabelSource;
use crate::config::Oddity;
use crate::labels::leases::{LeaseBatch, LeaseFile, LeaseQueue, Leases};
use crate::labels::local_host::LocalHost;
use crate::labels::pending::DISK_LIMIT;
use crate::labels::store::StoreError;
use crate::sys::clock;
use lobby_core::leases::{LeaseChange, Moment};

/// How often the source looks whether the wall clock was set, and for renewals, of which it is not
/// told.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The setting that names the directory of leases.
const STATE_PATH: &str = "STATE_PATH";

/// Add labels that end after a time, or give them that time anew where [`Leases::renew`] does not.
/// *Asked by HttpApi.* Replies when they are stored; those that need not survive a restart are not
/// stored.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), StoreError>")]
pub struct LeaseLabels {
    /// The labels.
    pub labels: Vec<Label>,
    /// How long they last from now on.
    pub ttl: Duration,
}

/// The leases of the label source.
pub(super) struct Leasing {
    leases: Leases,
    file: LeaseFile,
    queue: LeaseQueue,
    /// Whether the first packet waits for the leases of the last run.
    is_awaited: bool,
    wake: Option<(Instant, SpawnHandle)>,
}

impl Leasing {
    pub(super) fn new(host: &LocalHost) -> Self {
        let leases = host.leases().clone();
        Self {
            file: LeaseFile::new(host.leases_file()),
            queue: LeaseQueue::new(leases.clone()),
            leases,
            is_awaited: true,
            wake: None,
        }
    }

    /// Whether nothing may be published yet: peers would see leases of the last run go and come.
    pub(super) fn must_be_awaited(&self) -> bool {
        self.is_awaited
    }

    /// The disk takes too long.
    pub(super) fn await_no_longer(&mut self) {
        self.is_awaited = false;
    }

    /// When something is to be done next.
    fn deadline(&self, now: Instant) -> Option<Instant> {
        let end = self.leases.ledger().table().deadline();
        [end, self.queue.write_deadline(now)].into_iter().flatten().min()
    }
}

impl LabelSource {
    /// Reads the leases of the last run.
    pub(super) fn read_leases(&self, ctx: &mut Context<Self>) {
        let file = self.leasing.file.clone();
        let late = tell_if_late(ctx);
        let read = spawn_blocking(move || (file.read(), file.problem()));
        ctx.spawn(read.into_actor(self).map(move |read, source, ctx| {
            ctx.cancel_future(late);
            // The runtime is ending.
            let Ok((read, problem)) = read else { return ctx.stop() };
            problem.iter().for_each(|problem| Oddity::new(STATE_PATH, problem).log());
            let stored = read.unwrap_or_else(|error| {
                warn!(target: "lobby::labels", error = format!("{error:#}"), "labels for a time that the last run had are lost");
                None
            });
            let (leases, host) = (source.leasing.leases.clone(), source.host.clone());
            let files = source.files_to_come();
            let check = |change: &LeaseChange| check_limits(change, &leases, &host, files.clone());
            let is_changed = source.leasing.queue.is_read(stored.as_ref(), moment(), check);
            source.leasing.await_no_longer();
            source.leases_changed(is_changed, ctx);
            source.work(ctx);
        }));
    }

    /// Looks from time to time whether the wall clock was set, and whether the disk must be told of
    /// renewals.
    pub(super) fn watch_leases(ctx: &mut Context<Self>) {
        ctx.run_interval(LOOK_INTERVAL, |source, ctx| {
            source.leasing.leases.ledger().clock_is(moment());
            source.write_leases(ctx);
        });
    }

    /// Changes leases, at once or when the disk has the change.
    pub(super) fn change_leases(
        &mut self,
        change: LeaseChange,
        ctx: &mut Context<Self>,
    ) -> ResponseFuture<Result<(), StoreError>> {
        let now = clock::now();
        let (leases, files) = (&self.leasing.leases, self.files_to_come());
        if let Err(excess) = check_limits(&change, leases, &self.host, files) {
            return Box::pin(ready(Err(excess)));
        }
        if !self.leasing.queue.must_wait(&change, now) {
            let is_changed = self.leasing.leases.ledger().apply(&change, now);
            self.leases_changed(is_changed, ctx);
            return Box::pin(ready(Ok(())));
        }
        match self.leasing.queue.add(change) {
            Ok(outcome) => {
                self.write_leases(ctx);
                Box::pin(outcome.wait())
            }
            Err(refusal) => Box::pin(ready(Err(refusal))),
        }
    }

    /// The labels of the files, with those that are being stored.
    fn files_to_come(&self) -> Vec<Label> {
        let mut labels = self.files.labels();
        labels.extend_from_slice(&self.adding);
        labels
    }

    /// Leases are others, and perhaps labels: tells those, and sees to the rest.
    fn leases_changed(&mut self, are_labels_others: bool, ctx: &mut Context<Self>) {
        // The first packet is that of the first reading.
        if are_labels_others && self.known.is_some() {
            self.take_in();
        }
        self.write_leases(ctx);
    }

    /// Writes what waits for the disk, or is due.
    fn write_leases(&mut self, ctx: &mut Context<Self>) {
        if let Some(batch) = self.leasing.queue.next(moment()) {
            self.write_batch(batch, ctx);
        }
        self.wake_for_leases(ctx);
    }

    fn write_batch(&self, batch: LeaseBatch, ctx: &mut Context<Self>) {
        let file = self.leasing.file.clone();
        let written = spawn_blocking(move || {
            let written = batch.store(&file);
            (batch, written)
        });
        let late = tell_if_late(ctx);
        ctx.spawn(written.into_actor(self).map(move |done, source, ctx| {
            ctx.cancel_future(late);
            // The runtime is ending.
            let Ok((batch, written)) = done else { return ctx.stop() };
            let is_changed = source.leasing.queue.finish(batch, written, clock::now());
            source.leases_changed(is_changed, ctx);
        }));
    }

    /// Sees to it that ends and writings come in time.
    fn wake_for_leases(&mut self, ctx: &mut Context<Self>) {
        let now = clock::now();
        let Some(deadline) = self.leasing.deadline(now) else { return };
        if let Some((earlier, wake)) = self.leasing.wake {
            if earlier <= deadline {
                return;
            }
            ctx.cancel_future(wake);
        }
        let wake = ctx.run_later(deadline.saturating_duration_since(now), |source, ctx| {
            source.leasing.wake = None;
            let have_ended = source.leasing.leases.ledger().sweep(clock::now());
            source.leases_changed(have_ended, ctx);
        });
        self.leasing.wake = Some((deadline, wake));
    }
}

/// Now.
fn moment() -> Moment {
    Moment { now: clock::now(), unix_millis: clock::unix_millis() }
}

/// Checks that peers accept a host with the labels of a change that it does not have yet.
fn check_limits(
    change: &LeaseChange,
    leases: &Leases,
    host: &LocalHost,
    mut files: Vec<Label>,
) -> Result<(), StoreError> {
    let LeaseChange::Grant { labels, .. } = change else { return Ok(()) };
    let is_renewal = {
        let ledger = leases.ledger();
        labels.iter().all(|label| ledger.table().get(label).is_some())
    };
    if is_renewal {
        return Ok(());
    }
    files.extend_from_slice(labels);
    Ok(host.check_limits(files)?)
}

/// Tells when the disk takes too long, unless that is cancelled.
fn tell_if_late(ctx: &mut Context<LabelSource>) -> SpawnHandle {
    ctx.run_later(DISK_LIMIT, |_, _| {
        warn!(target: "lobby::labels", "the disk with STATE_PATH does not answer, no labels that end are stored");
    })
}

impl Handler<LeaseLabels> for LabelSource {
    type Result = ResponseFuture<Result<(), StoreError>>;

    fn handle(&mut self, asked: LeaseLabels, ctx: &mut Self::Context) -> Self::Result {
        let LeaseLabels { labels, ttl } = asked;
        self.change_leases(LeaseChange::Grant { labels, ttl }, ctx)
    }
}
