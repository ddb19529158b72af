//! A machine of its own for one daemon, as far as names go: what it is called, and what names it
//! can resolve.

use std::ffi::OsString;
use std::io::Write;
use std::process::Command;

use tempfile::TempDir;

use crate::eventually::LIMIT;
use crate::machine::unshare;

/// Renames the host when told so through the pipe, then becomes the command.
const SCRIPT: &str = r#"hostname "$1" || exit; pipe=$2; (read -r name <"$pipe" && hostname "$name") & shift 2; exec "$@""#;

/// A UTS namespace: to the programs launched in it the machine has another name.
#[derive(Debug)]
pub struct RenamableHost {
    unshare: Vec<&'static str>,
    name: String,
    directory: TempDir,
}

impl RenamableHost {
    /// A machine of this name.
    ///
    /// # Panics
    /// If this machine lets us make no UTS namespace, neither as root nor in a user namespace.
    pub fn new(name: &str) -> Self {
        let directory = TempDir::new().expect("a temporary directory can be made");
        let made = Command::new("mkfifo").arg(directory.path().join("pipe")).status();
        assert!(made.is_ok_and(|status| status.success()), "mkfifo works");
        Self { unshare: unshare("--uts", "hostname lobby-test"), name: name.to_owned(), directory }
    }

    /// The words to put in front of a command that is to run on this machine.
    pub fn launcher(&self) -> Vec<OsString> {
        let words = self.unshare.iter().copied().chain(["sh", "-c", SCRIPT, "sh", &self.name]);
        words.map(OsString::from).chain([self.directory.path().join("pipe").into()]).collect()
    }

    /// Renames the machine, once.
    ///
    /// # Panics
    /// If nobody is running on it.
    pub async fn rename(&self, name: &str) {
        let (pipe, line) = (self.directory.path().join("pipe"), format!("{name}\n"));
        // Opening a pipe waits for its reader.
        let write = tokio::task::spawn_blocking(move || {
            std::fs::OpenOptions::new().write(true).open(pipe)?.write_all(line.as_bytes())
        });
        let written = tokio::time::timeout(LIMIT, write).await.expect("somebody reads the pipe");
        written.expect("the writer does not panic").expect("the pipe can be written");
    }
}

/// Puts its own files in the place of the machine's, then becomes the command.
const NAMES_SCRIPT: &str = r#"mount --bind "$1/hosts" /etc/hosts && mount --bind "$1/resolv.conf" /etc/resolv.conf || exit
shift; exec "$@""#;

/// A mount namespace: to the programs launched in it only those names resolve that they were told
/// of, and no server is asked.
#[derive(Debug)]
pub struct HostNames {
    unshare: Vec<&'static str>,
    directory: TempDir,
}

impl HostNames {
    /// Knows no name yet.
    ///
    /// # Panics
    /// If this machine lets us make no mount namespace, neither as root nor in a user namespace.
    pub fn none() -> Self {
        let directory = TempDir::new().expect("a temporary directory can be made");
        for file in ["hosts", "resolv.conf"] {
            std::fs::write(directory.path().join(file), "")
                .expect("a temporary file can be written");
        }
        Self { unshare: unshare("--mount", "mount --bind /etc/hosts /etc/hosts"), directory }
    }

    /// The words to put in front of a command that is to know these names only.
    pub fn launcher(&self) -> Vec<OsString> {
        let words = ["sh", "-c", NAMES_SCRIPT, "sh"].map(OsString::from);
        self.unshare
            .iter()
            .map(OsString::from)
            .chain(words)
            .chain([self.directory.path().into()])
            .collect()
    }

    /// From now on this name means this machine.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn add(&self, name: &str) {
        self.add_addresses(name, &["127.0.0.1"]);
    }

    /// From now on this name has these addresses, and no other name has any.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn add_addresses(&self, name: &str, addresses: &[&str]) {
        let lines: String = addresses.iter().map(|address| format!("{address} {name}\n")).collect();
        std::fs::write(self.directory.path().join("hosts"), lines)
            .expect("a temporary file can be written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Process;

    #[actix_rt::test]
    async fn a_machine_is_renamed_under_a_running_program() {
        let machine = RenamableHost::new("one");
        let words = machine.launcher();
        let watch = "while :; do hostname >&2; sleep 0.05; done";
        let process = Process::start(
            "watch",
            Command::new(&words[0]).args(&words[1..]).args(["sh", "-c", watch]),
        );
        process.logged("one").await;
        machine.rename("two").await;
        process.logged("two").await;
    }

    #[actix_rt::test]
    async fn a_name_resolves_once_it_is_added() {
        let names = HostNames::none();
        let words = names.launcher();
        let watch =
            "while :; do getent hosts broker.example >&2 || echo nothing >&2; sleep 0.05; done";
        let process = Process::start(
            "watch",
            Command::new(&words[0]).args(&words[1..]).args(["sh", "-c", watch]),
        );
        process.logged("nothing").await;
        names.add("broker.example");
        process.logged("127.0.0.1").await;
    }
}
