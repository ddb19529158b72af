//! Reading and replacing files, safe against special files and crashes. Everything here blocks.

use std::ffi::OsStr;
use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use rustix::fs::OFlags;

use crate::sys::clock;

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

/// Reads a whole regular file of at most `max` bytes, following symbolic links. Never waits for a
/// writer, as a FIFO would make it.
///
/// # Errors
/// [`ErrorKind::FileTooLarge`] past `max` bytes, [`ErrorKind::InvalidInput`] if it is not a regular
/// file, else the system's error. The message does not name the file.
pub fn read_bounded(path: &Path, max: usize) -> io::Result<Vec<u8>> {
    // Checked before it is opened too: the error of opening a socket does not say what is wrong.
    expect_regular(fs::metadata(path)?.file_type())?;
    let contents = read_beginning(&open_regular(path, OFlags::empty())?, max + 1)?;
    if contents.len() > max {
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("is larger than {max} bytes")));
    }
    Ok(contents)
}

/// Opens a regular file for reading, without waiting; a symbolic link is an error.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] if it is not a regular file, else the system's error.
pub fn open_without_following(path: &Path) -> io::Result<File> {
    open_regular(path, OFlags::NOFOLLOW)
}

/// Reads a file up to a number of bytes.
///
/// # Errors
/// The system's.
pub fn read_beginning(file: &File, max: usize) -> io::Result<Vec<u8>> {
    let mut contents = Vec::new();
    file.take(u64::try_from(max).unwrap_or(u64::MAX)).read_to_end(&mut contents)?;
    Ok(contents)
}

fn open_regular(path: &Path, flags: OFlags) -> io::Result<File> {
    // Without NONBLOCK, opening a FIFO in the file's place would block the thread until it has a
    // writer.
    let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    expect_regular(file.metadata()?.file_type())?;
    Ok(file)
}

fn expect_regular(kind: FileType) -> io::Result<()> {
    let what = match kind {
        _ if kind.is_file() => return Ok(()),
        _ if kind.is_dir() => "directory",
        _ if kind.is_fifo() => "FIFO",
        _ if kind.is_socket() => "socket",
        _ => "device",
    };
    Err(io::Error::new(ErrorKind::InvalidInput, format!("is a {what}, not a regular file")))
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
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use rustix::fs::{CWD, FileType as NodeType, Mode, mknodat};

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

    #[test]
    fn a_file_is_read_up_to_its_limit_and_refused_past_it() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("file"), dir.path().join("link"));
        fs::write(&path, "12345").unwrap();
        symlink(&path, &link).unwrap();
        assert_eq!(read_bounded(&link, 5).unwrap(), b"12345");
        let error = read_bounded(&path, 4).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string()),
            (ErrorKind::FileTooLarge, "is larger than 4 bytes".to_owned())
        );
        assert!(open_without_following(&link).is_err());
    }

    #[test]
    fn a_file_that_is_not_regular_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let (fifo, socket) = (dir.path().join("fifo"), dir.path().join("socket"));
        mknodat(CWD, &fifo, NodeType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let _listener = UnixListener::bind(&socket).unwrap();
        for (path, what) in
            [(fifo.as_path(), "FIFO"), (&socket, "socket"), (dir.path(), "directory")]
        {
            let error = read_bounded(path, 10).unwrap_err();
            assert_eq!(error.to_string(), format!("is a {what}, not a regular file"));
        }
        assert_eq!(open_without_following(&fifo).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
