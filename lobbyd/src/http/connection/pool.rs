//! Connection pool: the connections of a worker thread. They are bounded so that file descriptors
//! remain for brokers, label files and callbacks, and a new client gets in however many idle ones
//! there are.
//!
//! Where there are too many connections the one that has been quiet for longest is closed, as
//! servers with keep-alive do it: its client connects again when it needs to, while a new client
//! that is refused can do nothing. Its request is finished, if it has one.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::task::{Context, Waker};

/// File descriptors that are kept for all but connections, at most.
const MAX_RESERVE: u64 = 256;

/// Most connections of a worker thread.
const MAX_CONNECTIONS: u64 = 10_000;

/// The limits on the connections of a worker thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) struct ConnectionLimits {
    /// With more connections than this, quiet ones are closed.
    pub soft: usize,
    /// With so many connections no further ones are accepted.
    pub hard: usize,
}

impl ConnectionLimits {
    /// The limits of each of `workers` threads, where the process may have so many files open.
    pub(in crate::http) fn new(open_files: Option<u64>, workers: u64) -> Self {
        let files = open_files.unwrap_or(u64::MAX);
        let for_all = files - (files / 4).min(MAX_RESERVE);
        let hard = (for_all / workers.max(1)).clamp(2, MAX_CONNECTIONS);
        let count = |count| usize::try_from(count).unwrap_or(usize::MAX);
        Self { soft: count(hard - hard.div_ceil(8)), hard: count(hard) }
    }
}

/// The connections of a worker thread.
#[derive(Debug, Default)]
pub(in crate::http) struct ConnectionPool {
    max: usize,
    connections: RefCell<HashMap<u64, Rc<Activity>>>,
    /// The number of events so far.
    clock: Cell<u64>,
}

/// The activity of a connection.
#[derive(Debug, Default)]
struct Activity {
    /// The number of its last event.
    latest: Cell<u64>,
    closing: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// The place of a connection in its pool. Dropped, it leaves the pool.
#[derive(Debug)]
pub(super) struct Membership {
    pool: Weak<ConnectionPool>,
    id: u64,
    activity: Rc<Activity>,
}

impl ConnectionPool {
    /// A pool in which quiet connections are closed if there are more than `max`.
    fn new(max: usize) -> Rc<Self> {
        Rc::new(Self { max, ..Self::default() })
    }

    /// The pool of this thread, whatever sockets it accepts connections from. `max` counts when it
    /// is made.
    pub(in crate::http) fn of_this_thread(max: usize) -> Rc<Self> {
        thread_local!(static POOL: OnceCell<Rc<ConnectionPool>> = const { OnceCell::new() });
        POOL.with(|pool| Rc::clone(pool.get_or_init(|| Self::new(max))))
    }

    /// Takes a new connection in; a quiet one is closed for it if there are too many.
    pub(super) fn join(self: &Rc<Self>) -> Membership {
        let (id, activity) = (self.tick(), Rc::<Activity>::default());
        activity.latest.set(id);
        let mut connections = self.connections.borrow_mut();
        if connections.len() >= self.max
            && let Some(quietest) = connections
                .values()
                .filter(|other| !other.closing.get())
                .min_by_key(|other| other.latest.get())
        {
            quietest.close();
        }
        connections.insert(id, Rc::clone(&activity));
        Membership { pool: Rc::downgrade(self), id, activity }
    }

    fn tick(&self) -> u64 {
        self.clock.set(self.clock.get() + 1);
        self.clock.get()
    }
}

impl Activity {
    fn close(&self) {
        self.closing.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Membership {
    /// Whether the connection should take no further request.
    pub(super) fn is_closing(&self) -> bool {
        self.activity.closing.get()
    }

    /// Something was read or written.
    pub(super) fn touch(&self) {
        if let Some(pool) = self.pool.upgrade() {
            self.activity.latest.set(pool.tick());
        }
    }

    /// Wakes the task when the connection should take no further request.
    pub(super) fn wake_to_close(&self, context: &Context<'_>) {
        let mut waker = self.activity.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            *waker = Some(context.waker().clone());
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.upgrade() {
            pool.connections.borrow_mut().remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_leave_files_for_everything_else() {
        let limits = |files, workers| {
            let ConnectionLimits { soft, hard } = ConnectionLimits::new(files, workers);
            (soft, hard)
        };
        assert_eq!(limits(Some(1024), 2), (336, 384));
        assert_eq!(limits(Some(65_536), 4), (8_750, 10_000));
        assert_eq!(limits(None, 4), (8_750, 10_000));
        assert_eq!(limits(Some(64), 1), (42, 48));
        assert_eq!(limits(Some(0), 4), (1, 2));
    }

    #[test]
    fn the_connection_that_was_quiet_for_longest_gives_way() {
        let pool = ConnectionPool::new(3);
        let connections = [pool.join(), pool.join(), pool.join()];
        connections[0].touch();
        let _fourth = pool.join();
        let closing = || connections.iter().map(Membership::is_closing).collect::<Vec<_>>();
        assert_eq!(closing(), [false, true, false]);
        let _fifth = pool.join();
        assert_eq!(closing(), [false, true, true], "one that is closing already makes no room");
    }

    #[test]
    fn a_connection_that_has_gone_makes_room() {
        let pool = ConnectionPool::new(2);
        let first = pool.join();
        drop(pool.join());
        drop(pool.join());
        assert!(!first.is_closing());
    }
}
