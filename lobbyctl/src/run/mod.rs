//! Run: labels that are there as long as a program and its check.

mod checks;
mod health;
mod lease;
mod notices;
mod program;
mod session;
mod signals;
mod stop;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use lobby_client::text::one_line;
use lobby_client::{Client, Error};
use rustix::process::{Signal, getpid, kill_process};
use tokio::time::timeout;

use crate::Failure;
use crate::args::RunOptions;
use crate::connection::Connection;
use crate::labels;
use crate::shell;

use checks::{Checks, News};
use lease::Lease;
use notices::Notices;
use program::{Change, Program};
use signals::{Signals, is_stop};
use stop::Stop;

/// How long the daemon may take to say what it can do, before the program is started.
const MEETING_LIMIT: Duration = Duration::from_secs(2);

/// How long a program that is to stop waits for its labels to go, and lobbyctl at its end.
const REMOVAL_LIMIT: Duration = Duration::from_secs(2);

/// Runs a program, or the check alone, until its end. Returns the exit status.
pub(crate) async fn run(
    client: &Client,
    connection: &Connection,
    options: &RunOptions,
) -> Result<i32, Failure> {
    // A signal that comes from here on is passed on.
    let signals = Signals::listen().context("cannot listen for signals").map_err(Failure::other)?;
    let notices = Notices::start().context("cannot start a thread").map_err(Failure::other)?;
    let notices = Arc::new(notices);
    let status = run_with(client, connection, options, signals, &notices).await;
    notices.finish();
    status
}

async fn run_with(
    client: &Client,
    connection: &Connection,
    options: &RunOptions,
    signals: Signals,
    notices: &Arc<Notices>,
) -> Result<i32, Failure> {
    meet(client, connection, options, notices).await?;
    let program = match options.command.as_slice() {
        [] => None,
        words => Some(Program::start(words)?),
    };
    let lease =
        Lease::new(client.clone(), options.labels.clone(), options.ttl, Arc::clone(notices));
    let checks = options.check.check.as_ref().map(|check| Checks::start(check, &options.check));
    if checks.is_none() {
        lease.want(true);
    }
    let (stop, notices) = (Stop::NotYet, Arc::clone(notices));
    let mut running = Running { signals, program, lease, checks, stop, notices, options };
    let status = running.until_its_end().await;
    running.finish().await;
    status.context("cannot wait for the program").map_err(Failure::other)
}

/// Asks the daemon what it can do. One that is away may come later; one that would keep the labels
/// for good is refused before anything is started.
async fn meet(
    client: &Client,
    connection: &Connection,
    options: &RunOptions,
    notices: &Notices,
) -> Result<(), Failure> {
    let so_far = match options.command.as_slice() {
        [] => "there are no labels so far",
        _ => "the program runs without labels so far",
    };
    let asked = timeout(MEETING_LIMIT, client.labels()).await;
    let Ok(asked) = asked else {
        notices.say(format!("the daemon does not answer: {so_far}"));
        return Ok(());
    };
    match asked {
        Ok(there) => {
            for label in &options.labels {
                if let Some(places) = labels::lasting(label, &there) {
                    let name = shell::word(label.as_str());
                    notices.say(format!("{name} stays whatever is run: {places}"));
                }
            }
            Ok(())
        }
        Err(error @ (Error::Unreachable { .. } | Error::Refused { status: 500.., .. })) => {
            notices.say(format!("{}: {so_far}", one_line(&error.to_string())));
            Ok(())
        }
        Err(error) if labels::is_of_before(&error) => Err(labels::cannot_end(&options.labels)),
        Err(error) => Err(Failure::asking(error, connection)),
    }
}

/// All that goes on at once.
struct Running<'a> {
    signals: Signals,
    program: Option<Program>,
    lease: Lease,
    checks: Option<Checks>,
    stop: Stop,
    notices: Arc<Notices>,
    options: &'a RunOptions,
}

impl Running<'_> {
    async fn until_its_end(&mut self) -> std::io::Result<i32> {
        loop {
            tokio::select! {
                biased;
                change = changed(&mut self.program) => match change {
                    Change::Ended(status) => return status,
                    Change::WantsTerminal => self.notices.say(
                        "the program was stopped: it wants the terminal, which the foreground has",
                    ),
                },
                signal = self.signals.next() => self.take_in(signal).await,
                () = self.stop.is_due() => self.tell(),
                news = next(&mut self.checks) => self.heed(&news),
            }
            if self.program.is_none() && matches!(self.stop, Stop::Told) {
                return Ok(crate::DONE);
            }
        }
    }

    /// Passes a signal on. The labels go before a program is told to stop, but somebody who tells
    /// it twice does not want to wait.
    async fn take_in(&mut self, signal: Signal) {
        let stops = is_stop(signal) || (self.program.is_none() && signal == Signal::HUP);
        match &mut self.stop {
            Stop::NotYet if stops => {
                self.lease.want(false);
                self.stop = Stop::with(signal, self.lease.gone(REMOVAL_LIMIT));
                self.stop_checks().await;
            }
            Stop::Waiting(waiting) if stops => {
                waiting.hold(signal);
                self.tell();
            }
            // It ends most programs, and comes behind TERM where systemd has SendSIGHUP=yes.
            Stop::Waiting(waiting) if signal == Signal::HUP => waiting.hold(signal),
            _ if signal == Signal::TSTP => self.pause(),
            _ => self.pass_on(signal),
        }
    }

    fn tell(&mut self) {
        self.stop.tell().into_iter().for_each(|signal| self.pass_on(signal));
    }

    fn pass_on(&self, signal: Signal) {
        if let Some(program) = &self.program {
            program.signal(signal);
        }
    }

    /// Stops the program, and lobbyctl with it, for a shell that lets both go on with CONT.
    fn pause(&self) {
        if session::is_watched() {
            self.pass_on(Signal::TSTP);
            // Nothing keeps a process from stopping itself.
            kill_process(getpid(), Signal::STOP).ok();
        }
    }

    /// Goes by the check, and says so: what the daemon makes of it is not known yet.
    fn heed(&self, News { is_well, is_first, reason }: &News) {
        self.lease.want(*is_well);
        let what = match (is_well, is_first) {
            (true, _) => "adding",
            (false, true) => "not yet adding",
            (false, false) => "removing",
        };
        self.notices.say(format!("{what} {}: {reason}", self.names()));
    }

    /// The labels, for people.
    fn names(&self) -> String {
        labels::listed(&self.options.labels)
    }

    async fn stop_checks(&mut self) {
        if let Some(checks) = self.checks.take() {
            checks.stop().await;
        }
    }

    async fn finish(&mut self) {
        self.stop_checks().await;
        self.lease.want(false);
        // Where there was no program the labels had their time.
        let limit = if self.program.is_some() { REMOVAL_LIMIT } else { Duration::ZERO };
        let has_gone = tokio::select! {
            biased;
            has_gone = self.lease.gone(limit) => has_gone,
            () = self.signals.stop() => false,
        };
        if !has_gone {
            let end = if self.options.labels.len() == 1 { "ends" } else { "end" };
            let (names, ttl) = (self.names(), humantime::format_duration(self.options.ttl));
            self.notices.say(format!("{names} could not be removed, and {end} within {ttl}"));
        }
    }
}

async fn changed(program: &mut Option<Program>) -> Change {
    match program {
        Some(program) => program.changed().await,
        None => std::future::pending().await,
    }
}

async fn next(checks: &mut Option<Checks>) -> News {
    match checks {
        Some(checks) => checks.next().await,
        None => std::future::pending().await,
    }
}
