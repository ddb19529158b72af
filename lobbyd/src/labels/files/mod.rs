//! Label files: LABELS_PATH and what is in it. Everything here blocks.

mod stamp;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use lobby_client::Label;

use super::commit_gate::CommitGate;
use super::problems::{FileProblem, LabelProblem, StoreError};
use super::runtime_file::{MAX_FILE_LEN, RuntimeFile};
use crate::sys::files;
use lobby_core::lines;
use stamp::Stamp;

/// Most invalid lines of one file that are each a problem; the others are only counted.
const MAX_LINES_TOLD: usize = 5;

/// The label files: every regular file in LABELS_PATH, one label a line, symbolic links to files
/// included.
///
/// Names that editors, package managers and Kubernetes leave are skipped: those that begin with `.`
/// or end in `~`, `.swp`, `.tmp`, `.dpkg-*`. The runtime file (RUNTIME_LABELS_FILENAME) is read
/// whatever its name.
#[derive(Debug)]
pub struct LabelFiles {
    directory: PathBuf,
    runtime_name: OsString,
    runtime: RuntimeFile,
    /// The files as they were when they were last read, by name; `None` for one that must be read
    /// again whatever it looks like.
    seen: BTreeMap<OsString, Option<Stamp>>,
}

/// What the label files say, each of them read once.
#[derive(Debug)]
pub struct FilesRead {
    /// All files but the runtime file.
    others: LabelsRead,
    runtime_path: PathBuf,
    /// The contents of the runtime file, `None` if there is none; or why it cannot be read.
    pub runtime: Result<Option<Vec<u8>>, FileProblem>,
}

/// The labels of label files, and what is not a label in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelsRead {
    /// Each file with its labels, the runtime file last.
    pub files: Vec<FileLabels>,
    /// What could not be read as labels, or should not be one.
    pub problems: Vec<LabelProblem>,
}

/// The labels of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileLabels {
    /// The file.
    pub path: PathBuf,
    /// Its labels, in their order.
    pub labels: Vec<Label>,
}

impl LabelFiles {
    /// The label files in a directory, which need not exist.
    pub fn new(directory: &Path, runtime_name: &str) -> Self {
        Self {
            directory: directory.to_owned(),
            runtime_name: runtime_name.into(),
            runtime: RuntimeFile::new(directory.join(runtime_name)),
            seen: BTreeMap::new(),
        }
    }

    /// Reads each file once. A directory that is missing holds no labels, and is a problem. A file
    /// that cannot be read is a problem and spoils nothing else.
    ///
    /// # Errors
    /// When the directory cannot be listed.
    pub fn read(&mut self) -> Result<FilesRead, FileProblem> {
        self.seen.clear();
        let mut others = LabelsRead::default();
        let names = match self.names() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                others.problems.push(LabelProblem::NoDirectory(self.directory.clone()));
                Vec::new()
            }
            names => names.map_err(|error| FileProblem::with_file(&self.directory, &error))?,
        };
        let seen = |name: OsString| {
            let stamp = Stamp::settled(&self.directory.join(&name));
            (name, stamp)
        };
        self.seen = names.into_iter().map(seen).collect();
        for name in self.seen.keys().filter(|name| **name != self.runtime_name) {
            others.read_file(&self.directory.join(name));
        }
        let runtime_path = self.runtime.path().to_owned();
        let runtime = others.read_runtime(&runtime_path);
        Ok(FilesRead { others, runtime_path, runtime })
    }

    /// Whether reading again would show what the last reading did. This opens no file.
    pub fn are_as_read(&self) -> bool {
        let is_as_read = |(name, seen): (&OsString, &Option<Stamp>)| {
            seen.is_some() && Stamp::of_path(&self.directory.join(name)) == *seen
        };
        self.names().is_ok_and(|names| self.seen.keys().eq(&names))
            && self.seen.iter().all(is_as_read)
    }

    /// Replaces the runtime file, as [`RuntimeFile::write`] does.
    ///
    /// # Errors
    /// Those of [`RuntimeFile::write`].
    pub fn write_runtime(
        &mut self,
        contents: &[u8],
        before: Option<&[u8]>,
        gate: &CommitGate,
    ) -> Result<(), StoreError> {
        let written = self.runtime.write(contents, before, gate);
        self.seen.insert(self.runtime_name.clone(), written.as_ref().ok().and_then(Stamp::of));
        written.map(drop)
    }

    /// The names of all label files, sorted.
    fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = fs::read_dir(&self.directory)?
            .map(|entry| Ok(entry?.file_name()))
            .collect::<io::Result<Vec<_>>>()?;
        names.retain(|name| *name == self.runtime_name || !is_left_behind(name));
        names.sort_unstable();
        Ok(names)
    }
}

impl FilesRead {
    /// The labels of all files, where the runtime file has these contents.
    pub fn labels_with(&self, runtime: &[u8]) -> LabelsRead {
        let mut read = self.others.clone();
        read.read_lines(&self.runtime_path, runtime);
        read
    }

    /// The labels of all files.
    pub fn labels(&self) -> LabelsRead {
        match &self.runtime {
            Ok(contents) => self.labels_with(contents.as_deref().unwrap_or_default()),
            Err(problem) => {
                let mut read = self.labels_with(b"");
                read.problems.push(LabelProblem::File(problem.clone()));
                read
            }
        }
    }
}

/// Whether a file name is one that editors, package managers or Kubernetes leave beside the real
/// files.
fn is_left_behind(name: &OsStr) -> bool {
    let name = name.as_bytes();
    let extension =
        name.rsplit(|&byte| byte == b'.').next().filter(|extension| extension.len() < name.len());
    name.starts_with(b".")
        || name.ends_with(b"~")
        || extension.is_some_and(|extension| {
            extension == b"swp" || extension == b"tmp" || extension.starts_with(b"dpkg-")
        })
}

impl LabelsRead {
    /// The labels of all files, sorted and unique.
    pub fn labels(&self) -> Vec<Label> {
        let mut labels: Vec<_> =
            self.files.iter().flat_map(|file| file.labels.iter().cloned()).collect();
        labels.sort_unstable();
        labels.dedup();
        labels
    }

    fn read_file(&mut self, path: &Path) {
        match files::read_bounded(path, MAX_FILE_LEN) {
            Ok(contents) => self.read_lines(path, &contents),
            // Removed since the directory was listed; a link that leads nowhere is still there.
            Err(error) if error.kind() == ErrorKind::NotFound && !path.is_symlink() => (),
            Err(error) => {
                self.problems.push(LabelProblem::File(FileProblem::with_file(path, &error)));
            }
        }
    }

    /// The contents of the runtime file, if there is one. A link that leads nowhere is a problem
    /// besides.
    fn read_runtime(&mut self, path: &Path) -> Result<Option<Vec<u8>>, FileProblem> {
        match files::read_bounded(path, MAX_FILE_LEN) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if path.is_symlink() {
                    self.problems.push(LabelProblem::File(FileProblem::with_file(path, &error)));
                }
                Ok(None)
            }
            read => read.map(Some).map_err(|error| FileProblem::with_file(path, &error)),
        }
    }

    /// Takes in the contents of one file.
    fn read_lines(&mut self, path: &Path, contents: &[u8]) {
        let (mut labels, mut invalid, mut invisible) = (Vec::new(), Vec::new(), Vec::new());
        for line in lines::parse(contents) {
            match line.label {
                Ok(label) => {
                    if let Some(character) = lines::invisible_character(&label) {
                        let source = format_args!("{}:{}", path.display(), line.number);
                        invisible.push(LabelProblem::invisible(&source, &label, character));
                    }
                    labels.push(label);
                }
                Err(reason) => {
                    invalid.push(LabelProblem::File(FileProblem::with_line(
                        path,
                        line.number,
                        &reason,
                    )));
                }
            }
        }
        self.files.push(FileLabels { path: path.to_owned(), labels });
        self.tell_some(invalid, |more| {
            LabelProblem::File(FileProblem::with_file(
                path,
                &format_args!("{more} more lines are no labels"),
            ))
        });
        self.tell_some(invisible, |more| {
            LabelProblem::Invisible(format!(
                "{}: {more} more labels hold invisible characters",
                path.display()
            ))
        });
    }

    /// Takes in the first problems of one kind, and the number of the others.
    fn tell_some(
        &mut self,
        problems: Vec<LabelProblem>,
        others: impl FnOnce(usize) -> LabelProblem,
    ) {
        let more = problems.len().saturating_sub(MAX_LINES_TOLD);
        self.problems.extend(problems.into_iter().take(MAX_LINES_TOLD));
        if more > 0 {
            self.problems.push(others(more));
        }
    }
}
