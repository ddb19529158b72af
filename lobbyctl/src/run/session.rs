//! Session: the terminal, and who may stop what runs on it.

use std::fs;

use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Pid, getpgid, getpgrp, getpid, getsid};

/// Whether this process belongs to a session on a terminal.
pub(super) fn has_terminal() -> bool {
    let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    open("/dev/tty", flags, Mode::empty()).is_ok()
}

/// Whether a shell of this session watches this process group, and would let it go on if it
/// stopped. Without one the kernel stops none for Ctrl-Z.
pub(super) fn is_watched() -> bool {
    let (group, session) = (getpgrp(), getsid(None).ok());
    let watches = |parent| {
        getpgid(Some(parent)).is_ok_and(|its| its != group) && getsid(Some(parent)).ok() == session
    };
    // In the middle of a group that a shell has started, the first process has it for a parent.
    [getpid(), group].into_iter().filter_map(parent).any(watches)
}

fn parent(id: Pid) -> Option<Pid> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", id.as_raw_nonzero())).ok()?;
    parent_in(&stat)
}

/// The parent in a line of `/proc/ID/stat`: the second field behind the name, which may hold
/// anything.
fn parent_in(stat: &str) -> Option<Pid> {
    let (_, fields) = stat.rsplit_once(')')?;
    Pid::from_raw(fields.split_whitespace().nth(1)?.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_read_whatever_the_name_is() {
        let id = |stat| parent_in(stat).map(|id| id.as_raw_nonzero().get());
        assert_eq!(id("7 (sh) S 5 7 3 34816 7 0"), Some(5));
        assert_eq!(id("7 (a) S 1 (b) T 6 7 3 34816 7 0"), Some(6));
        assert_eq!(id("1 (init) S 0 1 1 0 -1 0"), None);
        assert_eq!(id(""), None);
    }
}
