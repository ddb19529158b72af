//! A fleet of real daemons over real brokers, through a script of random faults: nobody may ever be
//! lost, and all must agree in time.
//!
//! `CHAOS_ROUNDS` faults, drawn with `CHAOS_SEED`: the same seed gives the same script.

mod faults;
mod fleet;
mod hazards;
mod namesakes;
mod report;

use std::process::ExitCode;

use lobby_tests::eventually::now;
use tokio::signal::unix::{SignalKind, signal};

use crate::faults::Script;
use crate::fleet::Fleet;
use crate::report::{Report, say};

/// About four minutes: each kind of fault twice.
const ROUNDS: usize = 44;

#[actix_rt::main]
async fn main() -> ExitCode {
    let (rounds, seed) = (setting("CHAOS_ROUNDS").unwrap_or(ROUNDS), setting("CHAOS_SEED"));
    let seed = seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    // However this ends, all that was started is dropped, and thereby killed.
    tokio::select! {
        report = run(rounds, seed) => report.conclude(seed),
        () = interrupted() => {
            say("interrupted");
            ExitCode::from(130)
        }
    }
}

async fn run(rounds: usize, seed: u64) -> Report {
    let (began, mut report) = (now(), Report::default());
    let mut fleet = Fleet::start(fastrand::Rng::with_seed(seed)).await;
    say(&format!("seed {seed}, {rounds} rounds, {}", fleet.introduction()));
    fleet.gather(&mut report).await;
    for (round, fault) in Script::new(seed).take(rounds).enumerate() {
        report.begin(round + 1, rounds);
        fault.happen(&mut fleet, &mut report).await;
    }
    faults::aftermath(&mut fleet, &mut report).await;
    report.slowest_answer = fleet.slowest_answer();
    report.took = began.elapsed();
    report
}

async fn interrupted() {
    let signals =
        [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
    let [Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)] = signals else {
        panic!("signals can be listened to");
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
}

/// A number from the environment.
#[expect(clippy::disallowed_methods, reason = "a tool of the tests has no settings of its own")]
fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty())?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}={value} is no number")))
}
