use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rustix::fs::{Access, access};

use crate::sys::files;
use crate::sys::replacement::Replacement;
use lobby_core::leases::StoredLeases;

/// Greatest size of the file, in bytes: several times what the labels of one server need.
const MAX_FILE_LEN: usize = 4 << 20;

/// Age from which a temporary file is one that a crash has left.
const TEMPORARIES_KEPT: Duration = Duration::from_secs(60);

const NO_DIRECTORY: &str =
    "there is no directory for labels that end: set STATE_PATH to one that lobbyd can write";

/// The file of leases in STATE_PATH. Everything here blocks.
#[derive(Debug, Clone)]
pub struct LeaseFile {
    /// `None` if no directory for it is known.
    path: Option<PathBuf>,
}

/// Leases were not written.
#[derive(Debug)]
pub enum NotWritten {
    /// They are no longer what the file should hold. It is untouched.
    Outdated,
    /// Why, with the path. The file is untouched.
    Failed(anyhow::Error),
    /// Why, with the path. The file may hold the new leases all the same.
    InDoubt(anyhow::Error),
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
    /// has them. A crash at any moment leaves the old contents or the new. `is_current` is asked
    /// last, when the disk has the new contents beside the old: they may take long to get there.
    ///
    /// # Errors
    /// What keeps it from being written.
    pub fn write(
        &self,
        contents: &[u8],
        is_current: impl FnOnce() -> bool,
    ) -> Result<(), NotWritten> {
        let new = self.prepare(contents).map_err(NotWritten::Failed)?;
        if !is_current() {
            return Err(NotWritten::Outdated);
        }
        let replaced = new.put_in_place().map_err(NotWritten::Failed)?;
        replaced.sync().map_err(NotWritten::InDoubt)
    }

    /// What will keep leases from being stored, with what would be right; `None` if nothing is
    /// known to. It changes nothing.
    pub fn problem(&self) -> Option<String> {
        let Some(path) = &self.path else { return Some(NO_DIRECTORY.to_owned()) };
        let directory = path.parent().unwrap_or(Path::new("."));
        let error = can_be_written(directory).err()?;
        Some(format!(
            "labels that end cannot be stored in {}: {error}: expected a directory that lobbyd can write",
            directory.display()
        ))
    }

    fn prepare(&self, contents: &[u8]) -> anyhow::Result<Replacement> {
        let path = self.path.as_deref().context(NO_DIRECTORY)?;
        ensure!(
            contents.len() <= MAX_FILE_LEN,
            "labels that end make {} bytes, more than the {MAX_FILE_LEN} that {} may have",
            contents.len(),
            path.display()
        );
        let directory = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(directory)
            .with_context(|| format!("cannot create {} (STATE_PATH)", directory.display()))?;
        files::remove_temporaries(directory, TEMPORARIES_KEPT);
        Replacement::write(path, contents).context("labels that end need STATE_PATH")
    }
}

/// Whether files can be made in a directory, which need not exist if it can be made.
fn can_be_written(directory: &Path) -> io::Result<()> {
    match fs::metadata(directory) {
        Ok(found) if !found.is_dir() => Err(ErrorKind::NotADirectory.into()),
        Ok(_) => Ok(access(directory, Access::WRITE_OK | Access::EXEC_OK)?),
        Err(error) if error.kind() == ErrorKind::NotFound => match directory.parent() {
            Some(above) if above.as_os_str().is_empty() => can_be_written(Path::new(".")),
            Some(above) => can_be_written(above),
            None => Err(error),
        },
        Err(error) => Err(error),
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
        file.write(EMPTY, || true).unwrap();
        assert_eq!(file.read().unwrap().unwrap().encode().unwrap(), EMPTY);
        assert_eq!(names_in(&dir.path().join("state/lobby")), ["leases.json"]);
    }

    #[test]
    fn what_could_not_be_read_back_or_is_outdated_is_not_written() {
        let dir = tempfile::tempdir().unwrap();
        let file = LeaseFile::new(Some(dir.path().join("leases.json")));
        file.write(EMPTY, || true).unwrap();
        let longest = [EMPTY, &vec![b' '; MAX_FILE_LEN - EMPTY.len()]].concat();
        let refused = file.write(&[&longest[..], b" "].concat(), || true).unwrap_err();
        let NotWritten::Failed(error) = refused else { panic!("{refused:?}") };
        assert!(error.to_string().contains("4194305 bytes"), "{error}");
        assert!(matches!(file.write(&longest, || false), Err(NotWritten::Outdated)));
        assert_eq!(fs::read(dir.path().join("leases.json")).unwrap(), EMPTY);
        assert_eq!(names_in(dir.path()), ["leases.json"]);
        file.write(&longest, || true).unwrap();
        assert!(file.read().unwrap().is_some());
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
        let error = |path: Option<PathBuf>| match LeaseFile::new(path).write(EMPTY, || true) {
            Err(NotWritten::Failed(error)) => format!("{error:#}"),
            other => panic!("{other:?}"),
        };
        let refused = error(Some(dir.path().join("file/leases.json")));
        assert!(refused.contains("STATE_PATH") && refused.contains("/file"), "{refused}");
        assert!(error(None).contains("set STATE_PATH"), "{}", error(None));
    }

    #[test]
    fn a_problem_is_known_before_anything_is_written() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let problem = |name: &str| LeaseFile::new(Some(dir.path().join(name))).problem();
        for name in ["leases.json", "to/be/made/leases.json"] {
            assert_eq!(problem(name), None, "{name}");
        }
        for name in ["file/leases.json", "file/below/leases.json"] {
            let told = problem(name).unwrap();
            let (begin, end) = ("labels that end cannot be stored in /", "that lobbyd can write");
            assert!(told.starts_with(begin) && told.contains("ot a directory"), "{told}");
            assert!(told.ends_with(end), "{told}");
        }
        assert!(LeaseFile::new(None).problem().unwrap().contains("set STATE_PATH"));
        assert_eq!(names_in(dir.path()), ["file"]);
    }

    #[test]
    fn a_directory_that_only_others_may_write_is_a_problem() {
        // Root may write all.
        if rustix::process::geteuid().is_root() {
            return;
        }
        let problem = |path: &str| LeaseFile::new(Some(path.into())).problem().unwrap();
        for path in ["/leases.json", "/made/leases.json"] {
            assert!(problem(path).contains("ermission denied"), "{}", problem(path));
        }
    }
}
