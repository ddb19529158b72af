//! The output of the callback as log lines, so many in a time and no more.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lobby_core::log::throttle::Throttle;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tracing::{info, warn};

use crate::sys::clock;

/// Longest piece of output that is logged as one line, in bytes.
const MAX_LINE_LEN: u64 = 8 * 1024;

/// Most lines logged in [`PERIOD`].
const BURST: u32 = 500;
const PERIOD: Duration = Duration::from_secs(10);

/// The log of all runs of the callback.
#[derive(Debug, Clone)]
pub(super) struct OutputLog(Arc<Mutex<Throttle>>);

impl OutputLog {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Throttle::new(BURST, PERIOD))))
    }

    /// Logs each line of a stream until it is closed.
    pub(super) async fn log_lines(
        &self,
        stream: &'static str,
        output: Option<impl AsyncRead + Unpin>,
    ) {
        let Some(output) = output else { return };
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while let Ok(1..) = (&mut output).take(MAX_LINE_LEN).read_until(b'\n', &mut line).await {
            let passed = self.0.lock().unwrap_or_else(PoisonError::into_inner).pass(clock::now());
            if let Some(held_back) = passed {
                log_line(stream, &line, held_back);
            }
            line.clear();
        }
    }

    /// Logs how many lines were not logged, if there were any.
    pub(super) fn log_rest(&self) {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner).take_held_back();
        if lines > 0 {
            warn!(target: "lobby::callback", lines, "the callback wrote too much, these lines of its output were not logged");
        }
    }
}

fn log_line(stream: &'static str, line: &[u8], held_back: u64) {
    let line = String::from_utf8_lossy(line);
    let line = line.trim_end();
    match held_back {
        0 => info!(target: "lobby::callback", stream, %line, "callback output"),
        _ => info!(target: "lobby::callback", stream, %line, held_back, "callback output"),
    }
}
