//! Namespaces of their own for some programs, as root or as an ordinary user.

use std::ffi::OsString;
use std::process::Command;

/// The words that run a command in a namespace of its own, of a kind in which it may do what this
/// shell command does.
pub(crate) fn unshare(kind: &'static str, deed: &str) -> Vec<&'static str> {
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
