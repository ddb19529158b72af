//! Labels of the daemon's own server, and those that end by themselves.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, Subcommand};
use lobby_client::Label;

use super::{time, time_of_label};
use crate::action::Action;
use crate::completion::{labels, own_labels};
use crate::drain;

/// Shortest time of the labels of a program: they are renewed each second then.
const SHORTEST_TTL: Duration = Duration::from_secs(3);

#[derive(Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum LabelsCommand {
    /// List the labels of the daemon's server, each with where it comes from
    List,
    /// Add labels; they survive a restart of the daemon
    Add {
        /// Remove them after this time, 1s to 365d, such as 5m or 1h; the same again begins anew
        #[arg(long = "for", value_name = "TIME", value_parser = time_of_label)]
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
        #[arg(
            required = true, value_name = "LABEL", value_parser = Label::parse, add = own_labels()
        )]
        labels: Vec<Label>,
    },
}

#[derive(Debug, PartialEq, Eq, Args)]
pub(crate) struct RunOptions {
    /// A label that the server has meanwhile; may be given several times
    #[arg(
        long = "label", required = true, value_name = "LABEL", value_parser = Label::parse,
        add = labels()
    )]
    pub(crate) labels: Vec<Label>,
    /// How long the labels outlast lobbyctl where it is killed; they are renewed each third of it
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = ttl)]
    pub(crate) ttl: Duration,
    #[command(flatten)]
    pub(crate) check: CheckOptions,
    /// The program to run, with its arguments; without one the check alone decides
    #[arg(last = true, value_name = "CMD", required_unless_present = "check")]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, PartialEq, Eq, Args)]
pub(crate) struct CheckOptions {
    /// A program that succeeds while all is well: without that the labels are not there
    #[arg(long, value_name = "COMMAND")]
    pub(crate) check: Option<Action>,
    /// Time from one check to the next; one that takes longer, or over 30s, has failed
    #[arg(
        long, value_name = "TIME", default_value = "10s", value_parser = time,
        requires = "check"
    )]
    pub(crate) every: Duration,
    /// Checks in a row that must fail until the labels go
    #[arg(long, value_name = "N", default_value = "3", value_parser = row(), requires = "check")]
    pub(crate) fall: u32,
    /// Checks in a row that must succeed until the labels come
    #[arg(long, value_name = "N", default_value = "1", value_parser = row(), requires = "check")]
    pub(crate) rise: u32,
}

#[derive(Debug, PartialEq, Eq, Args)]
pub(crate) struct DrainOptions {
    /// End it after this time, 1s to 365d, such as 5m or 1h
    #[arg(long = "for", value_name = "TIME", value_parser = time_of_label)]
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

/// How often something must happen in a row.
fn row() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=1_000)
}

fn ttl(text: &str) -> Result<Duration, String> {
    let given = time(text)?;
    if given < SHORTEST_TTL {
        return Err(format!("must be at least {}", humantime::format_duration(SHORTEST_TTL)));
    }
    Ok(given)
}
