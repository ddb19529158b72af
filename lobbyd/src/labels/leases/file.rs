use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::sys::files;
use crate::sys::replacement::Replacement;
use lobby_core::leases::StoredLeases;

/// Greatest size of the file, in bytes: several times what the labels of one server need.
const MAX_FILE_LEN: usize = 4 << 20;

/// Age from which a temporary file is one that a crash has left.
const TEMPORARIES_KEPT: Duration = Duration::from_secs(60);

/// The file of leases in STATE_PATH. Everything here blocks.
#[derive(Debug, Clone)]
pub struct LeaseFile {
    /// `None` if no directory for it is known.
    path: Option<PathBuf>,
}

/// Leases were not written.
#[derive(Debug)]
pub struct NotWritten {
    /// Why, with the path.
    pub error: anyhow::Error,
    /// Whether the file may hold the new leases all the same.
    pub may_be_there: bool,
}

impl LeaseFile {
    /// The file at this path, which need not exist.
    pub fn new(path: Option<PathBuf>) -> Self {
        Self { path }
    }

    /// What the file holds; `None` if there is none.
    ///
    /// # Errors
    /// The path and the reason. A file that is torn, or another program's, is set aside.
    pub fn read(&self) -> anyhow::Result<Option<StoredLeases>> {
        let Some(path) = &self.path else { return Ok(None) };
        let contents = match files::read_bounded(path, MAX_FILE_LEN) {
            Ok(contents) => contents,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error)
                if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::FileTooLarge) =>
            {
                return Err(set_aside(path, &error.to_string()));
            }
            Err(error) => bail!("cannot read {}: {error}", path.display()),
        };
        match StoredLeases::decode(&contents) {
            Ok(leases) => Ok(Some(leases)),
            Err(error) => Err(set_aside(path, &error.to_string())),
        }
    }

    /// Replaces the contents, and creates the directory if it is missing. It is done when the disk
    /// has them. A crash at any moment leaves the old contents or the new.
    ///
    /// # Errors
    /// What keeps it from being written.
    pub fn write(&self, contents: &[u8]) -> Result<(), NotWritten> {
        let new =
            self.prepare(contents).map_err(|error| NotWritten { error, may_be_there: false })?;
        let replaced =
            new.put_in_place().map_err(|error| NotWritten { error, may_be_there: false })?;
        replaced.sync().map_err(|error| NotWritten { error, may_be_there: true })
    }

    fn prepare(&self, contents: &[u8]) -> anyhow::Result<Replacement> {
        let path = self.path.as_deref().context(
            "there is no directory for labels that end: set STATE_PATH to one that lobbyd can write",
        )?;
        let directory = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(directory)
            .with_context(|| format!("cannot create {} (STATE_PATH)", directory.display()))?;
        files::remove_temporaries(directory, TEMPORARIES_KEPT);
        Replacement::write(path, contents).context("labels that end need STATE_PATH")
    }
}

/// Moves a file that cannot be read out of the way, and says so.
fn set_aside(path: &Path, why: &str) -> anyhow::Error {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".broken");
    let aside = PathBuf::from(aside);
    match fs::rename(path, &aside) {
        Ok(()) => {
            anyhow::anyhow!("{} {why}; it is kept as {}", path.display(), aside.display())
        }
        Err(error) => {
            anyhow::anyhow!("{} {why}, and cannot be renamed: {error}", path.display())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::sys::files::names_in;

    const EMPTY: &[u8] = b"{\"leases\":[]}\n";

    #[test]
    fn what_is_written_is_read_in_a_directory_made_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = LeaseFile::new(Some(dir.path().join("state/lobby/leases.json")));
        assert!(file.read().unwrap().is_none());
        file.write(EMPTY).unwrap();
        assert_eq!(file.read().unwrap().unwrap().encode().unwrap(), EMPTY);
        assert_eq!(names_in(&dir.path().join("state/lobby")), ["leases.json"]);
    }

    #[test]
    fn a_file_that_is_not_leases_is_set_aside_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("leases.json");
        let file = LeaseFile::new(Some(path.clone()));
        let spoil: [&dyn Fn(); 4] = [
            &|| fs::write(&path, "{\"leases\":[{\"lab").unwrap(),
            &|| fs::write(&path, "\0".repeat(100)).unwrap(),
            &|| symlink("/dev/zero", &path).unwrap(),
            &|| fs::File::create(&path).unwrap().set_len(1 << 30).unwrap(),
        ];
        for spoil in spoil {
            spoil();
            let error = file.read().unwrap_err().to_string();
            let (begins, ends) = (format!("{} is ", path.display()), "leases.json.broken");
            assert!(error.starts_with(&begins) && error.ends_with(ends), "{error}");
            assert_eq!(names_in(dir.path()), ["leases.json.broken"]);
            assert!(file.read().unwrap().is_none());
        }
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named_with_its_setting() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let refused = LeaseFile::new(Some(dir.path().join("file/leases.json"))).write(EMPTY);
        let NotWritten { error, may_be_there } = refused.unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains("STATE_PATH") && error.contains("/file"), "{error}");
        assert!(!may_be_there);
        let error = LeaseFile::new(None).write(EMPTY).unwrap_err().error.to_string();
        assert!(error.contains("set STATE_PATH"), "{error}");
    }
}
