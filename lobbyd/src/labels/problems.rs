use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

/// Something in LABELS_PATH that is no label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file, or the directory itself.
    pub path: PathBuf,
    /// The line in the file, from 1; none if it is about the whole file.
    pub line: Option<usize>,
    /// What is wrong.
    pub reason: String,
}

impl Problem {
    pub(super) fn with_file(path: &Path, reason: &impl fmt::Display) -> Self {
        Self { path: path.to_owned(), line: None, reason: reason.to_string() }
    }

    pub(super) fn with_line(path: &Path, line: usize, reason: String) -> Self {
        Self { path: path.to_owned(), line: Some(line), reason }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// The problems that were met at the last reading, so that each is told once and not at every reading.
#[derive(Debug)]
pub struct Transitions<P>(BTreeSet<P>);

impl<P> Default for Transitions<P> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<P: Ord + Clone> Transitions<P> {
    /// Takes the problems of a new reading and gives back those that the last reading did not have. A problem that went away is news
    /// again when it returns.
    pub fn news(&mut self, met: Vec<P>) -> Vec<P> {
        let news = met.iter().filter(|problem| !self.0.contains(problem)).cloned().collect();
        self.0 = met.into_iter().collect();
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(reason: &str) -> Problem {
        Problem::with_line(Path::new("/etc/lobby/labels/a"), 3, reason.to_owned())
    }

    #[test]
    fn a_problem_is_told_once_and_again_after_it_had_gone() {
        let mut known = Transitions::default();
        assert_eq!(known.news(vec![problem("x"), problem("y")]), [problem("x"), problem("y")]);
        assert_eq!(known.news(vec![problem("x"), problem("y"), problem("z")]), [problem("z")]);
        assert_eq!(known.news(vec![problem("y")]), []);
        assert_eq!(known.news(vec![problem("y"), problem("x")]), [problem("x")]);
    }

    #[test]
    fn a_problem_names_the_file_and_the_line() {
        assert_eq!(problem("a label must be UTF-8").to_string(), "/etc/lobby/labels/a:3: a label must be UTF-8");
    }
}
