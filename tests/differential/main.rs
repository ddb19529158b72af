//! A differential run: two builds of lobby side by side. Both get the same, and all that a user can
//! see of them is compared: answers, texts, exit statuses, packets, the callback's input.
//!
//! Only public surfaces are used: programs, HTTP, brokers, files. What may differ is listed in
//! [`exceptions`], each with its reason; any other difference ends the run with exit status 1.
//! Whole answers that were changed on purpose are in [`changes`].
//!
//! The base is a commit, and `base` names it. It moves on with a step that changes what users see
//! on purpose, such as a feature: run against the old base until nothing is unexplained, commit,
//! let `base` name that commit, and take out what the report no longer counts as used: all
//! exceptions below "changed on purpose" and all changes. What is left are values that differ by
//! nature.

mod answer;
mod brokers;
mod changes;
mod compare;
mod exceptions;
mod http;
mod levels;
mod observation;
mod options;
mod packets;
mod pair;
mod programs;
mod report;
mod topics;
mod waiting;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use options::Options;
use report::{Report, say};
use topics::{Run, Topic};

/// Topics at work at the same time: much of what they do is waiting.
const WORKERS: usize = 5;

fn main() -> ExitCode {
    let options = match Options::read() {
        Ok(options) => options,
        Err(refusal) => {
            say(&refusal);
            return ExitCode::from(2);
        }
    };
    let began = waiting::now();
    let Options { programs, only, seed, packets, show, spoil } = options;
    say(&format!("seed {seed}, {packets} packets over each driver"));
    let run = Run { programs, report: Report::new(spoil, show), seed, packets };
    let wanted = |(name, _): &&Topic| only.is_empty() || only.iter().any(|only| only == name);
    let queue = Mutex::new(topics::ALL.iter().filter(wanted).collect::<VecDeque<_>>());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(topic) = next(&queue) {
                    work(&run, topic);
                }
            });
        }
    });
    let ended = run.report.conclude();
    say(&format!("{:.0} s in all", began.elapsed().as_secs_f64()));
    ended
}

fn next<'a>(queue: &Mutex<VecDeque<&'a Topic>>) -> Option<&'a Topic> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

/// A topic that panics is a difference, and keeps no other from being compared.
fn work(run: &Run, (name, topic): &Topic) {
    let began = waiting::now();
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| topic(run))) {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        run.report.failed(name, text.unwrap_or("panicked"));
    }
    say(&format!("{name} done in {:.0} s", began.elapsed().as_secs_f64()));
}
