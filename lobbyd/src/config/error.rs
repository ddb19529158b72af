//! The errors of settings: why the daemon cannot start as it was told to.

use std::io::{self, Write};

use super::setting::SettingInfo;

/// Why the daemon cannot start as it was told to.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// What the command line parser has to say: a wrong flag, or the help or version that was asked
    /// for.
    #[error(transparent)]
    CommandLine(#[from] clap::Error),
    /// A setting is missing, has a bad value or contradicts another.
    #[error("{0}")]
    BadValue(String),
    /// A file that a setting names cannot be read.
    #[error("{0}")]
    Unreadable(String),
}

impl ConfigError {
    pub(crate) fn bad_value(setting: &SettingInfo, why: &str) -> Self {
        Self::BadValue(format!("{}: {why}", setting.name))
    }

    pub(crate) fn unreadable(setting: &SettingInfo, error: &anyhow::Error) -> Self {
        Self::Unreadable(format!("{}: {error:#}", setting.name))
    }

    /// Exit status for the shell: 2 for wrong settings, 1 for an unreadable file, 0 for help and
    /// version.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::CommandLine(error) => u8::try_from(error.exit_code()).unwrap_or(2),
            Self::BadValue(_) => 2,
            Self::Unreadable(_) => 1,
        }
    }

    /// Tells the user: errors on standard error, help and version on standard output.
    ///
    /// # Errors
    /// When that stream does not take it.
    pub fn print(&self) -> io::Result<()> {
        match self {
            Self::CommandLine(error) => error.print(),
            Self::BadValue(_) | Self::Unreadable(_) => writeln!(io::stderr(), "{self}"),
        }
    }
}
