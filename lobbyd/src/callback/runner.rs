//! The callback runner: runs the callback when the list of hosts changes.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;
use tokio_stream::wrappers::WatchStream;
use tracing::{debug, info, warn};

use crate::callback::process::{CallbackCommand, CallbackProcess, Ended, ProcessGroup, RunContext};
use crate::sys::clock;
use lobby_core::callback::host_list::HostList;
use lobby_core::callback::schedule::{RunReason, RunSchedule};
use lobby_core::registry::snapshot::Snapshot;
use lobby_core::render::Query;
use lobby_core::render::list::List;
use lobby_core::render::metrics::CallbackCounts;

/// How long a callback has to end by itself when the daemon stops; just under the second in which
/// the daemon must be gone.
const TERM_GRACE: Duration = Duration::from_millis(850);

/// How long the start of a program may take before that is logged. It takes milliseconds unless a
/// file system hangs.
const SLOW_START: Duration = Duration::from_secs(10);

/// Pause before a program is started again that is just being written, and how often that is done.
const BUSY_PAUSE: Duration = Duration::from_millis(200);
const BUSY_ATTEMPTS: u32 = 50;

/// Most runs whose processes in the background may still write.
const MAX_OPEN_OUTPUTS: usize = 32;

/// End the callback, if one is running. *Asked by App* at the end. Replies when it is gone.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct EndCallback;

/// Kill the callback, if one is running. *Asked by App* when it cannot wait any longer. Replies
/// when that is done.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct KillCallback;

/// Actor that watches the registry and runs the callback when its schedule says so.
pub struct CallbackRunner {
    command: Arc<CallbackCommand>,
    schedule: RunSchedule,
    counts: Arc<CallbackCounts>,
    /// The list that runs are given.
    query: Arc<Query>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    timer: Option<SpawnHandle>,
    running: Option<Run>,
    /// Readers of output that earlier runs left open, the oldest first.
    open_outputs: VecDeque<JoinHandle<()>>,
}

/// A run of the callback: its process group once the program is started; closed when the run ends.
type Run = watch::Receiver<Option<ProcessGroup>>;

/// The other side of a [`Run`].
type RunState = watch::Sender<Option<ProcessGroup>>;

impl CallbackRunner {
    /// A runner of this command for changes of what a query selects of the snapshot.
    pub fn new(
        command: CallbackCommand,
        schedule: RunSchedule,
        query: Query,
        snapshots: watch::Receiver<Arc<Snapshot>>,
        counts: Arc<CallbackCounts>,
    ) -> Self {
        let (command, query) = (Arc::new(command), Arc::new(query));
        let open_outputs = VecDeque::new();
        Self {
            command,
            schedule,
            counts,
            query,
            snapshots,
            timer: None,
            running: None,
            open_outputs,
        }
    }

    /// Sets the timer for the next run, if there is to be one.
    fn await_run(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        if let Some(deadline) = self.schedule.deadline() {
            let wait = deadline.saturating_duration_since(clock::now());
            self.timer = Some(ctx.run_later(wait, Self::run));
        }
    }

    fn run(&mut self, ctx: &mut Context<Self>) {
        let now = clock::now();
        let Some(reason) = self.schedule.start(now) else { return self.await_run(ctx) };
        let (snapshot, query) = (Arc::clone(&self.snapshots.borrow()), Arc::clone(&self.query));
        let prepared = spawn_blocking(move || Preparation::new(snapshot, &query, reason, now));
        ctx.spawn(prepared.into_actor(self).map(|prepared, runner, ctx| match prepared {
            Ok(preparation) => runner.prepared(preparation, ctx),
            Err(error) => {
                warn!(target: "lobby::callback", %error, "the callback's list cannot be made");
                runner.ended(false, ctx);
            }
        }));
    }

    fn prepared(&mut self, preparation: Preparation, ctx: &mut Context<Self>) {
        if !self.schedule.prepared(preparation.list) {
            debug!(target: "lobby::callback", "no run: the list is that of the last one");
            return self.await_run(ctx);
        }
        if self.schedule.is_retired() {
            return;
        }
        let (state, run) = watch::channel(None);
        self.running = Some(run);
        let Preparation { context, input, .. } = preparation;
        self.start_program(Start { context, input, state, attempt: 1 }, ctx);
    }

    /// Starts the program, off this thread.
    fn start_program(&self, run: Start, ctx: &mut Context<Self>) {
        let (command, context) = (Arc::clone(&self.command), run.context);
        let start = async move {
            let mut start = spawn_blocking(move || command.start(context));
            let joined = match timeout(SLOW_START, &mut start).await {
                Ok(joined) => joined,
                Err(_) => {
                    warn!(target: "lobby::callback", "callback does not start, its file system may hang; waiting for it");
                    start.await
                }
            };
            joined.map_err(io::Error::other).flatten()
        };
        ctx.spawn(start.into_actor(self).map(move |started, runner, ctx| match started {
            Ok(process) => runner.attend(process, run, ctx),
            Err(error) => runner.not_started(&error, run, ctx),
        }));
    }

    fn not_started(&mut self, error: &io::Error, mut run: Start, ctx: &mut Context<Self>) {
        if error.kind() == ErrorKind::ExecutableFileBusy
            && run.attempt < BUSY_ATTEMPTS
            && !self.schedule.is_retired()
        {
            if run.attempt == 1 {
                info!(target: "lobby::callback", %error, "the callback's program is being written, trying again");
            }
            run.attempt += 1;
            ctx.run_later(BUSY_PAUSE, move |runner, ctx| runner.start_program(run, ctx));
            return;
        }
        warn!(target: "lobby::callback", command = ?self.command.words(), %error, "callback cannot be started");
        self.ended(false, ctx);
    }

    fn attend(&mut self, process: CallbackProcess, run: Start, ctx: &mut Context<Self>) {
        if self.schedule.is_retired() {
            return process.group().kill();
        }
        let Start { context, input, state, .. } = run;
        let reason = context.reason.to_string();
        info!(target: "lobby::callback", command = ?self.command.words(), reason, "callback started");
        state.send_replace(Some(process.group()));
        let finished = process.finish(input).into_actor(self).map(|ended, runner, ctx| {
            drop(state);
            let Ended { status, is_late, open_output } = ended;
            log_end(&status, is_late);
            runner.keep_reading(open_output);
            let succeeded = status.is_ok_and(|status| status.success()) && !is_late;
            runner.ended(succeeded, ctx);
        });
        ctx.spawn(finished);
    }

    /// Goes on reading what processes in the background write.
    fn keep_reading(&mut self, open_output: Option<JoinHandle<()>>) {
        self.open_outputs.retain(|output| !output.is_finished());
        self.open_outputs.extend(open_output);
        if self.open_outputs.len() > MAX_OPEN_OUTPUTS
            && let Some(oldest) = self.open_outputs.pop_front()
        {
            let runs = MAX_OPEN_OUTPUTS;
            warn!(target: "lobby::callback", runs, "too many runs left processes with open output, that of the oldest is closed");
            oldest.abort();
        }
    }

    fn ended(&mut self, succeeded: bool, ctx: &mut Context<Self>) {
        self.running = None;
        if succeeded {
            self.counts.succeeded(clock::unix_seconds());
        } else {
            self.counts.failed();
        }
        self.schedule.end(succeeded, clock::now());
        self.await_run(ctx);
    }
}

/// What a run needs, made off the actors' thread.
struct Preparation {
    list: HostList,
    context: RunContext,
    input: Vec<u8>,
}

/// A run whose program is being started.
struct Start {
    context: RunContext,
    input: Vec<u8>,
    state: RunState,
    attempt: u32,
}

impl Preparation {
    /// The input is the list of packets as the API returns it. May take long.
    fn new(snapshot: Arc<Snapshot>, query: &Query, reason: RunReason, now: Instant) -> Self {
        let list = HostList::new(&snapshot, &query.selection, now);
        let is_warm = snapshot.is_warm(now);
        let context = RunContext { reason, is_warm, revision: snapshot.revision() };
        let input = List::new(snapshot, query.clone(), now).collect::<String>().into_bytes();
        Self { list, context, input }
    }
}

crate::healthz::answers_healthz!(CallbackRunner);

impl Actor for CallbackRunner {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.add_stream(WatchStream::new(self.snapshots.clone()));
        self.await_run(ctx);
        let command = Arc::clone(&self.command);
        // Not awaited: a file system that hangs holds up this one look.
        drop(spawn_blocking(move || warn_of_problem(&command)));
    }
}

fn warn_of_problem(command: &CallbackCommand) {
    if let Some(problem) = CallbackCommand::problem_of(command.words()) {
        let expected = "expected the path of an executable file or the name of a program";
        warn!(target: "lobby::callback", "CALLBACK cannot be run: {problem}: {expected}; it is tried all the same");
    }
}

fn log_end(status: &io::Result<ExitStatus>, is_late: bool) {
    match status {
        Ok(status) if status.success() && !is_late => {
            info!(target: "lobby::callback", "callback succeeded");
        }
        Ok(status) => {
            warn!(target: "lobby::callback", status = status.to_string(), "callback failed, it is tried again");
        }
        Err(error) => warn!(target: "lobby::callback", %error, "cannot wait for the callback"),
    }
}

impl StreamHandler<Arc<Snapshot>> for CallbackRunner {
    fn handle(&mut self, snapshot: Arc<Snapshot>, ctx: &mut Self::Context) {
        if self.schedule.follow(&snapshot, &self.query.selection, clock::now()) {
            self.await_run(ctx);
        }
    }

    fn finished(&mut self, _: &mut Self::Context) {}
}

impl Handler<EndCallback> for CallbackRunner {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: EndCallback, _: &mut Self::Context) -> Self::Result {
        self.schedule.retire();
        let running = self.running.clone();
        Box::pin(async {
            let Some(mut run) = running else { return };
            // At the end of the run its sender is gone, and there is nothing more to wait for.
            timeout(TERM_GRACE, terminate(&mut run)).await.ok();
            kill(&run);
        })
    }
}

impl Handler<KillCallback> for CallbackRunner {
    type Result = ();

    fn handle(&mut self, _: KillCallback, _: &mut Self::Context) {
        self.schedule.retire();
        self.running.iter().for_each(kill);
    }
}

/// Asks the processes of a run to end, once there are any, and waits for the end of the run.
async fn terminate(run: &mut Run) {
    if let Ok(group) = run.wait_for(Option::is_some).await
        && let Some(group) = *group
    {
        group.terminate();
    }
    while run.changed().await.is_ok() {}
}

fn kill(run: &Run) {
    if let Some(group) = *run.borrow() {
        group.kill();
    }
}
