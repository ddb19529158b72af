//! Templates: files that are made of what the lobby knows.

mod chains;
mod patience;
mod rendering;
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

use patience::{Patience, WAITS, with_notice};
use rendering::Rendering;
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
    let renderer = Renderer::new(options).await.map_err(Failure::usage)?;
    let mut lobby = Lobby::new(client.events(options.selector.as_ref()));
    if options.watch {
        return renderer.watch(&mut lobby, connection).await;
    }
    let limit = WARM_LIMIT.as_secs();
    let waiting = timeout(WARM_LIMIT, lobby.becomes_warm(connection));
    match with_notice(waiting, &format!("{WAITS}, for at most {limit} s")).await {
        Ok(warm) => warm?,
        Err(_) => {
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
    async fn new(options: &'a RenderOptions) -> anyhow::Result<Self> {
        // One that is wrong is told before anybody is asked.
        Template::read(&options.template).await?;
        let RenderOptions { output, mode, check, reload, watch, .. } = options;
        let new = |path: &_| Target::new(path, *mode, check.clone(), reload.clone(), *watch);
        let target = output.as_deref().map(new).transpose()?;
        let addresses = address_labels(&options.addresses)?;
        Ok(Self { options, target, addresses })
    }

    /// The template is read each time: it may have been changed.
    async fn render(&self, lobby: &Lobby) -> anyhow::Result<Rendering> {
        let all = lobby.known.hosts();
        let all = all.map(|(name, labels)| Host::new(name, labels, &self.addresses));
        let (hosts, drained): (Vec<_>, Vec<_>) =
            all.partition(|host| self.options.drained || !host.is_drained());
        let hosts: Vec<_> = hosts.into_iter().map(Arc::new).collect();
        let there = hosts.len();
        let template = Template::read(&self.options.template).await?;
        let rendered = template.render_within(hosts, TIME_LIMIT).await?;
        let (taken, least) = (rendered.servers, self.options.min_servers);
        let rendering = Rendering { text: rendered.text, taken, there, drained: drained.len() };
        ensure!(
            taken >= least,
            "fewer than --min-servers {least}: the template takes {}",
            rendering.servers()
        );
        Ok(rendering)
    }

    async fn once(&self, lobby: &Lobby) -> anyhow::Result<()> {
        let rendering = self.render(lobby).await?;
        let text = &rendering.text;
        match &self.target {
            Some(target) if !self.options.dry_run => drop(target.bring_up_to_date(text).await?),
            target => {
                print(text)?;
                if self.options.dry_run {
                    say(&format!("the template takes {}", rendering.servers()));
                }
                if let Some(target) = target {
                    rehearse(target, text).await?;
                }
            }
        }
        self.warn_of_nobody(&rendering);
        Ok(())
    }

    /// Tells of a text that most likely lacks its servers.
    fn warn_of_nobody(&self, rendering: &Rendering) {
        if let Some(warning) = rendering.warning(self.options.selector.as_ref()) {
            say(&format!("warning: {warning}"));
        }
    }

    /// Renders whenever something has changed and settled. Whatever fails is told and tried again.
    async fn watch(&self, lobby: &mut Lobby, connection: &Connection) -> Result<(), Failure> {
        let (mut settle, mut patience) = (Settle::default(), Patience::default());
        loop {
            patience.is_tried(!lobby.warm && lobby.lost.is_none(), now());
            tokio::select! {
                biased;
                () = at(patience.end()) => {
                    patience.is_over();
                    say(WAITS);
                }
                () = at(settle.due()) => match self.refresh(lobby).await {
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
        let rendering = self.render(lobby).await?;
        match &self.target {
            None => print(&rendering.text)?,
            Some(target) => match target.bring_up_to_date(&rendering.text).await? {
                Outcome::Unchanged => return Ok(()),
                Outcome::Done => say(&format!("rendered {}", rendering.servers())),
            },
        }
        self.warn_of_nobody(&rendering);
        Ok(())
    }
}

/// Checks what a file would hold, and says what would be done.
async fn rehearse(target: &Target, text: &[u8]) -> anyhow::Result<()> {
    if let Some(checked) = target.try_out(text).await? {
        say(checked);
    }
    say(target.prospect(text)?);
    Ok(())
}

/// Waits until a moment, or for ever if there is none.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
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
