//! Replacing a file in two steps: its new contents are on the disk before anything changes.
//! Everything here blocks.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::files::temporary_name;

/// The new contents of a file, on the disk in a temporary file beside it. A crash at any moment
/// leaves the old contents or the new.
///
/// A new file may be read by all (mode 0644 less the umask). A symbolic link at the path is
/// replaced, not followed.
#[derive(Debug)]
pub struct Replacement {
    path: PathBuf,
    temporary: PathBuf,
    contents: File,
    directory: File,
}

impl Replacement {
    /// Writes the new contents of the file at `path`.
    ///
    /// # Errors
    /// The path and the reason.
    pub fn write(path: &Path, contents: &[u8]) -> anyhow::Result<Self> {
        Self::try_write(path, contents).with_context(|| format!("cannot write {}", path.display()))
    }

    fn try_write(path: &Path, contents: &[u8]) -> io::Result<Self> {
        let parent =
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Opened first: a directory that cannot be synced must be known before anything has
        // changed.
        let directory = File::open(parent)?;
        let temporary = parent.join(temporary_name());
        let file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&temporary)?;
        let mut new = Self { path: path.to_owned(), temporary, contents: file, directory };
        new.contents.write_all(contents)?;
        new.contents.sync_all()?;
        Ok(new)
    }

    /// Puts the new contents into the file's place, for all who read it from now on. Only
    /// [`Replaced::sync`] makes that last.
    ///
    /// # Errors
    /// The path and the reason; the old file then stands.
    pub fn put_in_place(self) -> anyhow::Result<Replaced> {
        fs::rename(&self.temporary, &self.path)
            .with_context(|| format!("cannot write {}", self.path.display()))?;
        Ok(Replaced { new: self })
    }
}

/// A file that was replaced, which a power failure may still undo.
#[derive(Debug)]
pub struct Replaced {
    new: Replacement,
}

impl Replaced {
    /// What the file is now.
    ///
    /// # Errors
    /// The path and the reason.
    pub fn metadata(&self) -> anyhow::Result<Metadata> {
        self.new
            .contents
            .metadata()
            .with_context(|| format!("cannot look at {}", self.new.path.display()))
    }

    /// Waits until the disk has the new file in its place. File systems that cannot sync a
    /// directory are excused.
    ///
    /// # Errors
    /// The path and the reason.
    pub fn sync(&self) -> anyhow::Result<()> {
        match self.new.directory.sync_all() {
            // EINVAL, ENOTSUP: some network and user-space file systems.
            Err(error)
                if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) =>
            {
                Ok(())
            }
            synced => synced.with_context(|| format!("cannot write {}", self.new.path.display())),
        }
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        // It is gone when it was put in place.
        fs::remove_file(&self.temporary).ok();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;
    use crate::sys::files::names_in;

    #[test]
    fn a_file_is_created_and_replaced_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        for contents in ["first", "second, longer", ""] {
            let replaced =
                Replacement::write(&path, contents.as_bytes()).unwrap().put_in_place().unwrap();
            replaced.sync().unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), contents);
            assert_eq!(replaced.metadata().unwrap().ino(), fs::metadata(&path).unwrap().ino());
        }
        assert_eq!(names_in(dir.path()), ["file"]);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    }

    #[test]
    fn new_contents_that_are_not_put_in_place_change_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "old").unwrap();
        drop(Replacement::write(&path, b"new").unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names_in(dir.path()), ["file"]);
    }

    #[test]
    fn a_failure_names_the_path_and_leaves_no_temporary() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("taken");
        fs::create_dir_all(path.join("inside")).unwrap();
        let error =
            format!("{:#}", Replacement::write(&path, b"x").unwrap().put_in_place().unwrap_err());
        assert!(error.starts_with(&format!("cannot write {}: ", path.display())), "{error}");
        assert_eq!(names_in(dir.path()), ["taken"]);
        assert!(Replacement::write(&dir.path().join("missing/file"), b"x").is_err());
    }
}
