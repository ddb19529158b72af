//! Command line of lobby.

mod action;
mod addresses;
mod args;
mod completion;
mod connection;
mod doctor;
mod drain;
mod follow;
mod grid;
mod known;
mod labels;
mod output;
mod render;
mod run;
mod shell;
mod status;
mod views;

use std::env;
use std::ffi::OsString;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process;

use anyhow::{Context, anyhow};
use lobby_client::{Client, Error, Filter, HostName, LinkState, Query, Selector};

use args::{Command, CommandLine, DiscoveryFilter};
use connection::Connection;
use doctor::DaemonAnswers;
use output::{Output, Palette};

#[expect(
    clippy::disallowed_methods,
    reason = "returning would wait for a name server that does not answer, however long ago it was given up"
)]
fn main() {
    completion::complete();
    let status = match CommandLine::read(env::args_os()) {
        Ok(line) => run(line).unwrap_or_else(Failure::report),
        Err(answer) => show(&answer),
    };
    process::exit(status)
}

/// Prints the help, the version or a complaint about the command line.
fn show(answer: &clap::Error) -> i32 {
    // It has nowhere else to go when its stream is closed.
    answer.print().ok();
    if answer.use_stderr() { WRONG_USAGE } else { DONE }
}

fn run(line: CommandLine) -> Result<i32, Failure> {
    let connection = Connection::resolve(&line.connection, variable).map_err(Failure::usage)?;
    for warning in connection.warnings() {
        // Where standard error is closed nobody is warned.
        writeln!(io::stderr(), "warning: {warning}").ok();
    }
    let system = actix_rt::System::new();
    let done = system.block_on(serve(&connection, line));
    std::mem::forget(system);
    done
}

async fn serve(connection: &Connection, line: CommandLine) -> Result<i32, Failure> {
    let client = connection.client().map_err(|error| Failure::asking(error, connection))?;
    match line.command {
        Command::Run(options) => return run::run(&client, connection, &options).await,
        Command::Watch(options) => {
            let palette = (!line.json).then(palette);
            follow::watch(&client, connection, &options, palette).await
        }
        Command::Render(options) => render::run(&client, connection, &options).await,
        Command::Wait(options) => follow::wait(&client, connection, &options).await,
        Command::Labels(command) => labels::run(&client, connection, &command, line.json).await,
        Command::Drain(options) => drain::run(&client, connection, &options, line.json).await,
        Command::Table(options) => print_view(&views::table(&client, connection, &options).await?),
        Command::Export(options) => {
            print_view(&views::export(&client, connection, &options).await?)
        }
        Command::Ansible(options) => {
            print_view(&views::ansible(&client, connection, &options).await?)
        }
        command => answer(&client, connection, command, line.json).await,
    }
    .map(|()| DONE)
}

fn print_view(text: &str) -> Result<(), Failure> {
    print(text).context("cannot write to standard output").map_err(Failure::other)
}

async fn answer(
    client: &Client,
    connection: &Connection,
    command: Command,
    json: bool,
) -> Result<(), Failure> {
    let selector = selector_as_label(&command);
    let asked = ask(client, command, json).await;
    let output = asked.map_err(|error| Failure::asking(error, connection))?;
    if let Some(selector) = selector
        && output.is_empty_list()
    {
        let advice = format!("{selector} looks like a selector: resolve -l {selector:?}");
        // Where standard error is closed nobody is warned.
        writeln!(io::stderr(), "warning: {advice}").ok();
    }
    print_view(&output::text(&output, palette()))?;
    judge(&output)
}

/// A daemon that answers may still not be well: scripts learn it from the exit status.
fn judge(output: &Output) -> Result<(), Failure> {
    if let Output::Report(report, _) = output
        && !report.findings.is_empty()
    {
        return Err(Failure::other(match report.findings.len() {
            1 => anyhow!("one thing is odd"),
            number => anyhow!("{number} things are odd"),
        }));
    }
    let Some(status) = output.status() else { return Ok(()) };
    let down = status.drivers.iter().filter(|driver| driver.state == LinkState::Down);
    let down: Vec<_> = down.map(|driver| driver.name.as_str()).collect();
    if down.is_empty() { Ok(()) } else { Err(Failure::other(anyhow!("down: {}", down.join(", ")))) }
}

async fn ask(client: &Client, command: Command, json: bool) -> Result<Output, Error> {
    if json && let Some(query) = query(&command) {
        return client.json(&query).await.map(|answer| Output::Json(query, answer));
    }
    match command {
        Command::Discovery => client.discovery().await.map(Output::Server),
        Command::Discoveries { selector, filter } => {
            client.discoveries(&filter_of(selector, filter)).await.map(Output::Servers)
        }
        Command::Resolve { selector: Some(selector), .. } => {
            client.names(&selector).await.map(Output::Names)
        }
        Command::Resolve { label, .. } => {
            client.resolve(&label.unwrap_or_default()).await.map(Output::Names)
        }
        Command::Status => client.status().await.map(|status| Output::Status(Box::new(status))),
        Command::Doctor { wanted } => examine(client, wanted.as_ref(), json).await,
        Command::Ping => client.ping().await.map(|()| Output::Done),
        // They have an output of their own.
        Command::Watch(_)
        | Command::Wait(_)
        | Command::Render(_)
        | Command::Labels(_)
        | Command::Run(_)
        | Command::Drain(_)
        | Command::Table(_)
        | Command::Export(_)
        | Command::Ansible(_) => Ok(Output::Done),
    }
}

/// Asks the daemon all that the doctor wants to know.
async fn examine(client: &Client, host: Option<&HostName>, json: bool) -> Result<Output, Error> {
    let (status, refusals) = (client.status().await?, client.refusals().await?);
    let servers = client.discoveries(&Filter::All).await?;
    let answers = DaemonAnswers { status, refusals, servers };
    let report = match host {
        Some(host) => answers.about(host),
        None => answers.about_the_daemon(),
    };
    Ok(Output::Report(report, json))
}

/// The question behind a command, if it is one.
fn query(command: &Command) -> Option<Query> {
    Some(match command {
        Command::Discovery => Query::Discovery,
        Command::Discoveries { selector, filter } => {
            Query::Discoveries(filter_of(selector.clone(), filter.clone()))
        }
        Command::Resolve { selector: Some(selector), .. } => Query::Names(selector.clone()),
        Command::Resolve { label, .. } => Query::Resolve(label.clone().unwrap_or_default()),
        Command::Status => Query::Status,
        _ => return None,
    })
}

/// The label of a question that may have been meant as a selector.
fn selector_as_label(command: &Command) -> Option<String> {
    let Command::Resolve { label: Some(label), .. } = command else { return None };
    let is_plain = !label.contains(['=', '!', '(', ' ']);
    (!is_plain && Selector::parse(label).is_ok()).then(|| label.clone())
}

fn filter_of(selector: Option<Selector>, filter: Option<DiscoveryFilter>) -> Filter {
    match filter {
        None => selector.map_or(Filter::All, Filter::Selector),
        Some(DiscoveryFilter::Labels { labels }) => Filter::Labels(labels),
        Some(DiscoveryFilter::Search { prefixes }) => Filter::Prefixes(prefixes),
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where lobbyctl reads its environment")]
fn variable(name: &str) -> Option<OsString> {
    env::var_os(name)
}

fn palette() -> Palette {
    let unwanted = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_dumb = variable("TERM").is_some_and(|value| value == "dumb");
    if io::stdout().is_terminal() && !unwanted && !is_dumb {
        Palette::Coloured
    } else {
        Palette::Plain
    }
}

/// Writes to standard output; a reader that ends early, such as `head`, is not an error.
fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

const DONE: i32 = 0;
const FAILED: i32 = 1;
const WRONG_USAGE: i32 = 2;
const UNREACHABLE: i32 = 3;
const UNAUTHORISED: i32 = 4;
const TIME_IS_UP: i32 = 5;

/// Why lobbyctl could not do what it was told, and the exit status that says so.
struct Failure {
    status: i32,
    cause: anyhow::Error,
}

impl Failure {
    fn usage(cause: anyhow::Error) -> Self {
        Self { status: WRONG_USAGE, cause }
    }

    fn other(cause: anyhow::Error) -> Self {
        Self { status: FAILED, cause }
    }

    fn unreachable(cause: &str) -> Self {
        Self { status: UNREACHABLE, cause: anyhow!(cause.to_owned()) }
    }

    fn time_is_up(cause: anyhow::Error) -> Self {
        Self { status: TIME_IS_UP, cause }
    }

    /// What came of asking the daemon. About a token lobbyctl knows more than the library: where
    /// its own came from.
    fn asking(error: Error, connection: &Connection) -> Self {
        let status = match error {
            Error::Invalid(_) => WRONG_USAGE,
            Error::Unreachable { .. } => UNREACHABLE,
            Error::Unauthorised { .. } => UNAUTHORISED,
            Error::Refused { .. } | Error::Malformed { .. } => FAILED,
        };
        let cause = match error {
            Error::Unauthorised { url, text } => anyhow!(connection.token_advice(&url, &text)),
            other => other.into(),
        };
        Self { status, cause }
    }

    fn report(self) -> i32 {
        // Where standard error is closed, the exit status must do.
        writeln!(io::stderr(), "error: {:#}", self.cause).ok();
        self.status
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_status_tells_the_reasons_apart() {
        let connection =
            Connection::resolve(&args::ConnectionOptions::default(), |_| None).unwrap();
        let (url, text, cause) = (String::new, String::new, String::new);
        let status = |error| Failure::asking(error, &connection).status;
        assert_eq!(status(Error::Refused { url: url(), status: 500, text: text() }), 1);
        assert_eq!(status(Error::Malformed { url: url(), cause: cause() }), 1);
        assert_eq!(status(Error::Invalid(text())), 2);
        assert_eq!(status(Error::Unreachable { url: url(), cause: cause() }), 3);
        assert_eq!(status(Error::Unauthorised { url: url(), text: text() }), 4);
    }
}
