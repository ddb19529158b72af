//! Namespaces of their own for some programs, as root or as an ordinary user.

use std::ffi::OsString;
use std::fs;
use std::process::Command;

/// The words that run a command in a namespace of its own, of a kind in which it may do what this
/// shell command does.
///
/// # Panics
/// If there is no way for this user.
pub fn unshare(kind: &'static str, deed: &str) -> Vec<&'static str> {
    let ways = [vec!["unshare", kind], vec!["unshare", "--map-root-user", kind]];
    let works = |way: &Vec<&str>| {
        let run = Command::new(way[0]).args(&way[1..]).args(["sh", "-c", deed]).output();
        run.is_ok_and(|output| output.status.success())
    };
    ways.into_iter().find(works).unwrap_or_else(|| {
        panic!("no way to {deed:?}: run the tests as root with CAP_SYS_ADMIN, or allow unprivileged user namespaces")
    })
}

/// The words that run a command as process 1, as in a container. It is killed when its launcher is.
///
/// # Panics
/// If this machine lets us make no namespace of process ids, neither as root nor in a user
/// namespace.
pub fn process_one() -> Vec<OsString> {
    let words = unshare("--pid", "true").into_iter().chain(["--fork", "--kill-child=KILL"]);
    words.map(OsString::from).collect()
}

/// The words that run a command in the namespaces of a running process, of a kind as `--net`. What
/// an ordinary user made belongs to a user namespace, which has to be entered too.
///
/// # Panics
/// If the process has ended.
pub fn enter(process: u32, kind: &str) -> Vec<OsString> {
    let id = process.to_string();
    let mut words = vec!["nsenter", "--target", &id, kind];
    let users = |process| {
        fs::read_link(format!("/proc/{process}/ns/user")).expect("a running process of this user")
    };
    if users("self") != users(&id) {
        words.extend(["--user", "--preserve-credentials"]);
    }
    words.push("--");
    words.into_iter().map(OsString::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Process;

    /// What a command prints there.
    fn printed(process: &Process, kind: &str, command: &str) -> String {
        let words = enter(process.id(), kind);
        let run = Command::new(&words[0]).args(&words[1..]).args(["sh", "-c", command]).output();
        let output = run.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    #[actix_rt::test]
    async fn a_namespace_of_whoever_made_it_can_be_entered() {
        let script = "ip link set lo up; hostname inside; echo ready >&2; exec sleep 60";
        let mut ways = vec![vec!["unshare", "--map-root-user"]];
        if rustix::process::geteuid().is_root() {
            ways.push(vec!["unshare"]);
        }
        for way in ways {
            let mut command = Command::new(way[0]);
            command.args(&way[1..]).args(["--uts", "--net", "sh", "-c", script]);
            let process = Process::start("holder", &mut command);
            process.logged("ready").await;
            assert_eq!(printed(&process, "--uts", "hostname"), "inside\n");
            assert_eq!(printed(&process, "--net", "ip link set lo down"), "");
        }
    }
}
