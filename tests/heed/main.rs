//! Heed: runs a command for each signal that it gets. It stands where a test needs a program with
//! traps: a shell loses a signal that comes just while it starts a child or waits for one.

use std::future::poll_fn;
use std::path::Path;
use std::process::{ExitCode, ExitStatus};
use std::task::Poll;
use std::time::Duration;

use tokio::process::Command;
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
    std::fs::write(&file, "ready\n").expect("a file that can be written");
    loop {
        tokio::select! {
            command = next(&mut traps) => {
                let status = run(&command).await;
                if !status.success() {
                    return ExitCode::from(status.code().and_then(|it| it.try_into().ok()).unwrap_or(1));
                }
            }
            () = has_gone(Path::new(&file)) => return ExitCode::SUCCESS,
        }
    }
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

/// Runs a command, which no signal of a terminal reaches.
async fn run(command: &str) -> ExitStatus {
    let status = Command::new("sh").args(["-c", command]).process_group(0).status().await;
    status.expect("a shell")
}

async fn has_gone(file: &Path) {
    while file.exists() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
