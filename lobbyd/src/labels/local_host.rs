//! This host: its name, and the labels that its settings and the facts give it.

use std::path::{Path, PathBuf};
use std::time::Instant;

use lobby_client::{Discovery, HostName, Label, LabelOrigin, LocalLabel};

use crate::config::LocalHostSettings;
use crate::labels::facts::Facts;
use crate::labels::files::{FileLabels, LabelsRead};
use crate::labels::leases::Leases;
use crate::labels::problems::LabelProblem;
use lobby_core::lines;
use lobby_core::wire::file_name;
use lobby_core::wire::limits::{self, LimitExceeded};

/// This host as its sources say, and what could not be read of them.
#[derive(Debug)]
pub struct LocalReading {
    /// The host's packet; `None` while the machine's name is not a valid host name.
    pub packet: Option<Discovery>,
    /// What is wrong with the sources.
    pub problems: Vec<LabelProblem>,
}

/// This host: HOSTNAME or the machine's name, LABELS, the facts, and where its label files are.
/// Once made, nothing of it blocks.
#[derive(Debug, Clone)]
pub struct LocalHost {
    settings: LocalHostSettings,
    facts: Facts,
    leases: Leases,
}

impl LocalHost {
    /// The host that the settings describe. Reads once what the operating system says of itself.
    pub fn new(settings: LocalHostSettings) -> Self {
        let facts = Facts::new(settings.facts.clone());
        Self { settings, facts, leases: Leases::default() }
    }

    /// What it finds out about itself.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Its labels that end.
    pub fn leases(&self) -> &Leases {
        &self.leases
    }

    /// The file that keeps leases over a restart; `None` if no directory for it is known. A daemon
    /// with a name of its own has a file of its own.
    pub fn leases_file(&self) -> Option<PathBuf> {
        let name = match &self.settings.hostname {
            Some(hostname) => format!("leases-{}.json", file_name::stem(hostname)),
            None => "leases.json".to_owned(),
        };
        Some(self.settings.state_path.as_ref()?.join(name))
    }

    /// LABELS_PATH.
    pub fn labels_path(&self) -> &Path {
        &self.settings.labels_path
    }

    /// RUNTIME_LABELS_FILENAME.
    pub fn runtime_labels_filename(&self) -> &str {
        &self.settings.runtime_labels_filename
    }

    /// The host's name: HOSTNAME, or else the machine's name.
    ///
    /// # Errors
    /// When the machine's name is not a valid host name.
    pub fn hostname(&self) -> anyhow::Result<HostName> {
        if let Some(hostname) = &self.settings.hostname {
            return Ok(hostname.clone());
        }
        let machine = gethostname::gethostname();
        HostName::parse(&machine.to_string_lossy()).map_err(|error| {
            anyhow::anyhow!("the machine's name cannot be used: {error}; set HOSTNAME")
        })
    }

    /// The host's packet without label files, for as long as they cannot be read.
    pub fn without_files(&self) -> Option<Discovery> {
        self.reading(&LabelsRead::default()).packet
    }

    /// What the settings and the label files give together.
    pub fn reading(&self, files: &LabelsRead) -> LocalReading {
        let mut problems = files.problems.clone();
        if !self.settings.labels_path_is_set {
            // The default directory need not be there.
            problems.retain(|problem| !matches!(problem, LabelProblem::NoDirectory(_)));
        }
        problems.extend(self.invisible_labels());
        let packet = match self.hostname() {
            Ok(hostname) => {
                let (packet, excess) =
                    limits::truncate_to_limits(hostname, self.all_labels(files.labels()));
                problems.extend(excess.map(LabelProblem::Labels));
                Some(packet)
            }
            Err(error) => {
                problems.push(LabelProblem::HostName(format!("{error:#}")));
                None
            }
        };
        LocalReading { packet, problems }
    }

    /// Checks that peers accept this host with the labels of its files, and with leases that are
    /// being stored.
    ///
    /// # Errors
    /// Why they would not.
    pub fn check_limits(&self, file_labels: Vec<Label>) -> Result<(), LimitExceeded> {
        // A host without a valid name has no packet.
        self.hostname().map_or(Ok(()), |name| {
            let mut labels = self.with_own_labels(file_labels);
            labels.extend(self.leases.labels_to_come());
            limits::check(&Discovery::new(name, labels))
        })
    }

    /// Each label of the settings, the label files, the facts and the leases, with where it comes
    /// from. `unix_millis` is what the wall clock says now, in milliseconds since the Unix epoch.
    pub fn local_labels(
        &self,
        files: &LabelsRead,
        now: Instant,
        unix_millis: u64,
    ) -> Vec<LocalLabel> {
        let plain = |label: Label, source| LocalLabel { label, source, file: None, until: None };
        let mut labels = self.leases.local_labels(now, unix_millis);
        let env = self.settings.labels.iter().cloned();
        labels.extend(env.map(|label| plain(label, LabelOrigin::Env)));
        labels.extend(self.facts.labels().into_iter().map(|label| plain(label, LabelOrigin::Fact)));
        labels.extend(files.files.iter().flat_map(|file| self.labels_of(file)));
        labels.sort_by(|a, b| (&a.label, a.source, &a.file).cmp(&(&b.label, b.source, &b.file)));
        labels.dedup();
        labels
    }

    fn labels_of<'a>(&self, file: &'a FileLabels) -> impl Iterator<Item = LocalLabel> + 'a {
        let runtime = self.settings.labels_path.join(&self.settings.runtime_labels_filename);
        let source = if file.path == runtime { LabelOrigin::Runtime } else { LabelOrigin::File };
        file.labels.iter().map(move |label| LocalLabel {
            label: label.clone(),
            source,
            file: Some(file.path.display().to_string()),
            until: None,
        })
    }

    fn invisible_labels(&self) -> impl Iterator<Item = LabelProblem> {
        let labels = self.settings.labels.iter().map(|label| ("LABELS", label.clone()));
        let leased = self.leases.labels().into_iter().map(|label| ("labels that end", label));
        labels.chain(leased).filter_map(|(source, label)| {
            let character = lines::invisible_character(&label)?;
            Some(LabelProblem::invisible(&source, &label, character))
        })
    }

    fn all_labels(&self, file_labels: Vec<Label>) -> Vec<Label> {
        let mut labels = self.with_own_labels(file_labels);
        labels.extend(self.leases.labels());
        labels
    }

    fn with_own_labels(&self, mut labels: Vec<Label>) -> Vec<Label> {
        labels.extend_from_slice(&self.settings.labels);
        labels.extend(self.facts.labels());
        labels
    }
}
