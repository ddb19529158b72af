use std::fmt;
use std::path::{Path, PathBuf};

use lobby_client::Label;
use lobby_core::wire::limits::LimitExceeded;

/// Why labels are not stored, and will not be.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The host would have more labels than its peers accept.
    #[error(transparent)]
    LimitExceeded(#[from] LimitExceeded),
    /// The disk did not take them.
    #[error("{0:#}")]
    Failed(#[from] anyhow::Error),
    /// Too many changes wait for the disk.
    #[error("too many changes of labels wait for the disk: try again")]
    TooMany,
    /// The disk takes too long. Nothing was changed.
    #[error(
        "the disk that labels are stored on does not answer, and nothing was changed: try again"
    )]
    TooSlow,
    /// The disk takes too long over putting the change in place. It will be taken back.
    #[error(
        "the disk that labels are stored on does not answer, and what was changed is taken back as soon as it does"
    )]
    TakenBack,
    /// Of labels for good and labels that end, only the ones or the others were removed.
    #[error(
        "{0}; some of the labels may have been removed: GET /v1/labels lists those that are left"
    )]
    Partly(Box<StoreError>),
}

impl StoreError {
    /// Whether the disk did not take something, rather than that one may try again.
    pub fn is_failure(&self) -> bool {
        match self {
            Self::Failed(_) => true,
            Self::Partly(other) => other.is_failure(),
            Self::LimitExceeded(_) | Self::TooMany | Self::TooSlow | Self::TakenBack => false,
        }
    }
}

/// What is wrong with this host's name or labels. Everything else counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum LabelProblem {
    /// In a label file.
    File(FileProblem),
    /// In the sum of all labels, of which the last ones are left out.
    Labels(LimitExceeded),
    /// In the machine's name, in words.
    HostName(String),
    /// A label that counts, but is not what it looks like: where it comes from, and what it holds.
    Invisible(String),
    /// The missing directory of label files (LABELS_PATH).
    NoDirectory(PathBuf),
}

impl LabelProblem {
    pub(super) fn invisible(source: &impl fmt::Display, label: &Label, character: char) -> Self {
        // Debug shows the character by its number.
        Self::Invisible(format!(
            "{source}: label {:?} holds the invisible character U+{:04X}",
            label.as_str(),
            u32::from(character)
        ))
    }

    /// What is logged with the problem.
    pub fn message(&self) -> &'static str {
        match self {
            Self::File(_) | Self::Labels(_) | Self::HostName(_) => {
                "ignored an invalid host name or label"
            }
            Self::Invisible(_) => "a label is not what it looks like",
            Self::NoDirectory(_) => "LABELS_PATH does not exist",
        }
    }
}

impl fmt::Display for LabelProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(problem) => problem.fmt(f),
            Self::Labels(excess) => write!(f, "{excess}; the last ones are left out"),
            Self::HostName(problem) | Self::Invisible(problem) => f.write_str(problem),
            Self::NoDirectory(path) => {
                write!(f, "{}: is not there, no label files are read until it is", path.display())
            }
        }
    }
}

/// Something in LABELS_PATH that is not a label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileProblem {
    /// The file, or the directory itself.
    pub path: PathBuf,
    /// The line in the file, from 1; `None` if it is about the whole file.
    pub line: Option<usize>,
    /// What is wrong.
    pub reason: String,
}

impl FileProblem {
    pub(super) fn with_file(path: &Path, reason: &impl fmt::Display) -> Self {
        Self { path: path.to_owned(), line: None, reason: reason.to_string() }
    }

    pub(super) fn with_line(path: &Path, line: usize, reason: &impl fmt::Display) -> Self {
        Self { path: path.to_owned(), line: Some(line), reason: reason.to_string() }
    }
}

impl fmt::Display for FileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_the_file_and_the_line() {
        let problem =
            FileProblem::with_line(Path::new("/etc/lobby/labels/a"), 3, &"a label must be UTF-8");
        assert_eq!(problem.to_string(), "/etc/lobby/labels/a:3: a label must be UTF-8");
    }
}
