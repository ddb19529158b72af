use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use lobby_client::Label;

use super::commit_gate::CommitGate;
use super::problems::StoreError;
use crate::sys::files;
use crate::sys::replacement::Replacement;
use lobby_core::lines::{self, Line};

/// Greatest size of a label file, in bytes: the runtime file is one of them.
pub const MAX_FILE_LEN: usize = 1024 * 1024;

/// Age from which a temporary file is one that a crash has left: writing takes no such time.
const TEMPORARIES_KEPT: Duration = Duration::from_secs(60);

/// The runtime file: labels added at run time (RUNTIME_LABELS_FILENAME in LABELS_PATH), one a line,
/// sorted.
///
/// Lines edited by hand count like any other. Invalid ones stay as they are, so that nothing a
/// person wrote is lost. A symbolic link is followed: its target is replaced, the link stays.
#[derive(Debug)]
pub struct RuntimeFile {
    path: PathBuf,
}

/// A change of the runtime labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelChange {
    /// Add these.
    Add(Vec<Label>),
    /// Remove these, where they are.
    Delete(Vec<Label>),
}

impl LabelChange {
    /// The contents of the runtime file after the change; `None` if it changes nothing.
    pub fn applied_to(&self, contents: &[u8]) -> Option<Vec<u8>> {
        let before: BTreeSet<Vec<u8>> = lines::parse(contents).map(kept).collect();
        let mut after = before.clone();
        match self {
            Self::Add(labels) => after.extend(labels.iter().map(|label| label.as_str().into())),
            Self::Delete(labels) => {
                labels.iter().for_each(|label| _ = after.remove(label.as_str().as_bytes()));
            }
        }
        (after != before)
            .then(|| after.into_iter().flat_map(|line| line.into_iter().chain([b'\n'])).collect())
    }
}

/// A line as it is kept: a label without the white space around it, anything else as it is.
fn kept(line: Line<'_>) -> Vec<u8> {
    line.label.map_or_else(|_| line.text.to_owned(), |label| label.as_str().into())
}

impl RuntimeFile {
    /// The file at this path, which need not exist.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where the file is, or the link to it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Replaces the contents, and creates the directory if it is missing. Returns what the file is
    /// then, when the disk has that.
    ///
    /// `before` are the contents now; `None` if there is no file. The change passes the gate when
    /// the new contents are on the disk and only their name is missing. What is given up later
    /// is taken back; only where lobbyd is killed, or the disk fails, between the two
    /// does a change stay that was refused.
    ///
    /// # Errors
    /// When the change was given up, or what keeps it from being written, with the path. Then the
    /// contents are as before; or the error says that they could not be taken back.
    pub fn write(
        &self,
        contents: &[u8],
        before: Option<&[u8]>,
        gate: &CommitGate,
    ) -> Result<Metadata, StoreError> {
        let path =
            self.target().with_context(|| format!("cannot follow {}", self.path.display()))?;
        let new = self.prepare(&path, contents)?;
        if !gate.begin() {
            return Err(StoreError::TooSlow);
        }
        let replaced = new.put_in_place()?;
        let metadata = replaced.metadata();
        let failure = match replaced.sync().and(metadata) {
            Ok(metadata) if gate.complete() => return Ok(metadata),
            Ok(_) => StoreError::TakenBack,
            Err(error) => StoreError::Failed(error),
        };
        match restore(&path, before) {
            Ok(()) => Err(failure),
            Err(error) => {
                Err(error.context(format!("{failure}; and the change cannot be taken back")).into())
            }
        }
    }

    /// Brings new contents to the disk, beside the file.
    fn prepare(&self, path: &Path, contents: &[u8]) -> anyhow::Result<Replacement> {
        // A larger file would not be read again: all of its labels would be lost.
        ensure!(
            contents.len() <= MAX_FILE_LEN,
            "{} would exceed {MAX_FILE_LEN} bytes",
            self.path.display()
        );
        let directory = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(directory)
            .with_context(|| format!("cannot create {}", directory.display()))?;
        files::remove_temporaries(directory, TEMPORARIES_KEPT);
        Replacement::write(path, contents)
    }

    /// Where the file really lies. A link that leads nowhere is replaced by a file.
    fn target(&self) -> io::Result<PathBuf> {
        match fs::canonicalize(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(self.path.clone()),
            target => target,
        }
    }
}

/// Takes a change back. The disk that made this necessary is not asked to sync its directory again.
fn restore(path: &Path, before: Option<&[u8]>) -> anyhow::Result<()> {
    match before {
        Some(contents) => Replacement::write(path, contents)?.put_in_place().map(drop),
        None => fs::remove_file(path).with_context(|| format!("cannot remove {}", path.display())),
    }
}
