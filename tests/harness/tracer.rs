//! A daemon whose system calls are watched, or made slow or wrong.

use std::ffi::OsString;
use std::fs;

use tempfile::TempDir;

/// The launcher of a program whose system calls strace writes down, and changes if told to.
#[derive(Debug)]
pub struct Tracer {
    expressions: Vec<String>,
    directory: TempDir,
}

impl Tracer {
    /// Watches these system calls, comma separated.
    ///
    /// # Panics
    /// If a temporary directory cannot be made.
    pub fn of(calls: &str) -> Self {
        let directory = TempDir::new().expect("a temporary directory can be made");
        Self { expressions: vec![format!("trace={calls}")], directory }
    }

    /// The words to put in front of a command. It keeps its process id: strace runs beside it.
    pub fn launcher(&self) -> Vec<OsString> {
        let words = ["strace", "-D", "-f", "-qq", "--seccomp-bpf"].map(OsString::from);
        let expressions = self.expressions.iter().flat_map(|expression| ["-e".into(), expression.into()]);
        let output = ["-o".into(), self.directory.path().join("calls").into()];
        words.into_iter().chain(expressions).chain(output).collect()
    }

    /// The system calls so far, one a line as strace writes them.
    ///
    /// # Panics
    /// If strace was not started.
    pub fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.directory.path().join("calls")).expect("strace writes its output");
        calls.lines().map(str::to_owned).collect()
    }
}
