//! Limits that the operating system sets the daemon.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// Most open files asked for; a connection is one. No more, because callbacks inherit the limit and
/// some programs visit every file descriptor that could be open: without a limit 1,000,000,000.
const ENOUGH_FILES: u64 = 65_536;

/// Raises the limit of open files as far as the hard limit allows. The soft one is usually 1,024,
/// for the sake of programs that use `select(2)`; a crowd of idle clients would use it up and lock
/// all others out.
pub fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(ENOUGH_FILES, |maximum| maximum.min(ENOUGH_FILES));
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            warn!(target: "lobby", %error, limit = limit.current, "the limit of open files cannot be raised");
        }
    }
}
