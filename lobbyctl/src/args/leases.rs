//! Labels of the daemon's own server, and those that end by themselves.

use std::time::Duration;

use clap::{Args, Subcommand};
use lobby_client::Label;

use super::time;
use crate::completion::{labels, own_labels};
use crate::drain;

/// Shortest time of a label that ends.
const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum LabelsCommand {
    /// List the labels of the daemon's server, each with where it comes from
    List,
    /// Add labels; they survive a restart of the daemon
    Add {
        /// Remove them after this time, such as 90s, 5m or 1h; the same again begins anew
        #[arg(long = "for", value_name = "TIME", value_parser = lease_time)]
        time: Option<Duration>,
        /// Labels, by convention NAME:VALUE; at most 1024 bytes each, without control characters
        #[arg(required = true, value_name = "LABEL", value_parser = Label::parse, add = labels())]
        labels: Vec<Label>,
    },
    /// Remove labels that were added so; those from elsewhere stay, with a warning
    Del {
        /// Exit status 1 if a label stays or was not there
        #[arg(long)]
        strict: bool,
        /// Whole labels
        #[arg(required = true, value_name = "LABEL", value_parser = Label::parse, add = own_labels())]
        labels: Vec<Label>,
    },
}

#[derive(Debug, PartialEq, Eq, Args)]
pub(crate) struct DrainOptions {
    /// End it after this time, such as 90s, 5m or 1h
    #[arg(long = "for", value_name = "TIME", value_parser = lease_time)]
    pub(crate) time: Option<Duration>,
    /// Why; others see it
    #[arg(long = "reason", value_name = "TEXT", value_parser = drain::with_reason)]
    pub(crate) label: Option<Label>,
    /// Show whether the server is drained, and from where that comes
    #[arg(long, conflicts_with_all = ["time", "label", "end"])]
    pub(crate) show: bool,
    /// End it
    #[arg(long, conflicts_with_all = ["time", "label"])]
    pub(crate) end: bool,
}

fn lease_time(text: &str) -> Result<Duration, String> {
    time_of_at_least(SECOND, text)
}

fn time_of_at_least(least: Duration, text: &str) -> Result<Duration, String> {
    let given = time(text)?;
    if given < least {
        return Err(format!("must be at least {}", humantime::format_duration(least)));
    }
    Ok(given)
}
