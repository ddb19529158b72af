//! This server as it is now: its name, and its labels from the environment and from files.

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use lobby_client::{Discovery, HostName, Label};

use crate::config::LocalHostSettings;
use crate::labels::files::{self as label_files, LabelsRead, RuntimeLabels};
use lobby_core::wire::limits::{self, LimitExceeded};

/// What was read of this server, and what could not be.
#[derive(Debug)]
pub struct LocalReading {
    /// The server's packet; none while the machine's name is no host name.
    pub packet: Option<Discovery>,
    /// What is wrong with the sources.
    pub problems: Vec<Problem>,
}

/// Something about this server's name or labels that is not as it should be. Everything else counts all the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Problem {
    /// In a label file.
    File(label_files::Problem),
    /// In the sum of all labels, of which the last ones are left out.
    Labels(LimitExceeded),
    /// In the machine's name, in words.
    HostName(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(problem) => problem.fmt(f),
            Self::Labels(excess) => write!(f, "{excess}; the last ones are left out"),
            Self::HostName(problem) => f.write_str(problem),
        }
    }
}

/// Why labels were not stored. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The server would have more labels than its peers accept.
    #[error(transparent)]
    LimitExceeded(#[from] LimitExceeded),
    /// The disk did not take them.
    #[error("{0:#}")]
    Failed(anyhow::Error),
}

/// Where this server's name and labels come from. What reads or writes files may block.
#[derive(Debug)]
pub struct LocalHost {
    facts: LocalHostSettings,
    runtime: RuntimeLabels,
    /// What the files said when they were last read: a directory that cannot be listed for a while takes no labels away.
    last_read: Mutex<Vec<Label>>,
}

impl LocalHost {
    /// Reads and writes where the settings say.
    pub fn new(facts: LocalHostSettings) -> Self {
        let runtime = RuntimeLabels::new(facts.labels_path.join(&facts.runtime_labels_filename));
        Self { facts, runtime, last_read: Mutex::default() }
    }

    /// LABELS_PATH.
    pub fn labels_path(&self) -> &Path {
        &self.facts.labels_path
    }

    /// What the server is called: HOSTNAME, or else the machine's name.
    ///
    /// # Errors
    /// When the machine's name is no host name.
    pub fn hostname(&self) -> anyhow::Result<HostName> {
        if let Some(hostname) = &self.facts.hostname {
            return Ok(hostname.clone());
        }
        let machine = gethostname::gethostname();
        HostName::parse(&machine.to_string_lossy())
            .map_err(|error| anyhow::anyhow!("the machine's name cannot be used: {error}; set HOSTNAME"))
    }

    /// Reads everything anew.
    pub fn read(&self) -> LocalReading {
        let LabelsRead { labels, problems } = self.read_labels();
        let mut problems: Vec<_> = problems.into_iter().map(Problem::File).collect();
        let packet = match self.hostname() {
            Ok(hostname) => {
                let (packet, excess) = limits::truncate_to_limits(hostname, labels);
                problems.extend(excess.map(Problem::Labels));
                Some(packet)
            }
            Err(error) => {
                problems.push(Problem::HostName(format!("{error:#}")));
                None
            }
        };
        LocalReading { packet, problems }
    }

    /// All labels, as many as there are, and what is wrong with the files.
    fn read_labels(&self) -> LabelsRead {
        let mut last_read = self.last_read.lock().unwrap_or_else(PoisonError::into_inner);
        let mut read = match label_files::read_labels(&self.facts.labels_path, &self.facts.runtime_labels_filename) {
            Ok(read) => {
                last_read.clone_from(&read.labels);
                read
            }
            Err(problem) => LabelsRead { labels: last_read.clone(), problems: vec![problem] },
        };
        read.labels.extend_from_slice(&self.facts.labels);
        read
    }

    /// The server's packet without what the files say, for as long as they cannot be read. This does not block.
    pub fn without_files(&self) -> Option<Discovery> {
        Some(limits::truncate_to_limits(self.hostname().ok()?, self.facts.labels.clone()).0)
    }

    /// Adds labels to the runtime file and reads everything anew.
    ///
    /// # Errors
    /// When peers would refuse the server with them, or when they could not be stored.
    pub fn add(&self, labels: &[Label]) -> Result<LocalReading, StoreError> {
        if let Ok(hostname) = self.hostname() {
            let mut united = self.read_labels().labels;
            united.extend_from_slice(labels);
            limits::check(&Discovery::new(hostname, united))?;
        }
        self.runtime.add(labels).map_err(StoreError::Failed)?;
        Ok(self.read())
    }

    /// Removes labels from the runtime file and reads everything anew.
    ///
    /// # Errors
    /// When the change could not be stored.
    pub fn delete(&self, labels: &[Label]) -> Result<LocalReading, StoreError> {
        self.runtime.delete(labels).map_err(StoreError::Failed)?;
        Ok(self.read())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use lobby_core::wire::envelope::MAX_LABELS;

    fn server(directory: &Path) -> LocalHost {
        LocalHost::new(LocalHostSettings {
            hostname: HostName::parse("a").ok(),
            labels: vec![],
            labels_path: directory.to_owned(),
            runtime_labels_filename: "_runtime".to_owned(),
        })
    }

    #[test]
    fn while_the_directory_cannot_be_listed_the_labels_stay_and_the_problem_is_told() {
        let parent = tempfile::tempdir().unwrap();
        let (labels, away) = (parent.path().join("labels"), parent.path().join("away"));
        let server = server(&labels);
        let seen = || {
            let LocalReading { packet, problems } = server.read();
            (packet.unwrap().labels, problems.len())
        };
        fs::create_dir(&labels).unwrap();
        fs::write(labels.join("file"), "a:1").unwrap();
        let label = vec![Label::parse("a:1").unwrap()];
        assert_eq!(seen(), (label.clone(), 0));
        fs::rename(&labels, &away).unwrap();
        fs::write(&labels, "no directory").unwrap();
        assert_eq!(seen(), (label, 1));
        fs::remove_file(&labels).unwrap();
        assert_eq!(seen(), (vec![], 0), "it is missing, and that is no fault");
    }

    #[test]
    fn a_label_that_would_be_left_out_is_refused_and_not_stored() {
        let directory = tempfile::tempdir().unwrap();
        let lines: Vec<_> = (0..=MAX_LABELS).map(|number| format!("n:{number:04}")).collect();
        fs::write(directory.path().join("file"), lines.join("\n")).unwrap();
        let server = server(directory.path());
        let refusal = server.add(&[Label::parse("z:1").unwrap()]).unwrap_err();
        assert!(matches!(refusal, StoreError::LimitExceeded(LimitExceeded::Labels(count)) if count == MAX_LABELS + 2));
        assert!(!directory.path().join("_runtime").exists());
    }
}
