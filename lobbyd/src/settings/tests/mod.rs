mod check;
mod files;
mod help;
mod oddities;
mod reading;
mod refusals;

use std::ffi::OsString;

use super::{ConfigError, Settings, declaration};
use crate::config::testing;

/// Reads flags and variables, both as a user would type them, separated by white space.
fn read(flags: &str, variables: &str) -> Result<Settings, ConfigError> {
    testing::read(&declaration(), flags, variables)
}

fn read_exactly(flags: &[&str], variables: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    testing::read_exactly(&declaration(), flags, variables)
}

/// The names of the active drivers.
fn drivers(settings: &Settings) -> Vec<&'static str> {
    settings.drivers.iter().map(|active| active.name).collect()
}

/// The one line with which the variables are refused as wrong.
fn refusal(variables: &str) -> String {
    message(read("", variables), 2)
}

fn message<T: std::fmt::Debug>(outcome: Result<T, ConfigError>, exit_status: u8) -> String {
    let error = outcome.unwrap_err();
    let message = error.to_string();
    assert_eq!(error.exit_status(), exit_status, "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    message
}
