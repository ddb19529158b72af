//! A machine whose only name server takes questions and never answers.

use std::ffi::OsString;

use tempfile::TempDir;

use crate::machine::unshare;

/// Brings up the loopback of a network of its own and a name server on it that is bound before the
/// command begins.
const SCRIPT: &str = r#"ip link set lo up && mount --bind "$1" /etc/resolv.conf || exit; shift
perl -MSocket -e 'socket(S, PF_INET, SOCK_DGRAM, 0); bind(S, sockaddr_in(53, INADDR_LOOPBACK)) or die $!; fork and exit; close STDOUT; close STDERR; sleep 60' || exit
exec "$@""#;

/// A namespace in which every name has to be asked for and no answer comes.
#[derive(Debug)]
pub struct SilentResolver {
    unshare: Vec<&'static str>,
    directory: TempDir,
}

impl SilentResolver {
    /// The namespace.
    ///
    /// # Panics
    /// If this machine lets us make none, neither as root nor in a user namespace.
    pub fn new() -> Self {
        let directory = TempDir::new().expect("a temporary directory can be made");
        let configuration = "nameserver 127.0.0.1\noptions timeout:5 attempts:4\n";
        std::fs::write(directory.path().join("resolv.conf"), configuration)
            .expect("a temporary file can be written");
        let mut words = unshare("--mount", "mount --bind /etc/hosts /etc/hosts");
        words.push("--net");
        Self { unshare: words, directory }
    }

    /// The words to put in front of a command that is to ask there.
    pub fn launcher(&self) -> Vec<OsString> {
        let words = self.unshare.iter().copied().chain(["sh", "-c", SCRIPT, "sh"]);
        words
            .map(OsString::from)
            .chain([self.directory.path().join("resolv.conf").into()])
            .collect()
    }
}

impl Default for SilentResolver {
    fn default() -> Self {
        Self::new()
    }
}
