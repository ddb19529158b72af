//! The way out of log lines: a bounded queue, and a thread that writes it, so that nothing else
//! waits for a slow reader.

use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

/// Most bytes that wait to be written. A reader that stands still for a moment loses nothing.
const MAX_BYTES: usize = 1024 * 1024;

/// What a line costs beside its bytes.
const LINE_COST: usize = 64;

/// Lines that wait for standard error. Further ones are dropped and counted while it is full.
#[derive(Clone, Default)]
pub(super) struct LineQueue(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<Vec<u8>>,
    bytes: usize,
    dropped: u64,
    /// All that were ever lost, dropped or not written.
    lost: u64,
    is_writing: bool,
    /// The thread that writes. Its own report finds room always.
    writer: Option<ThreadId>,
}

impl LineQueue {
    /// Starts the thread that writes lines to `output`. When lines were lost and the next ones are
    /// written, it calls `report` with the number of those lost, which may log it.
    ///
    /// # Errors
    /// When there cannot be another thread.
    pub(super) fn start(output: impl Write + Send + 'static, report: fn(u64)) -> io::Result<Self> {
        let queue = Self::default();
        let written = queue.clone();
        thread::Builder::new().name("log".to_owned()).spawn(move || written.run(output, report))?;
        Ok(queue)
    }

    /// Waits until all lines are written, for a limited time.
    pub(super) fn flush(&self, limit: Duration) {
        let is_busy = |state: &mut State| state.is_writing || !state.lines.is_empty();
        // What is not written in time is lost, as it is when the reader has gone.
        drop(self.0.changed.wait_timeout_while(self.state(), limit, is_busy));
    }

    /// The number of lines that were ever lost.
    pub(super) fn lost(&self) -> u64 {
        self.state().lost
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: &[u8]) {
        let mut state = self.state();
        let bytes = state.bytes + line.len() + LINE_COST;
        if bytes > MAX_BYTES && state.writer != Some(thread::current().id()) {
            state.dropped += 1;
            state.lost += 1;
            return;
        }
        state.bytes = bytes;
        state.lines.push(line.to_owned());
        self.0.changed.notify_all();
    }

    /// Waits for lines, and takes them with the number of those dropped.
    fn take(&self) -> (Vec<Vec<u8>>, u64) {
        let mut state = self.state();
        state.is_writing = false;
        self.0.changed.notify_all();
        let idle = |state: &mut State| state.lines.is_empty();
        let mut state =
            self.0.changed.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner);
        state.is_writing = true;
        state.bytes = 0;
        (std::mem::take(&mut state.lines), std::mem::take(&mut state.dropped))
    }

    fn run(&self, mut output: impl Write, report: fn(u64)) {
        self.state().writer = Some(thread::current().id());
        let mut lost = 0;
        loop {
            let (lines, dropped) = self.take();
            let failed = lines.iter().filter(|line| output.write_all(line).is_err()).count();
            self.state().lost += u64::try_from(failed).unwrap_or(u64::MAX);
            lost += dropped + u64::try_from(failed).unwrap_or(u64::MAX);
            if failed < lines.len() && lost > 0 {
                report(std::mem::take(&mut lost));
            }
        }
    }
}

impl Write for LineQueue {
    /// Takes a whole line, always.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Standard error, past the lock of the standard library, which a thread that panics takes.
pub(super) struct StandardError(std::fs::File);

impl StandardError {
    /// A handle of its own.
    ///
    /// # Errors
    /// When there are too many open files.
    pub(super) fn open() -> io::Result<Self> {
        Ok(Self(io::stderr().as_fd().try_clone_to_owned()?.into()))
    }
}

impl Write for StandardError {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.0.write(bytes) {
                // The parent process may have made it so for itself.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    poll(&mut [PollFd::new(&self.0, PollFlags::OUT)], None)?;
                }
                written => return written,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    /// An output that takes a line when it is let, and hands it over.
    struct Gate(Receiver<()>, Sender<Vec<u8>>);

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.recv().map_err(io::Error::other)?;
            self.1.send(bytes.to_owned()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn ignore(_: u64) {}

    #[test]
    fn lines_are_written_in_their_order() {
        let ((let_one, gate), (written, lines)) = (channel(), channel());
        let mut queue = LineQueue::start(Gate(gate, written), ignore).unwrap();
        for line in ["one\n", "two\n", "three\n"] {
            queue.write_all(line.as_bytes()).unwrap();
            let_one.send(()).unwrap();
        }
        LineQueue::flush(&queue, LIMIT);
        assert_eq!(
            lines.try_iter().collect::<Vec<_>>(),
            [b"one\n".to_vec(), b"two\n".to_vec(), b"three\n".to_vec()]
        );
    }

    #[test]
    fn a_stuck_output_holds_up_nothing_and_what_is_lost_is_told() {
        static LOST: AtomicU64 = AtomicU64::new(0);
        fn report(lost: u64) {
            LOST.fetch_add(lost, Ordering::SeqCst);
        }
        let ((let_one, gate), (written, lines)) = (channel(), channel());
        let mut queue = LineQueue::start(Gate(gate, written), report).unwrap();
        for _ in 0..3000 {
            queue.write_all(&[b'x'; 1024]).unwrap();
        }
        LineQueue::flush(&queue, Duration::from_millis(1));
        let waiting = queue.state().bytes;
        assert!(waiting <= MAX_BYTES, "{waiting}");
        for _ in 0..3000 {
            let_one.send(()).unwrap();
        }
        LineQueue::flush(&queue, LIMIT);
        let written = lines.try_iter().count();
        assert!(written >= MAX_BYTES / (1024 + LINE_COST), "{written}");
        assert_eq!(u64::try_from(written).unwrap() + LOST.load(Ordering::SeqCst), 3000);
    }
}
