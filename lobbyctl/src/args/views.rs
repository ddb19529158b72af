//! Options of the commands that print the servers for other programs.

use clap::{Args, ValueEnum};
use lobby_client::{AddressLabels, Selector};

use super::{port, selector};
use crate::completion::labels;

/// Where the address of a server stands.
#[derive(Debug, PartialEq, Eq, Args)]
pub(crate) struct AddressOptions {
    /// Keys of the labels that hold a server's address, the best one first [env: ADDRESS_LABELS]
    #[arg(long, value_name = "KEY,KEY", value_parser = AddressLabels::parse)]
    pub(crate) address: Option<AddressLabels>,
}

/// Which servers a view shows, and when it shows them.
#[derive(Debug, PartialEq, Eq, Args)]
pub(crate) struct ViewOptions {
    /// Only servers that this selector chooses, such as 'service=web and not drain'
    #[arg(short = 'l', long, value_parser = selector, add = labels())]
    pub(crate) selector: Option<Selector>,
    #[command(flatten)]
    pub(crate) addresses: AddressOptions,
    /// Print what the daemon knows, even if it cannot have heard every server yet
    #[arg(long)]
    pub(crate) anyway: bool,
    /// Fail while all links of the daemon are down, instead of printing its frozen list
    #[arg(long)]
    pub(crate) require_link: bool,
}

#[derive(Debug, PartialEq, Eq, Args)]
pub(crate) struct TableOptions {
    #[command(flatten)]
    pub(crate) view: ViewOptions,
    /// A column for each of these keys
    #[arg(short = 'L', long, value_name = "KEY,KEY", value_delimiter = ',', value_parser = column)]
    pub(crate) columns: Vec<String>,
}

#[derive(Debug, PartialEq, Eq, Args)]
pub(crate) struct ExportOptions {
    /// What is written
    pub(crate) format: ExportFormat,
    #[command(flatten)]
    pub(crate) view: ViewOptions,
    /// Port of the targets of file-sd
    #[arg(long, value_name = "PORT", default_value = "9100", value_parser = port)]
    pub(crate) target_port: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// Lines of /etc/hosts
    Hosts,
    /// Entries of ~/.ssh/config
    SshConfig,
    /// Targets of Prometheus' file discovery
    FileSd,
    /// A packet a line
    Jsonl,
}

#[derive(Debug, PartialEq, Eq, Args)]
pub(crate) struct AnsibleOptions {
    /// Print all groups and hosts
    #[arg(long, required_unless_present = "inventory_host")]
    pub(crate) list: bool,
    /// Print the variables of a host; the daemon's name stands before the command, or in HOST
    #[arg(long, value_name = "NAME", hide = true)]
    pub(crate) inventory_host: Option<String>,
    #[command(flatten)]
    pub(crate) view: ViewOptions,
}

/// A key of labels; the comma is no part of it.
fn column(text: &str) -> Result<String, String> {
    let key = text.trim();
    if key.is_empty() || key.contains(':') {
        return Err("must be keys of labels, such as service,location".to_owned());
    }
    Ok(key.to_owned())
}
