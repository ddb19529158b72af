use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, ensure};
use lobby_client::Label;

use super::files::MAX_FILE_LEN;
use crate::sys::files;
use lobby_core::lines::{self, Line};

/// Age from which a temporary file is one that a crash has left: writing takes no such time.
const TEMPORARIES_KEPT: Duration = Duration::from_secs(60);

/// The file of labels that were added at run time (RUNTIME_LABELS_FILENAME in LABELS_PATH): one label a line, sorted.
///
/// Lines edited by hand count like any other; those that are no labels stay as they are, so that nothing a person wrote is lost. A
/// symbolic link is followed: its target is replaced, the link stays. Calls may overlap, none loses what another stored.
#[derive(Debug)]
pub struct RuntimeLabels {
    path: PathBuf,
    changing: Mutex<()>,
}

type Lines = BTreeSet<Vec<u8>>;

impl RuntimeLabels {
    /// The labels of one file, which need not exist.
    pub fn new(path: PathBuf) -> Self {
        Self { path, changing: Mutex::new(()) }
    }

    /// Stores labels, and makes the directory where it is missing; tells whether there was a new one among them. When this returns,
    /// they are on the disk.
    ///
    /// # Errors
    /// The path and what keeps it from being read or written; then nothing has changed.
    pub fn add(&self, labels: &[Label]) -> anyhow::Result<bool> {
        self.change(|lines| {
            for label in labels {
                lines.insert(label.as_str().into());
            }
        })
    }

    /// Removes labels from the file; tells whether one of them was there.
    ///
    /// # Errors
    /// The path and what keeps it from being read or written; then nothing has changed.
    pub fn delete(&self, labels: &[Label]) -> anyhow::Result<bool> {
        self.change(|lines| {
            for label in labels {
                lines.remove(label.as_str().as_bytes());
            }
        })
    }

    fn change(&self, change: impl FnOnce(&mut Lines)) -> anyhow::Result<bool> {
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.read()?;
        let mut after = before.clone();
        change(&mut after);
        if after == before {
            return Ok(false);
        }
        self.write(&after)?;
        Ok(true)
    }

    fn read(&self) -> anyhow::Result<Lines> {
        match files::read_bounded(&self.path, MAX_FILE_LEN) {
            Ok(contents) => Ok(lines::parse(&contents).map(kept).collect()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Lines::new()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", self.path.display())),
        }
    }

    fn write(&self, lines: &Lines) -> anyhow::Result<()> {
        let contents: Vec<u8> = lines.iter().flat_map(|line| line.iter().copied().chain([b'\n'])).collect();
        // A larger file would not be read again: all of its labels would be lost.
        ensure!(contents.len() <= MAX_FILE_LEN, "{} would exceed {MAX_FILE_LEN} bytes", self.path.display());
        let path = self.target().with_context(|| format!("cannot follow {}", self.path.display()))?;
        let directory = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
        files::remove_temporaries(directory, TEMPORARIES_KEPT);
        files::replace_file(&path, &contents)
    }

    /// Where the file really lies. A link that leads nowhere is replaced by a file.
    fn target(&self) -> io::Result<PathBuf> {
        match fs::canonicalize(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(self.path.clone()),
            target => target,
        }
    }
}

/// A line as it is kept: a label without the white space around it, anything else as it is.
fn kept(line: Line<'_>) -> Vec<u8> {
    line.label.map_or_else(|_| line.text.to_owned(), |label| label.as_str().into())
}
