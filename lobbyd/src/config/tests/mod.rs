mod files;
mod help;
mod reading;
mod refusals;

use std::collections::HashMap;
use std::ffi::OsString;

use super::{ConfigError, DriverSettings, LocalSettings, NatsSettings, RedisSettings, Settings};

/// Reads flags and variables, both as one would type them, separated by white space.
fn read(flags: &str, variables: &str) -> Result<Settings, ConfigError> {
    let flags: Vec<&str> = flags.split_whitespace().collect();
    let variables: Vec<_> = variables.split_whitespace().map(|pair| pair.split_once('=').unwrap()).collect();
    read_exactly(&flags, &variables)
}

fn read_exactly(flags: &[&str], variables: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let variables: HashMap<_, _> = variables.iter().map(|(name, value)| (*name, OsString::from(value))).collect();
    let arguments = ["lobbyd"].iter().chain(flags).map(OsString::from);
    Settings::read(arguments, &|name| variables.get(name).cloned())
}

/// The one line with which the variables are refused as wrong.
fn refusal(variables: &str) -> String {
    message(read("", variables), 2)
}

fn message(outcome: Result<Settings, ConfigError>, exit_status: u8) -> String {
    let error = outcome.unwrap_err();
    let message = error.to_string();
    assert_eq!(error.exit_status(), exit_status, "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    message
}

fn nats(settings: &Settings) -> &NatsSettings {
    pick(settings, |driver| if let DriverSettings::Nats(nats) = driver { Some(nats) } else { None })
}

fn redis(settings: &Settings) -> &RedisSettings {
    pick(settings, |driver| if let DriverSettings::Redis(redis) = driver { Some(redis) } else { None })
}

fn local(settings: &Settings) -> &LocalSettings {
    pick(settings, |driver| if let DriverSettings::Local(local) = driver { Some(local) } else { None })
}

fn pick<T>(settings: &Settings, wanted: impl Fn(&DriverSettings) -> Option<&T>) -> &T {
    settings.drivers.iter().find_map(wanted).unwrap()
}
