//! Callback scripts that record how they were run.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::eventually::{LIMIT, eventually};

/// Keeps the standard input in a file named by start and end, put in place when complete.
const RECORD: &str = r#"
begin=$(date +%s%N)
cat >"$dir/incoming.$$"
mv "$dir/incoming.$$" "$dir/runs/$begin-$(date +%s%N)"
"#;

/// A shell script in a directory of its own, which it knows as `$dir`.
#[derive(Debug)]
pub struct Script {
    directory: TempDir,
}

/// One run of a script that records.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// When it began, in nanoseconds since the Unix epoch.
    pub begin: u128,
    /// When it had read its input, in nanoseconds since the Unix epoch.
    pub end: u128,
    /// What it was given.
    pub input: Value,
}

impl Script {
    /// A script that records its runs, then does this too.
    pub fn recording_then(body: &str) -> Self {
        Self::doing(&format!("{RECORD}{body}"))
    }

    /// A script that does this.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn doing(body: &str) -> Self {
        let directory = TempDir::new().expect("a temporary directory can be made");
        std::fs::create_dir(directory.path().join("runs")).expect("a directory can be made");
        let text = format!("dir=${{0%/*}}\n{body}\n");
        std::fs::write(directory.path().join("script.sh"), text)
            .expect("a temporary file can be written");
        Self { directory }
    }

    /// The command line for CALLBACK. The shell is named, so that the file need not be executable:
    /// a file that was just written may still be open in a child of another test that is being
    /// started, and could then not be executed.
    pub fn command(&self) -> String {
        format!("sh {}", self.directory.path().join("script.sh").display())
    }

    /// A file beside the script.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The runs that are complete, in order.
    ///
    /// # Panics
    /// If the records cannot be read.
    pub fn runs(&self) -> Vec<Run> {
        let records = std::fs::read_dir(self.directory.path().join("runs"))
            .expect("the records can be listed");
        let mut runs: Vec<Run> =
            records.map(|record| read_run(&record.expect("a record").path())).collect();
        runs.sort_by_key(|run| run.begin);
        runs
    }

    /// Waits until the latest run fulfils the condition and returns it.
    ///
    /// # Panics
    /// If that does not come true.
    #[track_caller]
    pub fn runs_until(&self, condition: impl Fn(&Run) -> bool) -> impl Future<Output = Run> {
        eventually(LIMIT, async move || {
            let runs = self.runs();
            let latest = runs.last().filter(|run| condition(run)).cloned();
            latest.ok_or_else(|| format!("{} runs, the latest {:?}", runs.len(), runs.last()))
        })
    }

    /// Waits until the script has written this file and returns its text.
    ///
    /// # Panics
    /// If that does not come true.
    #[track_caller]
    pub fn writes(&self, name: &str) -> impl Future<Output = String> {
        let file = self.file(name);
        eventually(LIMIT, async move || match std::fs::read_to_string(&file) {
            Ok(text) if text.ends_with('\n') => Ok(text),
            other => Err(format!("{}: {other:?}", file.display())),
        })
    }
}

impl Run {
    /// The host names of the input.
    pub fn hosts(&self) -> Vec<&str> {
        self.input
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|host| host["hostname"].as_str())
            .collect()
    }

    /// The labels of one host of the input.
    pub fn labels_of(&self, hostname: &str) -> Option<&Value> {
        self.input
            .as_array()?
            .iter()
            .find(|host| host["hostname"] == hostname)
            .map(|host| &host["labels"])
    }
}

fn read_run(record: &Path) -> Run {
    let name = record.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (begin, end) = name.split_once('-').expect("a record is named begin-end");
    let input = std::fs::read(record).expect("a record can be read");
    let input = serde_json::from_slice(&input).expect("the input is JSON");
    Run { begin: begin.parse().expect("a number"), end: end.parse().expect("a number"), input }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    #[actix_rt::test]
    async fn a_script_keeps_what_it_was_given_and_does_more() {
        let script = Script::recording_then(r#"echo done >"$dir/end""#);
        let command = script.command();
        let (shell, file) = command.split_once(' ').unwrap();
        let mut child = Command::new(shell).arg(file).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(br#"[{"hostname":"a","labels":["x:1"]}]"#).unwrap();
        child.wait().unwrap();
        let run = script.runs_until(|run| run.hosts() == ["a"]).await;
        assert_eq!(run.labels_of("a"), Some(&serde_json::json!(["x:1"])));
        assert!(run.begin <= run.end);
        assert_eq!(script.writes("end").await, "done\n");
    }
}
