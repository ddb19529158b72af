//! A machine whose only name server takes questions and never answers.

use std::ffi::OsString;

use tempfile::TempDir;

use crate::eventually::{LIMIT, ensure, eventually};
use crate::machine::unshare;

/// Brings up the loopback of a network of its own and becomes the command, which gets the socket of
/// the name server.
const SCRIPT: &str = r#"ip link set lo up && mount --bind "$1" /etc/resolv.conf || exit; shift
exec perl -MSocket -e '$^F = 1000; socket(S, PF_INET, SOCK_DGRAM, 0);
bind(S, sockaddr_in(53, INADDR_LOOPBACK)) or die $!; exec { $ARGV[0] } @ARGV' -- "$@""#;

/// Port 53 of 127.0.0.1, as the kernel writes it.
const NAME_SERVER: &str = "0100007F:0035";

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

    /// Waits until a program that was launched there, or its child, asks for a name.
    ///
    /// # Panics
    /// If it does not ask.
    #[track_caller]
    pub fn is_asked(&self, program: u32) -> impl Future<Output = ()> {
        eventually(LIMIT, async move || {
            let network =
                |process: &str| std::fs::read_link(format!("/proc/{process}/ns/net")).ok();
            let process = program.to_string();
            let is_there = network(&process).is_some_and(|own| Some(own) != network("self"));
            let sockets = std::fs::read_to_string(format!("/proc/{program}/net/udp"));
            let sockets = sockets.unwrap_or_default();
            let asks = |line: &str| line.split_whitespace().nth(2) == Some(NAME_SERVER);
            ensure(is_there && sockets.lines().any(asks), sockets)
        })
    }
}

impl Default for SilentResolver {
    fn default() -> Self {
        Self::new()
    }
}
