//! The command line: what may be said, and the help about it.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use lobby_client::{Label, Protocol};

const AFTER_HELP: &str = "\
Environment:
  PROTOCOL, HOST, PORT, TOKEN, TOKEN_FILE, CA_FILE
            as the options above; an option beats its variable, and a variable
            that is set but empty counts as unset
  NO_COLOR  set to anything: no colours, as if the output were no terminal

Exit status:
  0  done
  1  the daemon refused or failed, or its answer makes no sense
  2  wrong usage: an option, a variable, a label or a file that cannot be used
  3  the daemon cannot be reached, or did not answer within 10 seconds
  4  the daemon wants a valid token

Options may stand before and after the command, also with one dash, such as
-host and -port=1313. Words behind -- are no options: labels add -- -dashed

Examples:
  lobbyctl discoveries
  lobbyctl --host 10.0.0.5 discoveries search service: location:
  lobbyctl resolve service:smtp --json
  lobbyctl labels add maintenance:yes";

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
    #[arg(long, global = true, value_parser = host)]
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
    #[command(override_usage = "lobbyctl discoveries [OPTIONS] [labels LABEL... | search PREFIX...]")]
    Discoveries {
        #[command(subcommand)]
        choice: Option<Choice>,
    },
    /// Print the names of the servers that have a label, one a line
    Resolve {
        /// The whole label, such as service:smtp
        label: String,
    },
    /// Show how the connected daemon is doing; exit status 1 if a driver is down
    Status,
    /// Change the run-time labels of the connected daemon's server
    #[command(subcommand)]
    Labels(LabelsCommand),
}

#[derive(Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum Choice {
    /// Only servers with at least one of these labels, and only these labels of theirs
    Labels {
        /// Whole labels, such as service:smtp
        #[arg(required = true, value_name = "LABEL")]
        labels: Vec<String>,
    },
    /// Only servers with a label that begins with one of these texts, and only such labels of theirs
    Search {
        /// Beginnings of labels, such as service:
        #[arg(required = true, value_name = "PREFIX")]
        prefixes: Vec<String>,
    },
}

#[derive(Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum LabelsCommand {
    /// Add labels; they survive a restart of the daemon
    Add {
        /// Labels, by convention NAME:VALUE; at most 1024 bytes each, without control characters
        #[arg(required = true, value_name = "LABEL", value_parser = Label::parse)]
        labels: Vec<Label>,
    },
    /// Remove labels that were added so; those from elsewhere stay
    Del {
        /// Whole labels
        #[arg(required = true, value_name = "LABEL", value_parser = Label::parse)]
        labels: Vec<Label>,
    },
}

impl CommandLine {
    /// Reads the words of a command line, the program's name first. Help and version come as an error, as clap has it.
    pub(crate) fn read(words: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        Self::try_parse_from(with_two_dashes(words))
    }
}

pub(crate) fn protocol(text: &str) -> Result<Protocol, String> {
    text.parse().map_err(|_| "must be http or https".to_owned())
}

/// A host that stays one within a URL.
pub(crate) fn host(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_alphanumeric() || "-._:[]".contains(c);
    if has_port(text) {
        Err("must be a host name or an IP address alone: its port goes to --port or PORT".to_owned())
    } else if !text.is_empty() && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("must be a host name or an IP address".to_owned())
    }
}

/// A bare IPv6 address has several colons, one in brackets none behind them.
fn has_port(host: &str) -> bool {
    host.contains("]:") || host.matches(':').count() == 1
}

pub(crate) fn port(text: &str) -> Result<u16, String> {
    text.parse().ok().filter(|&port| port != 0).ok_or_else(|| "must be a number from 1 to 65535".to_owned())
}

/// Options of the original, which takes them with one dash, in the manner of Go.
const ONE_DASH: [&str; 7] = ["-host", "-port", "-proto", "-token", "-json", "-help", "-version"];

/// Options whose value is the next word, which is left alone whatever it looks like.
const WITH_VALUE: [&str; 6] = ["--host", "--port", "--proto", "--token", "--token-file", "--ca-file"];

/// The words with the original's options rewritten to two dashes, up to a `--`: behind it all is data.
fn with_two_dashes(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut words = words.into_iter();
    let mut rewritten: Vec<OsString> = words.next().into_iter().collect();
    while let Some(word) = words.next() {
        let word = option_with_two_dashes(word);
        let is_end = word == "--";
        let has_value = WITH_VALUE.iter().any(|option| word == OsStr::new(option));
        rewritten.push(word);
        if is_end {
            break;
        }
        if has_value {
            rewritten.extend(words.next());
        }
    }
    rewritten.extend(words);
    rewritten
}

fn option_with_two_dashes(word: OsString) -> OsString {
    let Some(text) = word.to_str() else { return word };
    let name = text.split_once('=').map_or(text, |(name, _)| name);
    if text == "-json=true" {
        "--json".into()
    } else if ONE_DASH.contains(&name) {
        format!("-{text}").into()
    } else {
        word
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    fn read(line: &str) -> Result<CommandLine, clap::Error> {
        CommandLine::read(["lobbyctl"].into_iter().chain(line.split_whitespace()).map(OsString::from))
    }

    fn refusal(line: &str) -> clap::Error {
        read(line).unwrap_err()
    }

    fn label(text: &str) -> Label {
        Label::parse(text).unwrap()
    }

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn options_stand_before_and_after_the_command() {
        let expected = ConnectionOptions { host: Some("h".into()), port: Some(7), ..Default::default() };
        for line in ["--host h --port 7 --json discovery", "discovery --json --port=7 --host=h"] {
            let read = read(line).unwrap();
            assert_eq!((&read.connection, read.json, read.command), (&expected, true, Command::Discovery), "{line}");
        }
    }

    #[test]
    fn every_command_is_understood() {
        assert_eq!(read("discoveries").unwrap().command, Command::Discoveries { choice: None });
        let choice = Some(Choice::Labels { labels: vec!["a:1".into(), "b".into()] });
        assert_eq!(read("discoveries labels a:1 b").unwrap().command, Command::Discoveries { choice });
        let choice = Some(Choice::Search { prefixes: vec!["a:".into()] });
        assert_eq!(read("discoveries search a: --json").unwrap().command, Command::Discoveries { choice });
        assert_eq!(read("resolve a:1").unwrap().command, Command::Resolve { label: "a:1".into() });
        let add = LabelsCommand::Add { labels: vec![label("a:1"), label("b:2")] };
        assert_eq!(read("labels add a:1 b:2").unwrap().command, Command::Labels(add));
        let del = LabelsCommand::Del { labels: vec![label("a:1")] };
        assert_eq!(read("labels del a:1").unwrap().command, Command::Labels(del));
    }

    #[test]
    fn the_one_dash_options_of_the_original_mean_the_same() {
        let original = read("-proto https -host=h -port 7 -token -json -json discovery").unwrap();
        assert_eq!(original, read("--proto https --host=h --port 7 --token=-json --json discovery").unwrap());
        assert!(read("-json=true discovery").unwrap().json);
        assert_eq!(original.connection.token.as_deref(), Some("-json"));
        assert_eq!(refusal("-help").kind(), ErrorKind::DisplayHelp);
    }

    #[test]
    fn a_host_with_a_port_is_refused_with_a_word_on_where_the_port_goes() {
        for host in ["127.0.0.1:1313", "web1:1313", "[::1]:1313"] {
            let text = refusal(&format!("--host {host} discovery")).to_string();
            assert!(text.contains(host) && text.contains("--host") && text.contains("--port"), "{text}");
        }
        for host in ["127.0.0.1", "web1", "::1", "[::1]"] {
            assert_eq!(read(&format!("--host {host} status")).unwrap().connection.host.as_deref(), Some(host));
        }
    }

    #[test]
    fn help_is_a_command_too() {
        for line in ["help", "help labels", "help discoveries search", "labels help"] {
            assert_eq!(refusal(line).kind(), ErrorKind::DisplayHelp, "{line}");
        }
    }

    #[test]
    fn a_label_right_behind_discoveries_is_answered_with_what_may_stand_there() {
        let text = refusal("discoveries service:web").to_string();
        assert!(text.contains("'service:web'") && text.contains("[labels LABEL... | search PREFIX...]"), "{text}");
    }

    #[test]
    fn behind_two_dashes_all_is_data() {
        let add = LabelsCommand::Add { labels: vec![label("-json"), label("-host=x")] };
        assert_eq!(read("labels add -- -json -host=x").unwrap().command, Command::Labels(add));
    }

    #[test]
    fn a_line_without_command_shows_the_help_as_an_error() {
        let refusal = refusal("");
        assert_eq!((refusal.exit_code(), refusal.use_stderr()), (2, true));
        assert!(refusal.to_string().contains("Usage: lobbyctl"));
    }

    #[test]
    fn wrong_usage_is_refused_with_status_2() {
        let lines = [
            "--json",
            "nonsense",
            "--bogus discovery",
            "-bogus discovery",
            "discoveries a:1",
            "discoveries labels",
            "discoveries search",
            "resolve",
            "resolve a b",
            "labels",
            "labels add",
            "labels del",
            "labels foo a:1",
            "--proto ftp discovery",
            "--host a/b discovery",
            "--port 0 discovery",
            "--port 65536 discovery",
            "--token a --token-file b discovery",
        ];
        for line in lines {
            let refusal = refusal(line);
            assert_eq!((refusal.exit_code(), refusal.use_stderr()), (2, true), "{line}");
        }
    }

    #[test]
    fn a_text_that_is_no_label_is_refused_with_the_reason() {
        let words = ["lobbyctl", "labels", "add", "a:1", " "].map(OsString::from);
        let text = CommandLine::read(words).unwrap_err().to_string();
        assert!(text.contains("a label must not be empty"), "{text}");
    }

    #[test]
    fn the_help_names_every_variable_and_every_exit_status() {
        let help = CommandLine::command().render_long_help().to_string();
        for variable in ["PROTOCOL", "HOST", "PORT", "TOKEN", "TOKEN_FILE", "CA_FILE"] {
            assert!(help.contains(&format!("[env: {variable}]")), "{variable}");
        }
        for status in ["0  done", "1  the daemon", "2  wrong usage", "3  the daemon", "4  the daemon"] {
            assert!(help.contains(status), "{status}");
        }
    }
}
