//! The settings of the Local driver.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::DefaultValue::Described;
use crate::config::{ConfigError, Timing, Values, kinds, settings};

settings! {
    /// The settings of the Local driver.
    BLOCK, "Driver Local" {
        LOCAL_PATH: PathBuf, kinds::DIR, Described("/run/lobby, without root $XDG_RUNTIME_DIR/lobby"),
            "Directory in which the daemons of one machine meet";
    }
}

/// Where daemons of one machine meet.
#[derive(Debug, Clone)]
pub struct LocalSettings {
    /// LOCAL_PATH: directory.
    pub path: PathBuf,
    /// KEEP_ALIVE: how often the directory is read again, events or not.
    pub keep_alive: Duration,
    /// TTL: age at which a file is swept.
    pub ttl: Duration,
}

impl LocalSettings {
    /// Reads them.
    ///
    /// # Errors
    /// When LOCAL_PATH is missing and has no default.
    pub(super) fn read(values: &Values<'_>, timing: Timing) -> Result<Self, ConfigError> {
        let is_root = rustix::process::geteuid().is_root();
        let runtime_dir = values.variable("XDG_RUNTIME_DIR").map(PathBuf::from);
        let path = values.optional(&LOCAL_PATH)?.or_else(|| default_path(is_root, runtime_dir));
        let path = path.ok_or_else(|| {
            let why =
                "only root has a default without XDG_RUNTIME_DIR: set LOCAL_PATH to a directory";
            ConfigError::BadValue(format!("LOCAL_PATH is missing, and DRIVER names Local: {why}"))
        })?;
        Ok(Self { path, keep_alive: timing.keep_alive, ttl: timing.ttl })
    }
}

/// The default: one directory for the whole machine as root, else one for all daemons of a user.
fn default_path(is_root: bool, runtime_dir: Option<PathBuf>) -> Option<PathBuf> {
    if is_root {
        Some(PathBuf::from("/run/lobby"))
    } else {
        runtime_dir.map(|dir| dir.join("lobby"))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::testing::configured;

    #[test]
    fn path_and_times_are_read() {
        let settings =
            configured(&BLOCK, "LOCAL_PATH=/var/l KEEP_ALIVE=2 TTL=9", LocalSettings::read)
                .unwrap();
        assert_eq!(settings.path, Path::new("/var/l"));
        assert_eq!(
            (settings.keep_alive, settings.ttl),
            (Duration::from_secs(2), Duration::from_secs(9))
        );
    }

    #[test]
    fn the_default_is_the_machines_for_root_else_the_users() {
        let runtime_dir = || Some(PathBuf::from("/run/user/7"));
        assert_eq!(default_path(true, runtime_dir()), Some("/run/lobby".into()));
        assert_eq!(default_path(false, runtime_dir()), Some("/run/user/7/lobby".into()));
        assert_eq!(default_path(false, None), None);
    }
}
