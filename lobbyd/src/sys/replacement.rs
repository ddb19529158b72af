//! Replacing a file in two steps: its new contents are on the disk before anything changes. Everything here blocks.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::files::temporary_name;

/// The new contents of a file, on the disk in a temporary file beside it. A crash at any moment leaves the old contents or the new.
///
/// A new file may be read by all (mode 0644 less the umask). A symbolic link at the path is replaced, not followed.
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
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Opened first: a directory that cannot be synced must be known before anything has changed.
        let directory = File::open(parent)?;
        let temporary = parent.join(temporary_name());
        let file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&temporary)?;
        let mut new = Self { path: path.to_owned(), temporary, contents: file, directory };
        new.contents.write_all(contents)?;
        new.contents.sync_all()?;
        Ok(new)
    }

    /// Puts the new contents into the file's place, and returns what the file is then when the disk has that.
    ///
    /// # Errors
    /// The path and the reason; the old file then stands, unless only the final sync failed.
    pub fn commit(self) -> anyhow::Result<Metadata> {
        self.try_commit().with_context(|| format!("cannot write {}", self.path.display()))
    }

    fn try_commit(&self) -> io::Result<Metadata> {
        fs::rename(&self.temporary, &self.path)?;
        let metadata = self.contents.metadata()?;
        self.directory.sync_all()?;
        Ok(metadata)
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        // It is gone after a commit.
        fs::remove_file(&self.temporary).ok();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    fn names_in(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_is_created_and_replaced_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        for contents in ["first", "second, longer", ""] {
            let metadata = Replacement::write(&path, contents.as_bytes()).unwrap().commit().unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), contents);
            assert_eq!(metadata.ino(), fs::metadata(&path).unwrap().ino());
        }
        assert_eq!(names_in(dir.path()), ["file"]);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    }

    #[test]
    fn without_a_commit_nothing_changes() {
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
        let error = format!("{:#}", Replacement::write(&path, b"x").unwrap().commit().unwrap_err());
        assert!(error.starts_with(&format!("cannot write {}: ", path.display())), "{error}");
        assert_eq!(names_in(dir.path()), ["taken"]);
        assert!(Replacement::write(&dir.path().join("missing/file"), b"x").is_err());
    }
}
