//! The programs under test, built by cargo beside the test's own executable.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// The path of a program of this workspace.
///
/// # Panics
/// If it was not built, or its sources were changed since.
pub fn program(name: &str) -> PathBuf {
    let program = profile_directory().join(name);
    assert!(
        program.is_file(),
        "{} is missing: run `cargo build --workspace` first",
        program.display()
    );
    if let Some(newer) = source_newer_than(&program) {
        panic!("{} is older than {newer}: run `cargo build --workspace` first", program.display());
    }
    program
}

/// `target/<profile>`: programs are in it, test executables in its `deps`.
fn profile_directory() -> PathBuf {
    let program = std::env::current_exe().expect("a program knows its executable");
    let directory = program.parent().expect("an executable is in a directory");
    if directory.ends_with("deps") {
        directory.parent().unwrap_or(directory).to_owned()
    } else {
        directory.to_owned()
    }
}

/// A command that runs this program and is killed when the thread that starts it ends, however it
/// ends.
pub(crate) fn tied(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// Cargo writes beside each program what it was made of: `program: source source …`.
fn source_newer_than(program: &Path) -> Option<String> {
    let made_of = std::fs::read_to_string(program.with_extension("d")).ok()?;
    let built = modified(program)?;
    let (_, sources) = made_of.split_once(": ")?;
    sources
        .split_whitespace()
        .find(|source| modified(Path::new(source)) > Some(built))
        .map(str::to_owned)
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|metadata| metadata.modified()).ok()
}
