//! Process metrics, under the names that every program gives them.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::series::Series;

/// What a process uses.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcessUsage {
    /// Processor time so far, in seconds.
    pub cpu_seconds: f64,
    /// Memory that it holds, in bytes.
    pub resident_bytes: u64,
    /// Addresses that it has taken, in bytes.
    pub virtual_bytes: u64,
    /// When it was started, in Unix seconds.
    pub started: i64,
    /// Its open files.
    pub open_files: usize,
    /// Most files that it may open; `None` = no limit.
    pub max_files: Option<u64>,
    /// Its threads.
    pub threads: u64,
}

impl ProcessUsage {
    /// Memory, threads and processor time as `/proc/self/status` and `/proc/self/stat` hold them,
    /// with numbers from elsewhere. A line that is missing counts as 0.
    ///
    /// Linux counts processor time in hundredths of a second for programs, on every machine.
    pub fn parse(
        status: &str,
        stat: &str,
        started: i64,
        open_files: usize,
        max_files: Option<u64>,
    ) -> Self {
        const TICKS_A_SECOND: f64 = 100.0;
        let line = |name: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(name))?;
            value.split_whitespace().next()?.parse::<u64>().ok()
        };
        let kilobytes = |name: &str| line(name).unwrap_or_default() * 1024;
        // Behind the name in parentheses, which may hold spaces: utime is the 12th, stime the 13th.
        let behind = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
        let ticks = behind.split_whitespace().skip(11).take(2);
        let ticks: u64 = ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
        #[expect(clippy::cast_precision_loss, reason = "hundredths of seconds since the start")]
        let cpu_seconds = ticks as f64 / TICKS_A_SECOND;
        Self {
            cpu_seconds,
            resident_bytes: kilobytes("VmRSS:"),
            virtual_bytes: kilobytes("VmSize:"),
            started,
            open_files,
            max_files,
            threads: line("Threads:").unwrap_or_default(),
        }
    }
}

impl Collector for ProcessUsage {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let mut series = Series(&mut encoder);
        let cpu = "Total user and system CPU time spent in seconds";
        series.seconds("cpu_seconds", cpu, self.cpu_seconds)?;
        series.gauge(
            "resident_memory_bytes",
            "Resident memory size in bytes",
            self.resident_bytes,
        )?;
        series.gauge("virtual_memory_bytes", "Virtual memory size in bytes", self.virtual_bytes)?;
        let start = "Start time of the process since unix epoch in seconds";
        series.gauge("start_time_seconds", start, self.started)?;
        series.gauge("open_fds", "Number of open file descriptors", self.open_files)?;
        if let Some(max_files) = self.max_files {
            series.gauge("max_fds", "Maximum number of open file descriptors", max_files)?;
        }
        series.gauge("threads", "Number of OS threads in the process", self.threads)
    }
}
