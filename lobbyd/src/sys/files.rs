//! Reading and replacing files, safe against special files and crashes. Everything here blocks.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use crate::sys::clock;

pub use lobby_client::files::{open_without_following, read_beginning, read_bounded};

const TEMPORARY_PREFIX: &str = ".lobby-";
const TEMPORARY_SUFFIX: &str = ".tmp";

/// Creates or replaces a file without waiting for the disk: readers see the old contents or the
/// new, a power failure may lose both.
///
/// A new file may be read by all (mode 0644 less the umask). A symbolic link at `path` is replaced,
/// not followed.
///
/// # Errors
/// The path and the reason.
pub fn replace_short_lived_file(path: &Path, contents: &[u8]) -> anyhow::Result<()> {
    replace(path, contents).with_context(|| format!("cannot write {}", path.display()))
}

/// Whether this is the name of a temporary file of the replacing functions, which only a crash
/// leaves behind.
pub fn is_temporary(name: &OsStr) -> bool {
    name.to_str()
        .is_some_and(|name| name.starts_with(TEMPORARY_PREFIX) && name.ends_with(TEMPORARY_SUFFIX))
}

/// Removes the temporary files that crashes left in a directory, as far as it can.
///
/// `age` is the least age, by the wall clock, at which a temporary file is no longer being written.
pub fn remove_temporaries(directory: &Path, age: Duration) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        if is_temporary(&entry.file_name())
            && modified.is_ok_and(|modified| clock::age_of(modified) >= age)
        {
            // Another daemon may have been quicker.
            fs::remove_file(entry.path()).ok();
        }
    }
}

fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    let temporary = path.with_file_name(temporary_name());
    write_new(&temporary, contents).and_then(|()| fs::rename(&temporary, path)).inspect_err(|_| {
        // It may not exist; the first error is the one to report.
        fs::remove_file(&temporary).ok();
    })
}

/// Random rather than counted: daemons in several containers may share the directory and the
/// process id.
pub(super) fn temporary_name() -> String {
    format!("{TEMPORARY_PREFIX}{:016x}{TEMPORARY_SUFFIX}", fastrand::u64(..))
}

fn write_new(path: &Path, contents: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o644).open(path)?.write_all(contents)
}

/// The names of the files in a directory, sorted.
#[cfg(test)]
pub fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_lived_file_is_replaced_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let (path, taken) = (dir.path().join("file"), dir.path().join("taken"));
        for contents in ["first", "second, longer", ""] {
            replace_short_lived_file(&path, contents.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), contents);
        }
        fs::create_dir_all(taken.join("inside")).unwrap();
        let error = format!("{:#}", replace_short_lived_file(&taken, b"x").unwrap_err());
        assert!(error.starts_with(&format!("cannot write {}: ", taken.display())), "{error}");
        assert!(replace_short_lived_file(&dir.path().join("missing/file"), b"x").is_err());
        assert_eq!(names_in(dir.path()), ["file", "taken"]);
    }

    #[test]
    fn temporaries_are_known_by_their_names() {
        assert!(is_temporary(temporary_name().as_ref()));
        assert!(!is_temporary(".lobby-notes".as_ref()));
        assert!(!is_temporary("_runtime".as_ref()));
    }

    #[test]
    fn only_old_temporaries_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["file", ".hidden.tmp", &temporary_name()] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        remove_temporaries(dir.path(), Duration::from_secs(60));
        assert_eq!(names_in(dir.path()).len(), 3);
        remove_temporaries(dir.path(), Duration::ZERO);
        assert_eq!(names_in(dir.path()), [".hidden.tmp", "file"]);
    }
}
