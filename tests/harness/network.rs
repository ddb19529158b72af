//! A network of its own for some programs.

use std::ffi::OsString;
use std::process::Command;

use crate::Process;
use crate::binaries::tied;
use crate::machine::{enter, unshare};

/// A network namespace, which is gone when this value is dropped. At first it has no interface but
/// loopback.
#[derive(Debug)]
pub struct Network {
    holder: Process,
}

impl Network {
    /// A network with a loopback interface that is up.
    ///
    /// # Panics
    /// If this machine lets us make none.
    pub async fn new() -> Self {
        let words = unshare("--net", "ip link set lo up");
        let words: Vec<_> = words.into_iter().map(OsString::from).collect();
        Self::of(&words).await
    }

    /// Another one, of the same user namespace: a cable can be laid between the two.
    ///
    /// # Panics
    /// If this machine lets us make none.
    pub async fn beside(&self) -> Self {
        let mut words = self.launcher();
        words.extend(["unshare", "--net"].map(OsString::from));
        Self::of(&words).await
    }

    async fn of(words: &[OsString]) -> Self {
        let script = "ip link set lo up && echo ready >&2 && exec sleep infinity";
        let mut command = tied(&words[0]);
        command.args(&words[1..]).args(["sh", "-c", script]);
        let holder = Process::start("network", &mut command);
        holder.logged("ready").await;
        Self { holder }
    }

    /// The words to put in front of a command that is to run in this network.
    pub fn launcher(&self) -> Vec<OsString> {
        enter(self.holder.id(), "--net")
    }

    /// Adds an interface that is down, and leads to another one of this network.
    ///
    /// # Panics
    /// If there cannot be one.
    pub fn add_interface(&self, name: &str) {
        self.ip(&format!("link add {name} type veth peer name {name}-peer"));
        self.ip(&format!("link set {name}-peer up"));
    }

    /// Lays a cable to a network beside it: an interface `cable` in each, with these addresses.
    ///
    /// # Panics
    /// If there cannot be one.
    pub fn connect(&self, other: &Self, own_address: &str, other_address: &str) {
        let id = other.holder.id();
        self.ip(&format!("link add cable type veth peer name cable netns {id}"));
        for (network, address) in [(self, own_address), (other, other_address)] {
            network.ip(&format!("address add {address} dev cable"));
            network.ip("link set cable up");
        }
    }

    /// Runs `ip` in this network.
    ///
    /// # Panics
    /// If it fails.
    pub fn ip(&self, arguments: &str) {
        let launcher = self.launcher();
        let mut command = Command::new(&launcher[0]);
        command.args(&launcher[1..]).arg("ip").args(arguments.split(' '));
        let done = command.status().is_ok_and(|status| status.success());
        assert!(done, "ip {arguments}");
    }
}
