use std::io::{self, ErrorKind, Write};
use std::time::SystemTime;

use anyhow::Context;
use humantime::format_rfc3339_seconds;
use lobby_client::text::one_line;
use lobby_client::{Client, Event, FeedStatus, LinkState};

use crate::Failure;
use crate::args::WatchOptions;
use crate::connection::Connection;
use crate::known::{Change, KnownServers};
use crate::output::Palette;

/// Prints each event as a line, or as the JSON that it came in where there is no palette.
pub(super) async fn run(
    client: &Client,
    connection: &Connection,
    options: &WatchOptions,
    palette: Option<Palette>,
) -> Result<(), Failure> {
    let mut events = client.events(options.selector.as_ref());
    let (mut known, mut begun) = (KnownServers::default(), false);
    while let Some(event) = events.next().await {
        let event = event.map_err(|error| Failure::asking(error, connection))?;
        if let Event::Lost { cause } = &event {
            if !begun {
                return Err(Failure::unreachable(cause));
            }
            say(&format!("{cause}: trying again"));
            continue;
        }
        begun = true;
        let text = match palette {
            None => format!("{}\n", events.json()),
            Some(palette) => lines(event, &mut known, palette, &now()),
        };
        match print(&text) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            printed => {
                printed.context("cannot write to standard output").map_err(Failure::other)?;
            }
        }
    }
    Ok(())
}

/// Where standard error is closed, nobody needs to know.
fn say(message: &str) {
    writeln!(io::stderr(), "{message}").ok();
}

fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
}

#[expect(clippy::disallowed_methods, reason = "a line shows when it was printed")]
fn now() -> String {
    format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// A line for each change of an event, with the time in front.
fn lines(event: Event, known: &mut KnownServers, palette: Palette, time: &str) -> String {
    let lines = match event {
        Event::Status(status) => vec![format!("status  {}", status_words(&status))],
        Event::Bye => vec!["bye     the daemon stops".to_owned()],
        event => known.take_in(event).iter().map(|change| line(change, palette)).collect(),
    };
    lines.iter().map(|line| format!("{time}  {}\n", line.trim_end())).collect()
}

fn line(change: &Change, palette: Palette) -> String {
    let labels = |sign: &str, labels: &[lobby_client::Label]| {
        labels.iter().map(|label| format!("  {sign}{}", palette.label(label))).collect::<String>()
    };
    match change {
        Change::Here(host) => {
            format!("here    {}{}", palette.host(&host.hostname), labels("", &host.labels))
        }
        Change::Join(host) => {
            format!("join    {}{}", palette.host(&host.hostname), labels("", &host.labels))
        }
        Change::Update { hostname, added, removed } => {
            let (added, removed) = (labels("+", added), labels("-", removed));
            format!("update  {}{added}{removed}", palette.host(hostname))
        }
        Change::Leave { hostname, labels: had, reason } => {
            let reason = reason.unwrap_or("gone meanwhile");
            format!("leave   {}  {reason}{}", palette.host(hostname), labels("", had))
        }
    }
}

fn status_words(status: &FeedStatus) -> String {
    let warm = if status.warm { "knows every server" } else { "may not know every server yet" };
    let drivers = status.drivers.iter().map(|driver| {
        let state = match driver.state {
            LinkState::Up => "up",
            LinkState::Down => "DOWN",
        };
        format!(", {} {state}", one_line(&driver.name))
    });
    format!("{warm}{}", drivers.collect::<String>())
}

#[cfg(test)]
mod tests {
    use lobby_client::{Discovery, DriverState, HostName, Label, LeaveReason};

    use super::*;

    fn labels(texts: &[&str]) -> Vec<Label> {
        texts.iter().map(|text| Label::parse(text).unwrap()).collect()
    }

    fn host(name: &str, texts: &[&str]) -> Discovery {
        Discovery::new(HostName::parse(name).unwrap(), labels(texts))
    }

    fn printed(known: &mut KnownServers, event: Event) -> String {
        lines(event, known, Palette::Plain, "TIME")
    }

    #[test]
    fn a_line_tells_when_who_and_what() {
        let mut known = KnownServers::default();
        let hosts = vec![host("a", &["x:1"]), host("b", &[])];
        let here = printed(&mut known, Event::Snapshot { hosts });
        assert_eq!(here, "TIME  here    a  x:1\nTIME  here    b\n");
        let join = printed(&mut known, Event::Join { host: host("c", &["x:1", "y"]) });
        assert_eq!(join, "TIME  join    c  x:1  y\n");
        let (added, removed) = (labels(&["z"]), labels(&["y"]));
        let update = Event::Update { host: host("c", &["x:1", "z"]), added, removed };
        assert_eq!(printed(&mut known, update), "TIME  update  c  +z  -y\n");
        let hostname = HostName::parse("c").unwrap();
        let leave = Event::Leave { hostname, labels: labels(&["z"]), reason: LeaveReason::Expired };
        assert_eq!(printed(&mut known, leave), "TIME  leave   c  expired  z\n");
        assert_eq!(printed(&mut known, Event::Bye), "TIME  bye     the daemon stops\n");
    }

    #[test]
    fn a_status_tells_what_may_be_relied_on() {
        let driver = |name: &str, state| DriverState { name: name.to_owned(), state };
        let drivers = vec![driver("NATS", LinkState::Up), driver("Redis", LinkState::Down)];
        let status = FeedStatus { warm: true, drivers };
        assert_eq!(status_words(&status), "knows every server, NATS up, Redis DOWN");
        let status = FeedStatus { warm: false, drivers: vec![] };
        assert_eq!(status_words(&status), "may not know every server yet");
    }

    #[test]
    fn strangers_do_not_write_to_the_terminal() {
        let odd = host("a\u{202e}b", &["x:\u{200b}1"]);
        let line = printed(&mut KnownServers::default(), Event::Join { host: odd });
        assert_eq!(line, "TIME  join    ab  x:1\n");
    }
}
