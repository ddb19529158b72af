use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use lobby_client::Label;

use super::files::MAX_FILE_LEN;
use crate::sys::files;
use crate::sys::replacement::Replacement;
use lobby_core::lines::{self, Line};

/// Age from which a temporary file is one that a crash has left: writing takes no such time.
const TEMPORARIES_KEPT: Duration = Duration::from_secs(60);

/// The runtime file: labels added at run time (RUNTIME_LABELS_FILENAME in LABELS_PATH), one a line, sorted.
///
/// Lines edited by hand count like any other. Invalid ones stay as they are, so that nothing a person wrote is lost. A symbolic link is
/// followed: its target is replaced, the link stays.
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
            Self::Delete(labels) => labels.iter().for_each(|label| _ = after.remove(label.as_str().as_bytes())),
        }
        (after != before).then(|| after.into_iter().flat_map(|line| line.into_iter().chain([b'\n'])).collect())
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

    /// Replaces the contents, and creates the directory if it is missing. Returns what the file is then, when the disk has that.
    ///
    /// # Errors
    /// The path and what keeps it from being written; then nothing has changed.
    pub fn write(&self, contents: &[u8]) -> anyhow::Result<Metadata> {
        // A larger file would not be read again: all of its labels would be lost.
        ensure!(contents.len() <= MAX_FILE_LEN, "{} would exceed {MAX_FILE_LEN} bytes", self.path.display());
        let path = self.target().with_context(|| format!("cannot follow {}", self.path.display()))?;
        let directory = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
        files::remove_temporaries(directory, TEMPORARIES_KEPT);
        Replacement::write(&path, contents)?.commit()
    }

    /// Where the file really lies. A link that leads nowhere is replaced by a file.
    fn target(&self) -> io::Result<PathBuf> {
        match fs::canonicalize(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(self.path.clone()),
            target => target,
        }
    }
}
