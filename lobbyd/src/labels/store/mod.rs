//! Reading and changing this host's labels. Everything here blocks.

#[cfg(test)]
mod tests;

use super::commit_gate::CommitGate;
use super::files::{FileLabels, FilesRead, LabelFiles, LabelsRead};
use super::local_host::LocalHost;
use super::problems::{FileProblem, LabelProblem};
use super::runtime_file::LabelChange;

pub use super::problems::StoreError;

/// This host with its label files.
#[derive(Debug)]
pub struct LabelStore {
    host: LocalHost,
    files: LabelFiles,
    /// What the last reading found: a directory that cannot be listed for a while takes no labels
    /// away.
    last_read: Vec<FileLabels>,
}

impl LabelStore {
    /// The label files of a host.
    pub fn new(host: LocalHost) -> Self {
        let files = LabelFiles::new(host.labels_path(), host.runtime_labels_filename());
        Self { host, files, last_read: Vec::new() }
    }

    /// Reads everything anew.
    pub fn read(&mut self) -> LabelsRead {
        let files = self.files.read();
        self.reading(files)
    }

    /// Reads everything anew if any label file has changed since the last reading.
    pub fn read_if_changed(&mut self) -> Option<LabelsRead> {
        (!self.files.are_as_read()).then(|| self.read())
    }

    /// Reads everything anew and stores a change of the runtime labels, unless the gate closes. The
    /// reading shows the change if it was stored.
    ///
    /// The change is an error when peers would refuse the host with it, or when it could not be
    /// stored.
    pub fn change(
        &mut self,
        change: &LabelChange,
        gate: &CommitGate,
    ) -> (LabelsRead, Result<(), StoreError>) {
        let mut files = self.files.read();
        let stored = match &mut files {
            Ok(files) => self.store(change, gate, files),
            Err(problem) => Err(cannot_read(problem)),
        };
        (self.reading(files), stored)
    }

    fn store(
        &mut self,
        change: &LabelChange,
        gate: &CommitGate,
        files: &mut FilesRead,
    ) -> Result<(), StoreError> {
        let before = files.runtime.as_ref().map_err(cannot_read)?.as_deref();
        let contents = before.unwrap_or_default();
        let after = change.applied_to(contents);
        if let LabelChange::Add(_) = change {
            self.host
                .check_limits(files.labels_with(after.as_deref().unwrap_or(contents)).labels())?;
        }
        if let Some(after) = after {
            self.files.write_runtime(&after, before, gate)?;
            files.runtime = Ok(Some(after));
        }
        Ok(())
    }

    fn reading(&mut self, files: Result<FilesRead, FileProblem>) -> LabelsRead {
        let read = match files {
            Ok(files) => files.labels(),
            Err(problem) => LabelsRead {
                files: self.last_read.clone(),
                problems: vec![LabelProblem::File(problem)],
            },
        };
        self.last_read.clone_from(&read.files);
        read
    }
}

fn cannot_read(problem: &FileProblem) -> StoreError {
    StoreError::Failed(anyhow::anyhow!("cannot read {problem}"))
}
