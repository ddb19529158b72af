//! An action: a program that checks or reloads, with a limit on its time and on what it says.

use std::path::Path;
use std::process::Stdio;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, bail};
use lobby_client::text::printable;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{ChildStderr, ChildStdout, Command};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

/// The most time that a program may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// How long its output is waited for when it has ended: programs that it left behind may hold it.
const OUTPUT_LIMIT: Duration = Duration::from_millis(300);

/// The most that is told of what it said, in bytes.
const MAX_SAID: u64 = 4 << 10;

/// What stands for the file in the words of a check.
const FILE: &str = "{}";

/// Variables that hold a secret, which no program needs.
const WITHHELD: [&str; 6] =
    ["TOKEN", "TOKEN_FILE", "READ_TOKEN", "LOBBY_TOKEN", "LOBBY_TOKEN_FILE", "LOBBY_READ_TOKEN"];

/// A program with its arguments. No shell is involved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Action {
    words: Vec<String>,
}

impl FromStr for Action {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words = shlex::split(text).filter(|words| !words.is_empty());
        let words = words.ok_or("must be a program with its arguments, quoted as for a shell")?;
        Ok(Self { words })
    }
}

impl Action {
    /// Whether it gets the file.
    pub(crate) fn takes_file(&self) -> bool {
        self.words.iter().any(|word| word.contains(FILE))
    }

    /// Runs it with a file in the place of `{}`. The error says what it said.
    pub(crate) async fn run_with(&self, file: &Path) -> anyhow::Result<()> {
        let file = file.to_string_lossy();
        let words: Vec<_> = self.words.iter().map(|word| word.replace(FILE, &file)).collect();
        run(&words, LIMIT).await
    }

    /// Runs it as it stands. The error says what it said.
    pub(crate) async fn run_within(&self, limit: Duration) -> anyhow::Result<()> {
        run(&self.words, limit).await
    }
}

/// What a program has started, killed with it where nobody waits for its end.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // One that has ended meanwhile is just what is wanted.
            kill_process_group(group, Signal::KILL).ok();
        }
    }
}

async fn run(words: &[String], limit: Duration) -> anyhow::Result<()> {
    let line = words.join(" ");
    let mut child = command(words).spawn().with_context(|| format!("cannot run {line}"))?;
    let mut group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
    let (ended, has_ended) = oneshot::channel();
    let (pipes, mut said) = ((child.stdout.take(), child.stderr.take()), Said::default());
    let waiting = async {
        let status = timeout(limit, child.wait()).await;
        if status.is_ok() {
            // What it left behind may go on.
            group.0 = None;
        }
        drop(group);
        // Where all has been read, nobody needs to know.
        ended.send(()).ok();
        status
    };
    let (status, ()) = tokio::join!(waiting, said.listen(pipes, has_ended));
    let said = said.told();
    match status {
        Ok(status) => {
            let status = status.with_context(|| format!("cannot wait for {line}"))?;
            if !status.success() {
                bail!("{line} failed, {status}{said}");
            }
            Ok(())
        }
        Err(_) => bail!("{line} did not end within {limit:?} and was killed{said}"),
    }
}

fn command(words: &[String]) -> Command {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
    for variable in WITHHELD {
        command.env_remove(variable);
    }
    command
}

/// What a program said.
#[derive(Debug, Default)]
struct Said {
    output: Vec<u8>,
    errors: Vec<u8>,
}

impl Said {
    /// Reads until nobody can say more, and not for long once the program has ended. The pipes are
    /// closed then: what it left behind must not keep them open here for as long as it runs.
    async fn listen(
        &mut self,
        (output, errors): (Option<ChildStdout>, Option<ChildStderr>),
        has_ended: oneshot::Receiver<()>,
    ) {
        let all = async {
            tokio::join!(read(output, &mut self.output), read(errors, &mut self.errors));
        };
        let over = async {
            has_ended.await.ok();
            sleep(OUTPUT_LIMIT).await;
        };
        tokio::select! {
            () = all => {}
            () = over => {}
        }
    }

    /// Its lines, the errors first.
    fn told(&self) -> String {
        let parts = [&self.errors, &self.output].map(|part| String::from_utf8_lossy(part));
        let lines = parts.iter().flat_map(|part| part.lines());
        lines.map(|line| format!("\n  {}", printable(line))).collect()
    }
}

/// Reads the beginning. The rest is read, too, so that the program does not wait for a reader.
async fn read(pipe: Option<impl AsyncRead + Unpin>, said: &mut Vec<u8>) {
    if let Some(mut pipe) = pipe {
        // What was read until an error is told.
        (&mut pipe).take(MAX_SAID).read_to_end(said).await.ok();
        tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await.ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn run(text: &str) -> Result<(), String> {
        let action: Action = text.parse().unwrap();
        let outcome = action.run_within(Duration::from_secs(1)).await;
        outcome.map_err(|error| format!("{error:#}"))
    }

    #[actix_rt::test]
    async fn a_program_gets_the_file_where_it_wants_it() {
        for text in ["test {} = '/tmp/x y'", "test a{}b = 'a/tmp/x yb'"] {
            let action: Action = text.parse().unwrap();
            assert!(action.run_with(Path::new("/tmp/x y")).await.is_ok(), "{text}");
        }
        assert_eq!(run("test {} = '{}'").await, Ok(()));
        assert!("nginx -t".parse::<Action>().is_ok_and(|action| !action.takes_file()));
    }

    #[actix_rt::test]
    async fn what_a_failed_program_said_is_told() {
        let fault = run("sh -c 'echo one; echo two >&2; exit 3'").await.unwrap_err();
        assert!(fault.ends_with("failed, exit status: 3\n  two\n  one"), "{fault}");
        let long = run("sh -c 'yes | head -c 1000000; exit 1'").await.unwrap_err();
        assert!(long.len() < 20_000, "{}", long.len());
        assert!(run("/nowhere/program").await.unwrap_err().starts_with("cannot run /nowhere"));
    }

    #[actix_rt::test]
    async fn a_program_that_hangs_is_killed_with_all_that_it_started() {
        let fault = run("sh -c 'echo begun; sleep 60 & sleep 60'").await.unwrap_err();
        assert!(fault.contains("did not end within 1s and was killed\n  begun"), "{fault}");
    }

    #[actix_rt::test]
    async fn what_was_said_is_told_though_something_holds_the_output() {
        let fault = run("sh -c 'echo why >&2; sleep 2 & exit 1'").await.unwrap_err();
        assert!(fault.ends_with("failed, exit status: 1\n  why"), "{fault}");
    }

    #[actix_rt::test]
    async fn a_program_that_nobody_waits_for_is_killed_with_its_children() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("id");
        let line = format!("sh -c 'sleep 60 & echo $! >{}; sleep 60'", file.display());
        let running = run(&line);
        let written = async {
            loop {
                match std::fs::read_to_string(&file).ok().filter(|text| text.ends_with('\n')) {
                    Some(text) => return text,
                    None => actix_rt::time::sleep(Duration::from_millis(5)).await,
                }
            }
        };
        let id = tokio::select! {
            outcome = running => panic!("{outcome:?}"),
            id = written => id,
        };
        ends(id.trim()).await;
    }

    #[actix_rt::test]
    async fn what_is_left_behind_goes_on_until_it_writes() {
        let directory = tempfile::tempdir().unwrap();
        let (id, mark) = (directory.path().join("id"), directory.path().join("mark"));
        let (id, mark) = (id.display(), mark.display());
        let wait = format!("while test ! -e {mark}; do sleep 0.01; done");
        let left = format!("{{ {wait}; while echo x; do sleep 0.01; done; }}");
        assert_eq!(run(&format!("sh -c '{left} & echo $! >{id}'")).await, Ok(()));
        let id = std::fs::read_to_string(id.to_string()).unwrap();
        assert!(is_running(id.trim()));
        std::fs::write(mark.to_string(), "").unwrap();
        ends(id.trim()).await;
    }

    fn is_running(id: &str) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat"));
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    }

    async fn ends(id: &str) {
        while is_running(id) {
            actix_rt::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[test]
    fn an_empty_or_unclosed_command_is_refused() {
        assert!("".parse::<Action>().is_err() && "a 'b".parse::<Action>().is_err());
    }
}
