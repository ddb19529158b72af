//! The watch over a directory, which goes on when the directory itself is replaced.

mod plan;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tracing::{debug, warn};

use crate::sys::clock;
use plan::{ChangeKind, WatchPlan};

/// How often the watch is set up anew when nothing happens: it then sees a file system mounted over
/// the directory, and is retried after the system had run out of watches.
const RENEW_EVERY: Duration = Duration::from_secs(30);

/// Longest delay of a report in a burst that does not end, in debounce periods.
const LONGEST_BURST: u32 = 5;

/// How often a path that changes while its watch is being set up is followed again before that is
/// left to the next renewal.
const ATTEMPTS: usize = 4;

/// An asynchronous watch over the contents of one directory.
///
/// The directory may be missing, be removed and made again, renamed, or reached by symbolic links
/// that are re-pointed, as in a Kubernetes ConfigMap. File events can be lost or be unavailable
/// (NFS, limits of the system): users of the watch also read the directory again from time to time.
///
/// Files outside the directory that are linked into it are not watched, and neither are
/// subdirectories.
#[derive(Debug)]
pub struct DirectoryWatch {
    commands: Sender<Command>,
    changed: Arc<Notify>,
}

impl DirectoryWatch {
    /// Starts to watch, on a thread that ends when the watch is dropped.
    ///
    /// Changes are reported when nothing more has changed for the time of `debounce`, and in a
    /// burst after five times that at the latest. That watching fails is logged once.
    pub fn new(directory: &Path, debounce: Duration) -> Self {
        let (sender, commands) = mpsc::channel();
        let changed = Arc::new(Notify::new());
        let thread_state = WatchThread {
            directory: directory.to_owned(),
            debounce,
            commands,
            reports: sender.clone(),
            changed: Arc::clone(&changed),
            watcher: None,
            warned: false,
        };
        if let Err(error) =
            thread::Builder::new().name("directory-watch".to_owned()).spawn(|| thread_state.run())
        {
            warn!(target: "lobby", directory = %directory.display(), %error, "no thread to watch the directory, it is only read from time to time");
            changed.notify_one();
        }
        Self { commands: sender, changed }
    }

    /// Waits until the directory may have changed since the last call returned.
    ///
    /// The first call returns as soon as the watch is in place: reading the directory after each
    /// call misses nothing. Reading files does not count as a change. A call that is dropped
    /// loses nothing.
    pub async fn changed(&mut self) {
        self.changed.notified().await;
    }
}

impl Drop for DirectoryWatch {
    fn drop(&mut self) {
        // Fails only when the thread could not be started.
        self.commands.send(Command::Stop).ok();
    }
}

/// Commands of the thread, in order of weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Command {
    Changed(ChangeKind),
    Stop,
}

/// The thread behind a watch.
struct WatchThread {
    directory: PathBuf,
    debounce: Duration,
    commands: Receiver<Command>,
    reports: Sender<Command>,
    changed: Arc<Notify>,
    watcher: Option<RecommendedWatcher>,
    warned: bool,
}

impl WatchThread {
    fn run(mut self) {
        self.renew();
        self.changed.notify_one();
        loop {
            match self.commands.recv_timeout(RENEW_EVERY).map(|command| self.settle(command)) {
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(Command::Changed(ChangeKind::Contents)) => self.changed.notify_one(),
                Ok(Command::Changed(ChangeKind::Path)) => {
                    self.renew();
                    self.changed.notify_one();
                }
                Err(RecvTimeoutError::Timeout) => self.renew(),
            }
        }
    }

    /// Lets a burst of commands pass and returns the weightiest.
    fn settle(&self, first: Command) -> Command {
        let mut weightiest = first;
        let end = clock::now() + self.debounce * LONGEST_BURST;
        while weightiest != Command::Stop && clock::now() < end {
            let Ok(command) = self.commands.recv_timeout(self.debounce) else { break };
            weightiest = weightiest.max(command);
        }
        weightiest
    }

    fn renew(&mut self) {
        // The old watcher is dropped once the new one is in place, so that nothing goes unseen.
        match self.follow() {
            Ok(watcher) => {
                self.watcher = Some(watcher);
                self.warned = false;
            }
            Err(error) => {
                self.watcher = None;
                if !self.warned {
                    warn!(target: "lobby", directory = %self.directory.display(), %error, "no file events, the directory is only read from time to time");
                }
                self.warned = true;
            }
        }
    }

    /// Watches until the path is the same before and after: a directory made in between would
    /// otherwise go unseen.
    fn follow(&self) -> notify::Result<RecommendedWatcher> {
        let mut plan = WatchPlan::for_path(&self.directory);
        let mut watcher = self.watch(&plan)?;
        for _ in 1..ATTEMPTS {
            let afterwards = WatchPlan::for_path(&self.directory);
            if afterwards == plan {
                break;
            }
            watcher = self.watch(&afterwards)?;
            plan = afterwards;
        }
        Ok(watcher)
    }

    fn watch(&self, plan: &WatchPlan) -> notify::Result<RecommendedWatcher> {
        let reports = self.reports.clone();
        let plan_of_events = plan.clone();
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                if let Some(kind) = kind_of(&event, &plan_of_events) {
                    // Fails only when the watch has just ended.
                    reports.send(Command::Changed(kind)).ok();
                }
            })?;
        for directory in plan.directories() {
            if let Err(error) = watcher.watch(directory, RecursiveMode::NonRecursive) {
                tolerate(error, plan.is_contents(directory))?;
            }
        }
        Ok(watcher)
    }
}

/// Ignores errors that do not keep the directory itself from being watched: a place that vanished a
/// moment ago, or a parent that may be passed but not read.
fn tolerate(error: notify::Error, is_contents: bool) -> notify::Result<()> {
    let denied = matches!(&error.kind, notify::ErrorKind::Io(error) if error.kind() == std::io::ErrorKind::PermissionDenied);
    if matches!(error.kind, notify::ErrorKind::PathNotFound) || (denied && !is_contents) {
        debug!(target: "lobby", %error, "a directory on the path is not watched");
        return Ok(());
    }
    Err(error)
}

/// What an event means. Events may have been lost where there is an error or no path: then anything
/// may have changed.
fn kind_of(event: &notify::Result<notify::Event>, plan: &WatchPlan) -> Option<ChangeKind> {
    match event {
        Ok(event) if is_reading(event.kind) => None,
        Ok(event) if !event.need_rescan() && !event.paths.is_empty() => {
            event.paths.iter().filter_map(|path| plan.kind_of(path)).max()
        }
        Ok(_) | Err(_) => Some(ChangeKind::Path),
    }
}

/// inotify reports that a file was opened: taken as a change, reading the directory would lead to
/// reading it again, for ever.
fn is_reading(kind: EventKind) -> bool {
    matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}
