//! A wall clock of its own for a daemon.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::LobbydBuilder;

/// A wall clock that is set at will, by libfaketime. The monotonic clock goes on undisturbed.
#[derive(Debug)]
pub struct WallClock {
    library: OsString,
    directory: TempDir,
}

impl WallClock {
    /// A clock that is this many seconds off.
    ///
    /// # Panics
    /// If libfaketime is not installed (Debian package `faketime`).
    pub fn off_by(seconds: i64) -> Self {
        let directory = TempDir::new().expect("a temporary directory can be made");
        let clock = Self { library: library().into(), directory };
        clock.set_off_by(seconds);
        clock
    }

    /// Sets the clock, for a daemon that runs too.
    ///
    /// # Panics
    /// If a file cannot be written.
    pub fn set_off_by(&self, seconds: i64) {
        let new = self.directory.path().join("new");
        fs::write(&new, format!("{seconds:+}\n")).expect("a file can be written");
        fs::rename(new, self.file()).expect("a file can be renamed");
    }

    /// The daemon with this clock.
    #[must_use]
    pub fn of(&self, daemon: LobbydBuilder) -> LobbydBuilder {
        daemon
            .set("LD_PRELOAD", &self.library)
            .set("FAKETIME_TIMESTAMP_FILE", self.file())
            .set("FAKETIME_NO_CACHE", "1")
            .set("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("clock")
    }
}

fn library() -> PathBuf {
    let architectures = fs::read_dir("/usr/lib").expect("there are libraries").flatten();
    let mut libraries = architectures.map(|at| at.path().join("faketime/libfaketimeMT.so.1"));
    libraries.find(|library| library.is_file()).expect("libfaketime is installed")
}
