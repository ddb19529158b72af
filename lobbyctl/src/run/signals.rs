//! Signals: those that tell a program something.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use rustix::process::Signal;
use tokio::signal::unix::{self, SignalKind};

/// The signals that this process waits for.
const HEARD: [(Signal, fn() -> SignalKind); 10] = [
    (Signal::TERM, SignalKind::terminate),
    (Signal::INT, SignalKind::interrupt),
    (Signal::QUIT, SignalKind::quit),
    (Signal::HUP, SignalKind::hangup),
    (Signal::USR1, SignalKind::user_defined1),
    (Signal::USR2, SignalKind::user_defined2),
    (Signal::ALARM, SignalKind::alarm),
    (Signal::WINCH, SignalKind::window_change),
    (Signal::TSTP, || SignalKind::from_raw(Signal::TSTP.as_raw())),
    (Signal::CONT, || SignalKind::from_raw(Signal::CONT.as_raw())),
];

/// The signals that this process gets.
#[derive(Debug)]
pub(super) struct Signals {
    streams: Vec<(Signal, unix::Signal)>,
}

impl Signals {
    /// Listens from now on. What was ignored when lobbyctl was started, as under `nohup`, stays so
    /// for it and for the program.
    pub(super) fn listen() -> io::Result<Self> {
        let ignored = ignored(&std::fs::read_to_string("/proc/self/status").unwrap_or_default());
        let heard = HEARD.iter().filter(|(signal, _)| ignored & bit(*signal) == 0);
        let streams = heard.map(|(signal, kind)| Ok((*signal, unix::signal(kind())?)));
        Ok(Self { streams: streams.collect::<io::Result<_>>()? })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) -> Signal {
        poll_fn(|context| {
            for (signal, stream) in &mut self.streams {
                if stream.poll_recv(context) == Poll::Ready(Some(())) {
                    return Poll::Ready(*signal);
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Waits for the next one that tells a program to stop.
    pub(super) async fn stop(&mut self) {
        while !is_stop(self.next().await) {}
    }
}

/// Whether it tells a program to stop.
pub(super) fn is_stop(signal: Signal) -> bool {
    matches!(signal, Signal::TERM | Signal::INT | Signal::QUIT)
}

/// The place of a signal in a mask of the kernel.
fn bit(signal: Signal) -> u64 {
    u32::try_from(signal.as_raw() - 1).ok().and_then(|bit| 1_u64.checked_shl(bit)).unwrap_or(0)
}

/// The mask of the signals that are ignored, of the text of `/proc/self/status`; none if it has no
/// such line.
fn ignored(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_that_are_ignored_are_read_from_the_kernel() {
        let mask = ignored("Name:\tx\nSigIgn:\t0000000000001003\nSigCgt:\t0000000000000004\n");
        let of = |signal| mask & bit(signal) != 0;
        assert!(of(Signal::HUP) && of(Signal::INT) && of(Signal::PIPE), "{mask:x}");
        assert!(!of(Signal::QUIT) && !of(Signal::TERM) && !of(Signal::WINCH), "{mask:x}");
        assert_eq!(ignored(""), 0);
    }
}
