//! What the figures were measured on.

use std::fs;
use std::num::NonZero;
use std::process::Command;
use std::thread::available_parallelism;

use serde::Serialize;

use crate::clock;

/// The machine and what ran on it.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// Model of its processor.
    pub processor: String,
    /// How many processors it has.
    pub cores: usize,
    /// Its memory.
    pub memory: String,
    /// Version of its kernel.
    pub kernel: String,
    /// Versions of the brokers.
    pub brokers: Vec<String>,
    /// Load average over one, five and fifteen minutes when the run began; the run is best begun
    /// on an idle machine.
    pub load: String,
    /// When the run began, in seconds since the Unix epoch.
    pub begun: u64,
}

impl Machine {
    /// This machine, now.
    pub fn look() -> Self {
        Self {
            processor: field("/proc/cpuinfo", "model name"),
            cores: available_parallelism().map_or(1, NonZero::get),
            memory: field("/proc/meminfo", "MemTotal"),
            kernel: file("/proc/sys/kernel/osrelease"),
            brokers: [("nats-server", 0), ("redis-server", 2)]
                .map(|(name, word)| version(name, word))
                .to_vec(),
            load: file("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" "),
            begun: clock::unix_seconds(),
        }
    }
}

fn file(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

/// The value of the first line `NAME : VALUE`.
fn field(path: &str, name: &str) -> String {
    let text = file(path);
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    let value = fields
        .filter(|(given, _)| given.trim() == name)
        .map(|(_, value)| value.trim().to_owned())
        .next();
    value.unwrap_or_else(|| "unknown".to_owned())
}

/// `nats-server: v2.9.10`, `Redis server v=7.0.15 sha=…`. Debian puts nats-server into /usr/sbin,
/// which is not in everybody's PATH.
fn version(program: &str, word: usize) -> String {
    let ask = |program: String| Command::new(program).arg("--version").output().ok();
    let output = ask(program.to_owned()).or_else(|| ask(format!("/usr/sbin/{program}")));
    let text = output
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    let version =
        text.split_whitespace().skip(word).find(|word| word.contains(|c: char| c.is_ascii_digit()));
    let version = version.unwrap_or("of unknown version").trim_start_matches(['v', '=']);
    format!("{program} {version}")
}
