//! Command line of lobby.

mod args;
mod connection;
mod output;
mod status;

use std::env;
use std::ffi::OsString;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use lobby_client::{Client, Error, Filter, LinkState};

use args::{Command, CommandLine, DiscoveryFilter, LabelsCommand};
use connection::Connection;
use output::{Answer, Palette};

fn main() -> ExitCode {
    match CommandLine::read(env::args_os()) {
        Ok(line) => run(line).map_or_else(Failure::report, |()| ExitCode::SUCCESS),
        Err(answer) => show(&answer),
    }
}

/// Help, version or a complaint about the command line.
fn show(answer: &clap::Error) -> ExitCode {
    // It has nowhere else to go when its stream is closed.
    answer.print().ok();
    if answer.use_stderr() { ExitCode::from(WRONG_USAGE) } else { ExitCode::SUCCESS }
}

fn run(line: CommandLine) -> Result<(), Failure> {
    let connection = Connection::resolve(&line.connection, variable).map_err(Failure::usage)?;
    let asked = async { ask(&connection.client()?, line.command).await };
    let answer = actix_rt::System::new().block_on(asked).map_err(|error| Failure::asking(error, &connection))?;
    print(&shown(&answer, line.json)?).context("cannot write to standard output").map_err(Failure::other)?;
    judge(&answer)
}

/// A daemon that answers may still not be well: scripts learn it from the exit status.
fn judge(answer: &Answer) -> Result<(), Failure> {
    let Answer::Status(status) = answer else { return Ok(()) };
    let down = status.drivers.iter().filter(|driver| driver.state == LinkState::Down);
    let down: Vec<_> = down.map(|driver| driver.name.as_str()).collect();
    if down.is_empty() { Ok(()) } else { Err(Failure::other(anyhow!("down: {}", down.join(", ")))) }
}

async fn ask(client: &Client, command: Command) -> Result<Answer, Error> {
    match command {
        Command::Discovery => client.discovery().await.map(Answer::Server),
        Command::Discoveries { choice } => client.discoveries(&filter(choice)).await.map(Answer::Servers),
        Command::Resolve { label } => client.resolve(&label).await.map(Answer::Names),
        Command::Status => client.status().await.map(|status| Answer::Status(Box::new(status))),
        Command::Labels(LabelsCommand::Add { labels }) => client.add_labels(&labels).await.map(|()| Answer::Done),
        Command::Labels(LabelsCommand::Del { labels }) => client.delete_labels(&labels).await.map(|()| Answer::Done),
    }
}

fn filter(choice: Option<DiscoveryFilter>) -> Filter {
    match choice {
        None => Filter::All,
        Some(DiscoveryFilter::Labels { labels }) => Filter::Labels(labels),
        Some(DiscoveryFilter::Search { prefixes }) => Filter::Prefixes(prefixes),
    }
}

fn shown(answer: &Answer, json: bool) -> Result<String, Failure> {
    if json {
        output::json(answer).map_err(|error| Failure::other(error.into()))
    } else {
        Ok(output::text(answer, palette()))
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where lobbyctl reads its environment")]
fn variable(name: &str) -> Option<OsString> {
    env::var_os(name)
}

fn palette() -> Palette {
    let wanted = variable("NO_COLOR").is_none_or(|value| value.is_empty());
    if wanted && io::stdout().is_terminal() { Palette::Coloured } else { Palette::Plain }
}

/// Writes to standard output; a reader that has seen enough, such as `head`, is no error.
fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;
const UNREACHABLE: u8 = 3;
const UNAUTHORISED: u8 = 4;

/// Why lobbyctl could not do what it was told, and the exit status that says so.
struct Failure {
    status: u8,
    cause: anyhow::Error,
}

impl Failure {
    fn usage(cause: anyhow::Error) -> Self {
        Self { status: WRONG_USAGE, cause }
    }

    fn other(cause: anyhow::Error) -> Self {
        Self { status: FAILED, cause }
    }

    /// What came of asking the daemon. About a token lobbyctl knows more than the library: where its own came from.
    fn asking(error: Error, connection: &Connection) -> Self {
        let status = match error {
            Error::Invalid(_) => WRONG_USAGE,
            Error::Unreachable { .. } => UNREACHABLE,
            Error::Unauthorised { .. } => UNAUTHORISED,
            Error::Refused { .. } | Error::Malformed { .. } => FAILED,
        };
        let cause = match error {
            Error::Unauthorised { url, .. } => anyhow!(connection.token_advice(&url)),
            other => other.into(),
        };
        Self { status, cause }
    }

    fn report(self) -> ExitCode {
        // Where standard error is closed, the exit status must do.
        writeln!(io::stderr(), "error: {:#}", self.cause).ok();
        ExitCode::from(self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_status_tells_the_reasons_apart() {
        let connection = Connection::resolve(&args::ConnectionOptions::default(), |_| None).unwrap();
        let (url, text, cause) = (String::new, String::new, String::new);
        let status = |error| Failure::asking(error, &connection).status;
        assert_eq!(status(Error::Refused { url: url(), status: 500, text: text() }), 1);
        assert_eq!(status(Error::Malformed { url: url(), cause: cause() }), 1);
        assert_eq!(status(Error::Invalid(text())), 2);
        assert_eq!(status(Error::Unreachable { url: url(), cause: cause() }), 3);
        assert_eq!(status(Error::Unauthorised { url: url(), text: text() }), 4);
    }
}
