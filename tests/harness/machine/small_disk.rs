//! A disk for one daemon that is easily filled and may become read-only.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Process;
use crate::machine::namespaces::{enter, unshare};

/// Mounts the disk, then becomes the command.
const SCRIPT: &str = r#"mount -t tmpfs -o size=64k tmpfs "$1" && shift && exec "$@""#;

/// A file system of 64 KiB that only the programs launched with it see.
#[derive(Debug)]
pub struct SmallDisk {
    unshare: Vec<&'static str>,
    directory: PathBuf,
}

impl SmallDisk {
    /// A disk that will be mounted on this directory, which must be there.
    ///
    /// # Panics
    /// If nothing can be mounted, neither as root nor in a user namespace.
    pub fn on(directory: &Path) -> Self {
        Self {
            unshare: unshare("--mount", "mount -t tmpfs tmpfs /mnt"),
            directory: directory.to_owned(),
        }
    }

    /// The words to put in front of a command that is to see the disk.
    pub fn launcher(&self) -> Vec<OsString> {
        let words = self.unshare.iter().copied().chain(["sh", "-c", SCRIPT, "sh"]);
        words.map(OsString::from).chain([self.directory.clone().into()]).collect()
    }

    /// The path of a file on the disk of this program, as seen from outside its namespace.
    pub fn file(&self, program: &Process, name: &str) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", program.id()));
        root.join(self.directory.strip_prefix("/").unwrap_or(&self.directory)).join(name)
    }

    /// Writes a file until nothing fits any more, and returns its path.
    ///
    /// # Panics
    /// If something else than the end of the disk stops it.
    pub fn fill(&self, program: &Process) -> PathBuf {
        let path = self.file(program, ".filler");
        let mut filler = File::create(&path).expect("the disk takes a file");
        let end = std::iter::repeat_with(|| filler.write_all(&[0; 4096])).find_map(Result::err);
        assert_eq!(end.map(|error| error.kind()), Some(ErrorKind::StorageFull));
        path
    }

    /// The names of all files on the disk, sorted.
    ///
    /// # Panics
    /// If they cannot be listed.
    pub fn files(&self, program: &Process) -> Vec<String> {
        let entries = fs::read_dir(self.file(program, "")).expect("the disk can be listed");
        let mut names: Vec<_> = entries.map(|entry| entry.expect("a file").file_name()).collect();
        names.sort_unstable();
        names.into_iter().map(|name| name.to_string_lossy().into_owned()).collect()
    }

    /// Makes the disk read-only (`ro`) or writable again (`rw`).
    ///
    /// # Panics
    /// If that cannot be done.
    pub fn remount(&self, program: &Process, mode: &str) {
        let words = enter(program.id(), "--mount");
        let mut command = Command::new(&words[0]);
        // With `bind` the options of the file system stay as they are: an ordinary user may not
        // repeat its owner.
        command.args(&words[1..]).args(["mount", "-o", &format!("remount,bind,{mode}")]);
        command.arg(&self.directory);
        let output = command.output().expect("nsenter can be started");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
