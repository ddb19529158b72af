//! The command line: what may be said, and the help about it.

mod leases;
#[cfg(test)]
mod man_page;
#[cfg(test)]
mod tests;
mod values;
mod views;
mod words;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::CommandFactory;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Args, Parser, Subcommand};
use lobby_client::{HostName, Protocol, Selector};

use crate::action::Action;
use crate::completion::{hosts, labels};

pub(crate) use leases::{CheckOptions, DrainOptions, LabelsCommand, RunOptions};
pub(crate) use values::{host, port, protocol, selector};
pub(crate) use views::{
    AddressOptions, AnsibleOptions, ExportFormat, ExportOptions, TableOptions, ViewOptions,
};
pub(crate) use words::{takes_value, with_two_dashes};

use values::{count, mode, time, time_of_label};

const AFTER_HELP: &str = "\
Environment:
  PROTOCOL, HOST, PORT, TOKEN, TOKEN_FILE, CA_FILE
            as the options above; an option beats its variable, and a variable
            that is set but empty counts as unset; LOBBY_PORT beats PORT, and
            so on
  NO_COLOR  set to anything: no colours, as where TERM is dumb

Exit status:
  0  done
  1  the daemon refused or failed, or its answer makes no sense
  2  wrong usage: an option, a variable, a label, a selector or a file that
     cannot be used
  3  the daemon cannot be reached, or did not answer within 10 seconds
  4  the daemon wants a valid token
  5  wait: time was up before it was so
  run ends with the status of its program: 128 and the number of a signal that
  ended it, 126 if it cannot be run, 127 if there is none of that name

Options may stand before and after the command, also with one dash, such as
-host and -port=1313. Words behind -- are no options: labels add -- -dashed

Examples:
  lobbyctl discoveries
  lobbyctl --host 10.0.0.5 discoveries search service: location:
  lobbyctl resolve service:smtp --json
  lobbyctl discoveries -l 'service in (smtp,imap) and not drain'
  lobbyctl labels add maintenance:yes
  lobbyctl watch -l 'service=web and not drain'
  lobbyctl wait -l service=web --count 2 --timeout 90s
  lobbyctl run --label service:web --check 'curl -fs localhost' -- httpd -D
  lobbyctl drain --for 1h --reason 'kernel update'";

/// Asks a lobby daemon which servers there are, and changes the labels of its own.
#[derive(Debug, PartialEq, Eq, Parser)]
#[command(name = "lobbyctl", version, after_help = AFTER_HELP, max_term_width = 120)]
pub(crate) struct CommandLine {
    /// Print what the API gave as one line of JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) connection: ConnectionOptions,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the daemon is and how it is spoken to, as far as the command line says.
#[derive(Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionOptions {
    /// http or https [env: PROTOCOL] [default: http]
    #[arg(long, global = true, value_name = "PROTOCOL", value_parser = protocol)]
    pub(crate) proto: Option<Protocol>,
    /// Host name or IP address of the daemon [env: HOST] [default: 127.0.0.1]
    #[arg(long, global = true, value_parser = host, add = hosts())]
    pub(crate) host: Option<String>,
    /// Port of the daemon [env: PORT] [default: 1313]
    #[arg(long, global = true, value_parser = port)]
    pub(crate) port: Option<u16>,
    /// API token; others may see it in the list of processes [env: TOKEN]
    #[arg(long, global = true, allow_hyphen_values = true)]
    pub(crate) token: Option<String>,
    /// File that holds the API token [env: TOKEN_FILE]
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "token")]
    pub(crate) token_file: Option<PathBuf>,
    /// PEM file with the certificates to trust for https, instead of the system's [env: CA_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
}

#[derive(Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum Command {
    /// Show the server of the connected daemon with its labels
    Discovery,
    /// List the servers that the daemon knows, with their labels
    #[command(
        override_usage = "lobbyctl discoveries [OPTIONS] [-l SELECTOR | labels LABEL... | search PREFIX...]"
    )]
    Discoveries {
        /// Only servers that this selector chooses, such as 'service=smtp and not drain'
        #[arg(short = 'l', long, value_parser = selector, add = labels())]
        selector: Option<Selector>,
        #[command(subcommand)]
        filter: Option<DiscoveryFilter>,
    },
    /// Print the names of the servers that have a label or that a selector chooses, one a line
    #[command(override_usage = "lobbyctl resolve [OPTIONS] <LABEL | -l SELECTOR>")]
    Resolve {
        /// Servers that this selector chooses, such as 'service=smtp and not drain'
        #[arg(short = 'l', long, value_parser = selector, add = labels(), conflicts_with = "label")]
        selector: Option<Selector>,
        /// The whole label, such as service:smtp
        #[arg(required_unless_present = "selector", add = labels())]
        label: Option<String>,
    },
    /// Print what changes, a line an event, until it is ended
    Watch(WatchOptions),
    /// Make a file of a template and of what the lobby knows
    #[command(arg = hidden_json())]
    Render(RenderOptions),
    /// Wait until servers are there, or none is; exit status 5 if time is up
    #[command(arg = hidden_json())]
    Wait(WaitOptions),
    /// Print a table of the servers, for grep and awk
    #[command(arg = hidden_json())]
    Table(TableOptions),
    /// Print the servers in a form that other programs read
    #[command(arg = hidden_json())]
    Export(ExportOptions),
    /// Be the inventory of Ansible, as when called by the name lobby-inventory
    #[command(override_usage = "lobbyctl [CONNECTION] ansible [OPTIONS] <--list | --host NAME>")]
    Ansible(AnsibleOptions),
    /// Show how the connected daemon is doing; exit status 1 if a driver is down
    Status,
    /// Say what is odd about the connected daemon, or why it does not see a server; exit status 1
    /// if something is
    Doctor {
        /// The server that one looks for
        #[arg(value_name = "HOST", value_parser = HostName::parse, add = hosts())]
        wanted: Option<HostName>,
    },
    /// Check that the connected daemon works, for containers: exit status 0 if so, with any broker
    #[command(arg = hidden_json())]
    Ping,
    /// List the labels of the connected daemon's server, and change those of run time
    #[command(subcommand)]
    Labels(LabelsCommand),
    /// Run a program; the server has labels as long as it runs and its check passes
    #[command(
        arg = hidden_json(),
        override_usage = "lobbyctl run [OPTIONS] --label <LABEL> [--check <COMMAND>] [-- <CMD>...]"
    )]
    Run(RunOptions),
    /// Ask for no more work: give the server the label drain, or drain:REASON
    #[command(arg = json().help("Print what --show shows as one line of JSON"))]
    Drain(DrainOptions),
}

/// The option of a command that has nothing to print as JSON, which refuses it.
fn hidden_json() -> Arg {
    json().hide(true)
}

/// What stands below a command in the place of the option of all.
fn json() -> Arg {
    Arg::new("json").long("json").global(true).action(ArgAction::SetTrue)
}

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum DiscoveryFilter {
    /// Only servers with at least one of these labels, and only these labels of theirs
    Labels {
        /// Whole labels, such as service:smtp
        #[arg(required = true, value_name = "LABEL", add = labels())]
        labels: Vec<String>,
    },
    /// Only servers with a label that begins with one of these texts, and only such labels of
    /// theirs
    Search {
        /// Beginnings of labels, such as service:
        #[arg(required = true, value_name = "PREFIX", add = labels())]
        prefixes: Vec<String>,
    },
}

#[derive(Debug, PartialEq, Eq, Args)]
pub(crate) struct WatchOptions {
    /// Only servers that this selector chooses, such as 'service=web and not drain'
    #[arg(short = 'l', long, value_parser = selector, add = labels())]
    pub(crate) selector: Option<Selector>,
}

#[derive(Debug, PartialEq, Eq, Args)]
pub(crate) struct RenderOptions {
    /// The template, Jinja: hosts, each with name, labels, address, value('KEY'), values('KEY')
    pub(crate) template: PathBuf,
    /// The file to make; without it the text is printed
    #[arg(short = 'o', long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Only servers that this selector chooses
    #[arg(short = 'l', long, value_parser = selector, add = labels())]
    pub(crate) selector: Option<Selector>,
    #[command(flatten)]
    pub(crate) addresses: AddressOptions,
    /// Fail rather than render fewer servers: those of with('SELECTOR'), or else all
    #[arg(long, value_name = "N", default_value = "0")]
    pub(crate) min_servers: usize,
    /// Drained servers, too
    #[arg(long)]
    pub(crate) drained: bool,
    /// A program that must succeed; {} in it is the new file, without {} it runs after the
    /// replacement, and when it fails the old file returns
    #[arg(long, value_name = "COMMAND", requires = "output")]
    pub(crate) check: Option<Action>,
    /// A program that is run when the file was replaced
    #[arg(long, value_name = "COMMAND", requires = "output")]
    pub(crate) reload: Option<Action>,
    /// Go on, and render again whenever something changes
    #[arg(long)]
    pub(crate) watch: bool,
    /// Print what the file would hold, check it if the check has {}, and change nothing
    #[arg(long, conflicts_with = "watch")]
    pub(crate) dry_run: bool,
    /// The mode of a file that is not there yet
    #[arg(long, value_name = "MODE", default_value = "0644", value_parser = mode)]
    pub(crate) mode: u32,
}

#[derive(Debug, PartialEq, Eq, Args)]
pub(crate) struct WaitOptions {
    /// Only servers that this selector chooses, such as 'service=web and not drain'
    #[arg(short = 'l', long, value_parser = selector, add = labels())]
    pub(crate) selector: Option<Selector>,
    /// How many servers there must be at least
    #[arg(long, value_name = "N", default_value = "1", value_parser = count)]
    pub(crate) count: usize,
    /// Wait until there is none; believed only of a daemon that must have heard every server
    #[arg(long, conflicts_with = "count")]
    pub(crate) none: bool,
    /// How long to wait, such as 90s, 5m or 1h; a bare number is in seconds
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time)]
    pub(crate) timeout: Duration,
}

impl Command {
    /// The name of a command that has nothing to print as JSON, and is not one of lobby 1.x.
    fn without_json(&self) -> Option<&'static str> {
        Some(match self {
            Self::Wait(_) => "wait",
            Self::Render(_) => "render",
            Self::Table(_) => "table",
            Self::Export(_) => "export",
            Self::Ping => "ping",
            Self::Run(_) => "run",
            Self::Drain(options) if !options.show => "drain",
            // Ansible's inventory is JSON anyway.
            _ => return None,
        })
    }
}

impl CommandLine {
    /// Reads the words of a command line, the program's name first. Help and version come as an
    /// error, as clap has it.
    pub(crate) fn read(words: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let line = Self::try_parse_from(with_two_dashes(words))?;
        if line.json
            && let Some(name) = line.command.without_json()
        {
            let problem = format!("{name} has no JSON to print: leave --json out");
            return Err(Self::command().error(ErrorKind::ArgumentConflict, problem));
        }
        // clap could refuse this, but then also options of the connection before a filter.
        if let Command::Discoveries { selector: Some(_), filter: Some(_) } = line.command {
            let problem = "--selector stands alone: say all of it in the selector, instead of \
                           labels or search";
            return Err(Self::command().error(ErrorKind::ArgumentConflict, problem));
        }
        line.check_inventory()?;
        Ok(line)
    }

    /// clap would complain of an option that nobody has written.
    fn check_inventory(&self) -> Result<(), clap::Error> {
        let Command::Ansible(AnsibleOptions { list: true, inventory_host: Some(host), .. }) =
            &self.command
        else {
            return Ok(());
        };
        let problem = format!(
            "--list prints all hosts, and --host behind ansible one of them: one of both is \
             enough. The name of a daemon stands before: lobbyctl --host {host} ansible --list"
        );
        Err(Self::command().error(ErrorKind::ArgumentConflict, problem))
    }
}
