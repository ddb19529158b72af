//! Notices: lines on standard error, written by a thread of their own, so that nothing waits for a
//! reader who does not read.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// Most lines that wait. Further ones are dropped.
const MAX_WAITING: usize = 64;

/// How long the last lines may take.
const LAST_LIMIT: Duration = Duration::from_millis(300);

/// The way to standard error.
#[derive(Debug)]
pub(super) struct Notices {
    waiting: SyncSender<Order>,
}

enum Order {
    Write(String),
    /// Tell that all before is written.
    Answer(SyncSender<()>),
}

impl Notices {
    /// Starts the thread that writes.
    pub(super) fn start() -> io::Result<Self> {
        let (waiting, orders) = sync_channel(MAX_WAITING);
        thread::Builder::new().name("notices".to_owned()).spawn(move || write(&orders))?;
        Ok(Self { waiting })
    }

    /// Writes a line when standard error takes it.
    pub(super) fn say(&self, line: impl Into<String>) {
        // Where nobody reads, a line is lost rather than waited for.
        self.waiting.try_send(Order::Write(line.into())).ok();
    }

    /// Waits until all is written, but not for long.
    pub(super) fn finish(&self) {
        let (answer, answered) = sync_channel(1);
        if self.waiting.try_send(Order::Answer(answer)).is_ok() {
            // What is not written by then stays unwritten.
            answered.recv_timeout(LAST_LIMIT).ok();
        }
    }
}

fn write(orders: &Receiver<Order>) {
    for order in orders {
        match order {
            // Where standard error is closed, nobody needs to know.
            Order::Write(line) => drop(writeln!(io::stderr(), "lobbyctl: {line}")),
            // Who asked may have gone.
            Order::Answer(answer) => drop(answer.send(())),
        }
    }
}
