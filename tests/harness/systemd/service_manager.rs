//! A service manager that listens to what a daemon tells it, as systemd does.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

use crate::eventually::{LIMIT, eventually};

/// The socket NOTIFY_SOCKET, and what came in through it.
#[derive(Debug)]
pub struct ServiceManager {
    directory: TempDir,
    socket: UnixDatagram,
    heard: Mutex<Vec<String>>,
}

impl ServiceManager {
    /// A service manager that listens.
    ///
    /// # Panics
    /// If its socket cannot be made.
    pub fn listening() -> Self {
        let directory = TempDir::new().expect("a temporary directory can be made");
        let socket = UnixDatagram::bind(directory.path().join("notify")).expect("a socket");
        socket.set_nonblocking(true).expect("a socket need not block");
        Self { directory, socket, heard: Mutex::default() }
    }

    /// The path of its socket.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("notify")
    }

    /// Every notice so far, of each the lines.
    pub fn heard(&self) -> Vec<String> {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let mut buffer = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            heard.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
        heard.clone()
    }

    /// How many notices begin with this text.
    pub fn count(&self, beginning: &str) -> usize {
        self.heard().iter().filter(|notice| notice.starts_with(beginning)).count()
    }

    /// Waits until so many notices begin with this text and returns the last of them.
    ///
    /// # Panics
    /// If they do not come.
    #[track_caller]
    pub fn hears<'a>(
        &'a self,
        count: usize,
        beginning: &'a str,
    ) -> impl Future<Output = String> + 'a {
        eventually(LIMIT, async move || {
            let heard = self.heard();
            let fitting = heard.iter().filter(|notice| notice.starts_with(beginning));
            fitting.skip(count - 1).last().cloned().ok_or_else(|| format!("{heard:?}"))
        })
    }
}
