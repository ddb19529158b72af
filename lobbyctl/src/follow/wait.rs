use std::io::{self, Write};

use anyhow::anyhow;
use lobby_client::text::one_line;
use lobby_client::{Client, Event, LinkState};

use crate::Failure;
use crate::args::WaitOptions;
use crate::connection::Connection;
use crate::known::KnownServers;

/// Waits until what is wanted is there. Says on standard error what that is, and how far it is.
pub(super) async fn run(
    client: &Client,
    connection: &Connection,
    options: &WaitOptions,
) -> Result<(), Failure> {
    let mut progress = Progress::new(options);
    say(&format!("waiting for {}", progress.wanted));
    let arrived = actix_rt::time::timeout(options.timeout, follow(client, options, &mut progress));
    match arrived.await {
        Ok(arrived) => arrived.map_err(|error| Failure::asking(error, connection)),
        Err(_) => {
            let limit = humantime::format_duration(options.timeout);
            Err(Failure::time_is_up(anyhow!("not within {limit}: {}", progress.words())))
        }
    }
}

async fn follow(
    client: &Client,
    options: &WaitOptions,
    progress: &mut Progress,
) -> Result<(), lobby_client::Error> {
    let mut events = client.events(options.selector.as_ref());
    while let Some(event) = events.next().await {
        progress.take_in(event?);
        if progress.is_there() {
            return Ok(());
        }
        progress.say_once();
    }
    Ok(())
}

/// Where standard error is closed, nobody needs to know.
fn say(message: &str) {
    writeln!(io::stderr(), "{message}").ok();
}

/// How far it is.
struct Progress {
    /// What is waited for, in words.
    wanted: String,
    /// The number of servers that is wanted; none at all if there is none.
    count: Option<usize>,
    known: KnownServers,
    /// Whether the daemon must have heard every server; none until it has told.
    warm: Option<bool>,
    /// The drivers that are down.
    down: Vec<String>,
    /// Why the daemon tells nothing.
    lost: Option<String>,
    said: String,
}

impl Progress {
    fn new(options: &WaitOptions) -> Self {
        let whose = options.selector.as_ref().map_or_else(String::new, |it| format!(" with {it}"));
        let count = (!options.none).then_some(options.count);
        let wanted = match count {
            None => format!("no server{whose}"),
            Some(1) => format!("1 server{whose}"),
            Some(count) => format!("{count} servers{whose}"),
        };
        let (known, said) = (KnownServers::default(), String::new());
        Self { wanted, count, known, warm: None, down: Vec::new(), lost: None, said }
    }

    fn take_in(&mut self, event: Event) {
        self.lost = None;
        match event {
            Event::Status(status) => {
                self.warm = Some(status.warm);
                let down = status.drivers.into_iter().filter(|it| it.state == LinkState::Down);
                self.down = down.map(|driver| one_line(&driver.name)).collect();
            }
            Event::Lost { cause } => {
                // The next run of the daemon may be another one, that has heard nobody yet.
                self.warm = None;
                self.lost = Some(cause);
            }
            event => drop(self.known.take_in(event)),
        }
    }

    /// That nobody is there is believed only of a daemon that must have heard everybody.
    fn is_there(&self) -> bool {
        match (self.count, self.known.count()) {
            (_, None) => false,
            (Some(wanted), Some(count)) => count >= wanted,
            (None, Some(count)) => count == 0 && self.warm == Some(true),
        }
    }

    fn words(&self) -> String {
        let words = match (&self.lost, self.known.count()) {
            (Some(cause), _) => return cause.clone(),
            (None, None) => "no answer yet".to_owned(),
            (None, Some(0)) if self.count.is_none() => {
                "none, but the daemon may not know every server yet".to_owned()
            }
            (None, Some(1)) => "1 is there".to_owned(),
            (None, Some(count)) => format!("{count} are there"),
        };
        match self.down.as_slice() {
            [] => words,
            down => format!("{words}; down: {}", down.join(", ")),
        }
    }

    /// Says how far it is, if that is another thing than it said last. Of a list that has come
    /// before the daemon's status it cannot be told yet.
    fn say_once(&mut self) {
        let words = self.words();
        if words != self.said && (self.warm.is_some() || self.lost.is_some()) {
            say(&words);
            self.said = words;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lobby_client::{Discovery, DriverState, FeedStatus, HostName, Selector};

    use super::*;

    fn progress(count: usize, none: bool) -> Progress {
        let selector = Some(Selector::parse("service=web").unwrap());
        Progress::new(&WaitOptions { selector, count, none, timeout: Duration::from_secs(1) })
    }

    fn snapshot(names: &[&str]) -> Event {
        let host = |name: &&str| Discovery::new(HostName::parse(name).unwrap(), vec![]);
        Event::Snapshot { hosts: names.iter().map(host).collect() }
    }

    fn status(warm: bool) -> Event {
        Event::Status(FeedStatus { warm, drivers: vec![] })
    }

    #[test]
    fn as_many_as_are_wanted_are_enough() {
        let mut progress = progress(2, false);
        assert_eq!(progress.wanted, "2 servers with service=web");
        assert!(!progress.is_there());
        progress.take_in(snapshot(&["a"]));
        assert_eq!((progress.is_there(), progress.words().as_str()), (false, "1 is there"));
        let host = Discovery::new(HostName::parse("b").unwrap(), vec![]);
        progress.take_in(Event::Join { host });
        assert!(progress.is_there());
    }

    #[test]
    fn a_driver_that_is_down_is_told() {
        let mut progress = progress(2, false);
        progress.take_in(snapshot(&["a"]));
        let (name, state) = ("NATS".to_owned(), LinkState::Down);
        let drivers = vec![DriverState { name, state }];
        progress.take_in(Event::Status(FeedStatus { warm: true, drivers }));
        assert_eq!(progress.words(), "1 is there; down: NATS");
        progress.take_in(status(true));
        assert_eq!(progress.words(), "1 is there");
    }

    #[test]
    fn nothing_is_said_of_a_list_before_the_status() {
        let mut progress = progress(1, true);
        progress.take_in(snapshot(&[]));
        progress.say_once();
        assert_eq!(progress.said, "");
        progress.take_in(status(false));
        progress.say_once();
        assert_eq!(progress.said, "none, but the daemon may not know every server yet");
    }

    #[test]
    fn nobody_is_believed_of_a_warm_daemon_only() {
        let mut progress = progress(1, true);
        assert_eq!(progress.wanted, "no server with service=web");
        progress.take_in(snapshot(&[]));
        assert!(!progress.is_there());
        progress.take_in(status(true));
        assert!(progress.is_there());
        progress.take_in(Event::Lost { cause: "lost".to_owned() });
        assert_eq!((progress.is_there(), progress.words().as_str()), (false, "lost"));
        progress.take_in(snapshot(&[]));
        progress.take_in(status(false));
        assert!(!progress.is_there());
    }
}
