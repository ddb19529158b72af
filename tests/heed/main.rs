//! Heed: runs a command for each signal that it gets. It stands where a test needs a program with
//! traps: a shell loses a signal that comes just while it starts a child or waits for one.

use std::future::poll_fn;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::signal::unix::{self, SignalKind};

/// What is to be done at a signal.
struct Trap {
    signal: unix::Signal,
    command: String,
}

/// `heed FILE NAME=COMMAND…` writes `ready` to the file when it listens. It ends with the status of
/// the first command that fails, or with the file, as no program outlives its test.
#[actix_rt::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().expect("heed FILE NAME=COMMAND…");
    let mut traps: Vec<Trap> = arguments.map(|argument| trap(&argument)).collect();
    let mut shell = Shell::start();
    std::fs::write(&file, "ready\n").expect("a file that can be written");
    let mut status = 0;
    while status == 0 {
        tokio::select! {
            command = next(&mut traps) => status = shell.run(&command).await,
            () = has_gone(Path::new(&file)) => break,
        }
    }
    shell.end().await;
    ExitCode::from(status)
}

fn trap(argument: &str) -> Trap {
    let (name, command) = argument.split_once('=').expect("NAME=COMMAND");
    let kind = match name {
        "ALRM" => SignalKind::alarm(),
        "HUP" => SignalKind::hangup(),
        "INT" => SignalKind::interrupt(),
        "QUIT" => SignalKind::quit(),
        "TERM" => SignalKind::terminate(),
        "USR1" => SignalKind::user_defined1(),
        "USR2" => SignalKind::user_defined2(),
        "WINCH" => SignalKind::window_change(),
        _ => panic!("{name} is not a known signal"),
    };
    let signal = unix::signal(kind).expect("a signal that can be heard");
    Trap { signal, command: command.to_owned() }
}

/// The command of the next signal.
async fn next(traps: &mut [Trap]) -> String {
    poll_fn(|context| {
        for trap in &mut *traps {
            if trap.signal.poll_recv(context) == Poll::Ready(Some(())) {
                return Poll::Ready(trap.command.clone());
            }
        }
        Poll::Pending
    })
    .await
}

/// A shell in a process group of its own, which no signal of a terminal reaches. It is started
/// before there are signals: one that comes just then would end it, as it is in our group at first.
struct Shell {
    orders: ChildStdin,
    statuses: Lines<BufReader<ChildStdout>>,
    child: Child,
}

impl Shell {
    fn start() -> Self {
        let mut command = Command::new("sh");
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("a shell");
        let orders = child.stdin.take().expect("it is piped");
        let statuses = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        Self { orders, statuses, child }
    }

    /// Runs a command and returns its exit status.
    async fn run(&mut self, command: &str) -> u8 {
        let order = format!("({command}) </dev/null >&2\necho $?\n");
        self.orders.write_all(order.as_bytes()).await.expect("a shell that reads");
        let status = self.statuses.next_line().await.expect("a shell that answers");
        status.and_then(|status| status.parse().ok()).expect("a status")
    }

    /// Lets it end, and waits for that: an orphan would be a child of process 1, which may be a
    /// program that takes it for its own.
    async fn end(mut self) {
        drop(self.orders);
        self.child.wait().await.expect("a shell that ends");
    }
}

async fn has_gone(file: &Path) {
    while file.exists() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
