//! The callback runner: runs the callback when the list of hosts changes.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_stream::wrappers::WatchStream;
use tracing::{info, warn};

use crate::callback::process::{CallbackCommand, CallbackProcess, ProcessGroup};
use crate::sys::clock;
use lobby_core::callback::cooldown::Cooldown;
use lobby_core::registry::snapshot::Snapshot;
use lobby_core::render::Query;
use lobby_core::render::list::List;

/// How long a callback has to end by itself when the daemon stops; just under the second in which the daemon must be gone.
const TERM_GRACE: Duration = Duration::from_millis(850);

/// End the callback, if one is running. *Asked by App* at the end. Replies when it is gone.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct EndCallback;

/// Kill the callback, if one is running. *Asked by App* when it cannot wait any longer. Replies when that is done.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct KillCallback;

/// Actor that watches the registry and runs the callback when the cooldown permits.
pub struct CallbackRunner {
    command: CallbackCommand,
    cooldown: Cooldown,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    /// The revision up to which changes have been seen; none before the first snapshot.
    seen: Option<u64>,
    timer: Option<SpawnHandle>,
    running: Option<Run>,
}

/// A callback that is running.
#[derive(Clone)]
struct Run {
    group: ProcessGroup,
    /// Closed when the callback ends.
    ended: watch::Receiver<()>,
}

impl CallbackRunner {
    /// A runner of this command for changes of the snapshot.
    pub fn new(command: CallbackCommand, cooldown: Cooldown, snapshots: watch::Receiver<Arc<Snapshot>>) -> Self {
        Self { command, cooldown, snapshots, seen: None, timer: None, running: None }
    }

    fn revision(&self) -> u64 {
        self.snapshots.borrow().revision()
    }

    /// Sets the timer for the next run, if there is to be one.
    fn schedule(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        if let Some(deadline) = self.cooldown.deadline(self.revision()) {
            let wait = deadline.saturating_duration_since(clock::now());
            self.timer = Some(ctx.run_later(wait, Self::run));
        }
    }

    fn run(&mut self, ctx: &mut Context<Self>) {
        if !self.cooldown.start(self.revision(), clock::now()) {
            return self.schedule(ctx);
        }
        match self.command.start() {
            Ok(process) => self.attend(process, ctx),
            Err(error) => {
                warn!(target: "lobby::callback", command = ?self.command.words, %error, "callback cannot be started");
                self.ended(ctx);
            }
        }
    }

    fn attend(&mut self, process: CallbackProcess, ctx: &mut Context<Self>) {
        info!(target: "lobby::callback", command = ?self.command.words, "callback started");
        let (end, ended) = watch::channel(());
        self.running = Some(Run { group: process.group(), ended });
        let finished = process.finish(self.input()).into_actor(self).map(|status, runner, ctx| {
            drop(end);
            match status {
                Ok(status) if status.success() => info!(target: "lobby::callback", "callback succeeded"),
                Ok(status) => warn!(target: "lobby::callback", status = status.to_string(), "callback failed, the next change runs it again"),
                Err(error) => warn!(target: "lobby::callback", %error, "cannot wait for the callback"),
            }
            runner.ended(ctx);
        });
        ctx.spawn(finished);
    }

    /// The list of packets, as the API returns it.
    fn input(&self) -> Vec<u8> {
        let snapshot = Arc::clone(&self.snapshots.borrow());
        List::new(snapshot, Query::ALL_PACKETS, clock::now()).collect::<String>().into_bytes()
    }

    fn ended(&mut self, ctx: &mut Context<Self>) {
        self.running = None;
        self.cooldown.end(clock::now());
        self.schedule(ctx);
    }
}

crate::healthz::answers_healthz!(CallbackRunner);

impl Actor for CallbackRunner {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.add_stream(WatchStream::new(self.snapshots.clone()));
    }
}

impl StreamHandler<Arc<Snapshot>> for CallbackRunner {
    fn handle(&mut self, snapshot: Arc<Snapshot>, ctx: &mut Self::Context) {
        let changes = self.seen.replace(snapshot.revision()).and_then(|seen| snapshot.changes_since(seen));
        // A reader that has to start over has missed changes.
        if changes.is_none_or(|mut changes| changes.next().is_some()) {
            self.schedule(ctx);
        }
    }

    fn finished(&mut self, _: &mut Self::Context) {}
}

impl Handler<EndCallback> for CallbackRunner {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: EndCallback, _: &mut Self::Context) -> Self::Result {
        self.cooldown.retire();
        let running = self.running.clone();
        Box::pin(async {
            let Some(Run { group, mut ended }) = running else { return };
            group.terminate();
            // An error means that the sender is gone: the callback has ended.
            timeout(TERM_GRACE, ended.changed()).await.ok();
            group.kill();
        })
    }
}

impl Handler<KillCallback> for CallbackRunner {
    type Result = ();

    fn handle(&mut self, _: KillCallback, _: &mut Self::Context) {
        self.cooldown.retire();
        if let Some(Run { group, .. }) = &self.running {
            group.kill();
        }
    }
}
