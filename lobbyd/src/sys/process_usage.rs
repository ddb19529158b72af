//! What this process uses, as the system says.

use std::fs;

use rustix::process::{Resource, getrlimit};

use lobby_core::render::metrics::ProcessUsage;

/// What this process uses now; it was started at `started`, in Unix seconds. `None` where there is
/// no `/proc`. Blocks for as long as the system takes to count the open files.
pub fn read(started: i64) -> Option<ProcessUsage> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // Less the one that counts them.
    let open_files = fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
    let max_files = getrlimit(Resource::Nofile).current;
    Some(ProcessUsage::parse(&status, &stat, started, open_files, max_files))
}
