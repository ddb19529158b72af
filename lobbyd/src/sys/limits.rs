//! What the operating system lets the daemon use.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// Open files that are enough: a connection is one. No more, for callback scripts inherit the limit, and some programs look at every
/// file that they might have open, which without a limit is a thousand million.
const ENOUGH_FILES: u64 = 65_536;

/// Raises the number of files that may be open as far as the hard limit allows. The soft one is usually 1,024, for the sake of programs
/// that use `select(2)`, which counts no further; a crowd of idle clients would use it up and lock everybody else out.
pub fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(ENOUGH_FILES, |maximum| maximum.min(ENOUGH_FILES));
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            warn!(%error, limit = limit.current, "the limit of open files cannot be raised");
        }
    }
}
