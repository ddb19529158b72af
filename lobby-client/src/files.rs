//! Regular files, read up to a limit and without waiting for a writer. Everything here blocks.

use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

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

/// The secret in the text of a file: without the byte order mark that some editors put before it,
/// which nobody sees, and without one newline at the end.
pub fn secret_in(text: &str) -> &str {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use rustix::fs::{CWD, FileType as NodeType, Mode, mknodat};

    use super::*;

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
