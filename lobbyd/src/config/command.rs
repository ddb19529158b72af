//! The command line, made of the settings.

use std::ffi::OsString;

use clap::builder::ValueParser;
use clap::{Arg, Command};

use super::kinds::ValueStyle;
use super::setting::{AnySetting, SettingInfo};

const ABOUT: &str = "Daemon of lobby, the labelling and discovery service for servers";
const AFTER: &str = "\
Every flag is an environment variable too, NAME or LOBBY_NAME; a flag beats LOBBY_NAME, that beats NAME, which beats the default, and \
an empty variable counts as unset. Give secrets in variables or files: everyone on the machine can read a command line. SIGHUP reads label files and secret \
files again.";

/// Name of the flag that checks settings, and its value that tries the brokers.
pub(super) const CHECK: &str = "check";
pub(super) const CONNECT: &str = "connect";

/// Widest line of the help: longer ones are hard to read.
const WIDEST: usize = 120;

/// The command line with one flag for each setting, which stands under the heading beside it.
pub(super) fn command<'a>(
    settings: impl Iterator<Item = (&'static str, &'a dyn AnySetting)>,
) -> Command {
    let flags = settings.map(|(heading, setting)| flag(setting.info()).help_heading(heading));
    Command::new("lobbyd")
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .after_help(AFTER)
        .max_term_width(WIDEST)
        .next_line_help(true)
        .arg(check())
        .args(flags)
}

/// `--check` stands for itself: it is not a setting.
fn check() -> Arg {
    Arg::new(CHECK)
        .long(CHECK)
        .value_name(CONNECT)
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("settings")
        .value_parser(["settings", CONNECT])
        .hide_possible_values(true)
        .help(
            "Print all settings with their sources, the labels, and what is odd, then exit with 0 (fine), 1 (odd) or \
             2 (wrong); with =connect try the brokers too",
        )
}

/// Values are taken as they come: reading them is the same work for flags and variables.
fn flag(setting: &SettingInfo) -> Arg {
    let flag = Arg::new(setting.name)
        .long(setting.flag())
        .value_name(setting.unit)
        .value_parser(ValueParser::os_string())
        .allow_negative_numbers(true)
        .help(format!(
            "{}\n[env: {}] [default: {}]",
            setting.meaning,
            setting.name,
            setting.default()
        ));
    match setting.style {
        ValueStyle::Switch => flag.num_args(0..=1).default_missing_value(OsString::from("true")),
        ValueStyle::Open | ValueStyle::Secret | ValueStyle::SecretFile => flag,
    }
}
