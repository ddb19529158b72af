//! Session: the terminal, and who may stop what runs on it.

use std::fs;

use rustix::fs::{Mode, OFlags, open};

/// Whether this process belongs to a session on a terminal.
pub(super) fn has_terminal() -> bool {
    let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    open("/dev/tty", flags, Mode::empty()).is_ok()
}

/// Whether a shell of this session watches this process group, and would let it go on if it
/// stopped. Without one the kernel stops none for Ctrl-Z.
pub(super) fn is_watched() -> bool {
    let Some(own) = Place::of("self") else { return false };
    // In the middle of a group that a shell has started, the first process has it for a parent.
    let first = Place::of(&own.group.to_string());
    [Some(own), first].into_iter().flatten().any(|member| {
        let parent = Place::of(&member.parent.to_string());
        parent.is_some_and(|parent| parent.watches(own))
    })
}

/// Where a process stands among others: numbers of processes, as `/proc` has them. In a container
/// what is outside of it has the number 0, and no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    parent: u32,
    group: u32,
    session: u32,
}

impl Place {
    fn of(process: &str) -> Option<Self> {
        Self::in_stat(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
    }

    /// The place in a line of `/proc/ID/stat`: from the second field behind the name, which may
    /// hold anything.
    fn in_stat(stat: &str) -> Option<Self> {
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_whitespace().skip(1).map_while(|field| field.parse().ok());
        Some(Self { parent: fields.next()?, group: fields.next()?, session: fields.next()? })
    }

    /// Whether one of another group watches this one as shells do.
    fn watches(self, watched: Self) -> bool {
        self.session == watched.session && self.group != watched.group
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_whatever_the_name_is() {
        let place = |parent, group, session| Some(Place { parent, group, session });
        assert_eq!(Place::in_stat("7 (sh) S 5 7 3 34816 7 0"), place(5, 7, 3));
        assert_eq!(Place::in_stat("7 (a) S 1 (b) T 6 7 3 34816 7 0"), place(6, 7, 3));
        assert_eq!(Place::in_stat("1 (init) S 0 0 0 0 -1 0"), place(0, 0, 0));
        for cut in ["", "7 (sh)", "7 (sh) S 5 7", "7 (sh) S 5 -1 3"] {
            assert_eq!(Place::in_stat(cut), None, "{cut}");
        }
    }

    #[test]
    fn a_shell_watches_other_groups_of_its_session() {
        let place = |group, session| Place { parent: 1, group, session };
        assert!(place(5, 5).watches(place(7, 5)));
        assert!(!place(5, 5).watches(place(5, 5)));
        // The parent of the first process of a session, here and outside of a container.
        assert!(!place(5, 5).watches(place(7, 7)));
        assert!(!place(0, 0).watches(place(7, 7)));
    }
}
