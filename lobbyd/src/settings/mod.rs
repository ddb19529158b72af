//! All settings: the daemon's own together with those of every driver.

#[cfg(test)]
mod tests;

use crate::config::{self, ConfigError, Declaration};
use crate::link::driver::Driver;
use crate::link::drivers;

/// All settings of the daemon, checked, with the active drivers made of theirs.
pub type Settings = config::Settings<Box<dyn Driver>>;

/// What this process is asked to do.
pub type Invocation = config::Invocation<Box<dyn Driver>>;

/// Reads the settings of this process.
///
/// # Errors
/// When a flag is unknown, a value bad or missing, or a file with a secret unreadable; also when
/// help or version is asked for.
pub fn read_process() -> Result<Invocation, ConfigError> {
    declaration().read_process()
}

/// The command line, for the manual page.
pub fn command() -> clap::Command {
    declaration().command()
}

fn declaration() -> Declaration<Box<dyn Driver>> {
    Declaration::new(drivers::TABLE)
}
