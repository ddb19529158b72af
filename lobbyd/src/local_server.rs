//! This server as it is now: its name, and its labels from the environment and from files.

use std::fmt;
use std::path::Path;

use lobby_client::{Discovery, HostName, Label};

use crate::config::LocalFacts;
use crate::label_files::{self, RuntimeLabels};
use crate::logic::labels::{self, TooMuch};

/// What was read of this server, and what could not be.
#[derive(Debug)]
pub struct Reading {
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
    Labels(TooMuch),
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
    TooMuch(#[from] TooMuch),
    /// The disk did not take them.
    #[error("{0:#}")]
    Failed(anyhow::Error),
}

/// Where this server's name and labels come from. Everything here may block.
#[derive(Debug)]
pub struct LocalServer {
    facts: LocalFacts,
    runtime: RuntimeLabels,
}

impl LocalServer {
    /// Reads and writes where the settings say.
    pub fn new(facts: LocalFacts) -> Self {
        let runtime = RuntimeLabels::new(facts.labels_path.join(&facts.runtime_labels_filename));
        Self { facts, runtime }
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
    pub fn read(&self) -> Reading {
        let read = label_files::read_labels(&self.facts.labels_path, &self.facts.runtime_labels_filename);
        let mut problems: Vec<_> = read.problems.into_iter().map(Problem::File).collect();
        let labels = self.facts.labels.iter().cloned().chain(read.labels).collect();
        let packet = match self.hostname() {
            Ok(hostname) => {
                let (packet, excess) = labels::fit(hostname, labels);
                problems.extend(excess.map(Problem::Labels));
                Some(packet)
            }
            Err(error) => {
                problems.push(Problem::HostName(format!("{error:#}")));
                None
            }
        };
        Reading { packet, problems }
    }

    /// Adds labels to the runtime file and reads everything anew.
    ///
    /// # Errors
    /// When peers would refuse the server with them, or when they could not be stored.
    pub fn add(&self, labels: &[Label]) -> Result<Reading, StoreError> {
        if let Some(packet) = self.read().packet {
            let united = packet.labels.iter().chain(labels).cloned().collect();
            labels::check(&Discovery::new(packet.hostname, united))?;
        }
        self.runtime.add(labels).map_err(StoreError::Failed)?;
        Ok(self.read())
    }

    /// Removes labels from the runtime file and reads everything anew.
    ///
    /// # Errors
    /// When the change could not be stored.
    pub fn delete(&self, labels: &[Label]) -> Result<Reading, StoreError> {
        self.runtime.delete(labels).map_err(StoreError::Failed)?;
        Ok(self.read())
    }
}
