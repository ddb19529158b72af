//! Templates: files that are made of what the lobby knows.

mod settle;
mod target;
mod template;
mod values;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use lobby_client::text::one_line;
use lobby_client::{AddressLabels, Client, Event, Events};
use tokio::time::{Instant, sleep_until, timeout};

use crate::Failure;
use crate::addresses::address_labels;
use crate::args::RenderOptions;
use crate::connection::Connection;
use crate::known::KnownServers;

use settle::Settle;
use target::{Outcome, Target};
use template::{TIME_LIMIT, Template, TooSlow};
use values::Host;

/// How long one who asks once waits for a daemon that has just been started.
const WARM_LIMIT: Duration = Duration::from_secs(30);

/// Renders once, or again and again.
pub(crate) async fn run(
    client: &Client,
    connection: &Connection,
    options: &RenderOptions,
) -> Result<(), Failure> {
    let renderer = Renderer::new(options).map_err(Failure::usage)?;
    let mut lobby = Lobby::new(client.events(options.selector.as_ref()));
    if options.watch {
        return renderer.watch(&mut lobby, connection).await;
    }
    match timeout(WARM_LIMIT, lobby.becomes_warm(connection)).await {
        Ok(warm) => warm?,
        Err(_) => {
            let limit = WARM_LIMIT.as_secs();
            let why = anyhow!("after {limit} s the daemon still may not know every server");
            return Err(Failure::other(why));
        }
    }
    renderer.once(&lobby).await.map_err(Failure::other)
}

/// What is known of the lobby, and whether that is all of it.
struct Lobby {
    events: Events,
    known: KnownServers,
    warm: bool,
    lost: Option<String>,
    told: bool,
}

impl Lobby {
    fn new(events: Events) -> Self {
        Self { events, known: KnownServers::default(), warm: false, lost: None, told: false }
    }

    /// Takes in the next event. Returns whether a template may make something else of the lobby
    /// now.
    async fn next(&mut self) -> Result<bool, lobby_client::Error> {
        let was_warm = self.warm;
        let Some(event) = self.events.next().await else {
            return std::future::pending().await;
        };
        match event? {
            Event::Lost { cause } => {
                // The next run of the daemon may not know everybody yet.
                self.warm = false;
                self.lost = Some(cause);
                Ok(false)
            }
            event => {
                // A daemon that is found again may have a status to tell and no change.
                (self.lost, self.told) = (None, false);
                let is_changed = match event {
                    Event::Status(status) => {
                        self.warm = status.warm;
                        !was_warm
                    }
                    event => !self.known.take_in(event).is_empty(),
                };
                Ok(is_changed && self.warm)
            }
        }
    }

    /// Waits until all of the lobby is known. One who asks once does not wait for a daemon that is
    /// not there.
    async fn becomes_warm(&mut self, connection: &Connection) -> Result<(), Failure> {
        while !self.warm || self.known.count().is_none() {
            self.next().await.map_err(|error| Failure::asking(error, connection))?;
            if let Some(cause) = &self.lost {
                return Err(Failure::unreachable(cause));
            }
        }
        Ok(())
    }

    /// Tells that the daemon is lost, once until it is found again.
    fn tell_lost(&mut self) {
        if let Some(cause) = self.lost.as_ref().filter(|_| !self.told) {
            say(&format!("{}: trying again", one_line(cause)));
            self.told = true;
        }
    }
}

/// A template and its target.
struct Renderer<'a> {
    options: &'a RenderOptions,
    target: Option<Target>,
    addresses: AddressLabels,
}

impl<'a> Renderer<'a> {
    fn new(options: &'a RenderOptions) -> anyhow::Result<Self> {
        // One that is wrong is told before anybody is asked.
        Template::read(&options.template)?;
        let RenderOptions { output, mode, check, reload, watch, .. } = options;
        let new = |path: &_| Target::new(path, *mode, check.clone(), reload.clone(), *watch);
        let target = output.as_deref().map(new).transpose()?;
        let addresses = address_labels(&options.addresses)?;
        Ok(Self { options, target, addresses })
    }

    /// The template is read each time: it may have been changed.
    async fn render(&self, lobby: &Lobby) -> anyhow::Result<Vec<u8>> {
        let hosts = lobby.known.hosts();
        let hosts = hosts.map(|(name, labels)| Host::new(name, labels, &self.addresses));
        let hosts = hosts.filter(|host| self.options.drained || !host.is_drained());
        let hosts: Vec<_> = hosts.map(Arc::new).collect();
        let there = hosts.len();
        let template = Template::read(&self.options.template)?;
        let rendered = template.render_within(hosts, TIME_LIMIT).await?;
        let (taken, least) = (rendered.servers, self.options.min_servers);
        ensure!(
            taken >= least,
            "fewer than --min-servers {least}: the template takes {taken} of {there} servers"
        );
        Ok(rendered.text)
    }

    async fn once(&self, lobby: &Lobby) -> anyhow::Result<()> {
        let text = self.render(lobby).await?;
        match &self.target {
            Some(target) if self.options.dry_run => {
                print(&text)?;
                target.try_out(&text).await?;
                let same = target.holds(&text)?;
                say(if same { "nothing would change" } else { "the file would be replaced" });
                Ok(())
            }
            Some(target) => target.bring_up_to_date(&text).await.map(drop),
            None => print(&text),
        }
    }

    /// Renders whenever something has changed and settled. Whatever fails is told and tried again.
    async fn watch(&self, lobby: &mut Lobby, connection: &Connection) -> Result<(), Failure> {
        let mut settle = Settle::default();
        loop {
            let due = settle.due();
            let wait = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = wait => match self.refresh(lobby).await {
                    Ok(()) => settle.succeeded(),
                    // Only the end of the program ends the work on it.
                    Err(error) if error.is::<TooSlow>() => return Err(Failure::other(error)),
                    Err(error) => {
                        say(&format!("error: {error:#}"));
                        settle.failed(now());
                    }
                },
                changed = lobby.next() => match changed {
                    Ok(true) => settle.changed(now()),
                    Ok(false) if !lobby.warm => {
                        settle.hold();
                        lobby.tell_lost();
                    }
                    Ok(false) => {}
                    Err(error) => return Err(Failure::asking(error, connection)),
                },
            }
        }
    }

    async fn refresh(&self, lobby: &Lobby) -> anyhow::Result<()> {
        let text = self.render(lobby).await?;
        let Some(target) = &self.target else { return print(&text) };
        if target.bring_up_to_date(&text).await? == Outcome::Done {
            say(&format!("rendered {} servers", lobby.known.count().unwrap_or_default()));
        }
        Ok(())
    }
}

fn print(text: &[u8]) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text).and_then(|()| stdout.flush());
    written.context("cannot write to standard output")
}

/// Where standard error is closed, nobody needs to know.
fn say(message: &str) {
    writeln!(io::stderr(), "{message}").ok();
}

#[expect(clippy::disallowed_methods, reason = "changes settle by this clock alone")]
fn now() -> Instant {
    Instant::now()
}
