//! Labels kept in files: reading LABELS_PATH, and adding and deleting labels at run time. Everything here blocks.

#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use lobby_client::Label;

pub use super::problems::Problem;
pub use super::runtime_file::RuntimeLabels;
use crate::sys::files;
use lobby_core::lines;

/// Greatest size of a label file, in bytes.
pub const MAX_FILE_LEN: usize = 1024 * 1024;

/// Bad lines told of in one file, each by itself; the others are only counted.
const MAX_LINES_TOLD: usize = 5;

/// What the label files say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelsRead {
    /// The labels of all files, sorted and unique.
    pub labels: Vec<Label>,
    /// What could not be read as labels, in the order of the file names.
    pub problems: Vec<Problem>,
}

/// Reads every label file in a directory (LABELS_PATH): one label a line, white space around it and blank lines ignored.
///
/// Label files are all regular files, symbolic links to them included, but for those that editors, package managers and Kubernetes
/// leave: names that begin with `.` or end in `~`, `.swp`, `.tmp`, `.dpkg-*`. The file named `runtime_file` (RUNTIME_LABELS_FILENAME) is
/// read whatever its name. A directory that is missing holds no labels. A file that cannot be read is a problem and spoils nothing else.
///
/// # Errors
/// When nobody can tell which files there are.
pub fn read_labels(directory: &Path, runtime_file: &str) -> Result<LabelsRead, Problem> {
    let mut read = LabelsRead::default();
    match file_names(directory, runtime_file) {
        Ok(names) => names.iter().for_each(|name| read.read_file(&directory.join(name))),
        Err(error) if error.kind() == ErrorKind::NotFound => (),
        Err(error) => return Err(Problem::with_file(directory, &error)),
    }
    read.labels.sort_unstable();
    read.labels.dedup();
    Ok(read)
}

fn file_names(directory: &Path, runtime_file: &str) -> io::Result<Vec<OsString>> {
    let names = fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
    let mut names: Vec<_> = names.into_iter().filter(|name| name == runtime_file || !is_left_behind(name)).collect();
    names.sort_unstable();
    Ok(names)
}

/// Whether a file name is one that editors, package managers or Kubernetes leave beside the real files.
fn is_left_behind(name: &OsStr) -> bool {
    let name = name.as_bytes();
    let extension = name.rsplit(|&byte| byte == b'.').next().filter(|extension| extension.len() < name.len());
    name.starts_with(b".")
        || name.ends_with(b"~")
        || extension
            .is_some_and(|extension| extension == b"swp" || extension == b"tmp" || extension.starts_with(b"dpkg-"))
}

impl LabelsRead {
    fn read_file(&mut self, path: &Path) {
        match files::read_bounded(path, MAX_FILE_LEN) {
            Ok(contents) => self.read_lines(path, &contents),
            // Removed since the directory was listed; a link that leads nowhere is still there.
            Err(error) if error.kind() == ErrorKind::NotFound && !path.is_symlink() => (),
            Err(error) => self.problems.push(Problem::with_file(path, &error)),
        }
    }

    /// Takes in the contents of one file; `path` is only for the problems. The labels are sorted later.
    pub fn read_lines(&mut self, path: &Path, contents: &[u8]) {
        let mut invalid = 0;
        for line in lines::parse(contents) {
            match line.label {
                Ok(label) => self.labels.push(label),
                Err(reason) => {
                    invalid += 1;
                    if invalid <= MAX_LINES_TOLD {
                        self.problems.push(Problem::with_line(path, line.number, &reason));
                    }
                }
            }
        }
        if invalid > MAX_LINES_TOLD {
            let reason = format!("{} more lines are no labels", invalid - MAX_LINES_TOLD);
            self.problems.push(Problem::with_file(path, &reason));
        }
    }
}
