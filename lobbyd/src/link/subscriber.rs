//! The subscriber: keeps one driver's link up and hands over what comes in.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use futures_util::StreamExt;
use lobby_client::text::one_line;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use super::checked_sink::{CheckedSink, SharedCheck};
use super::driver::{Connection, Driver, SyncChannel};
use super::own_packet::OwnPacket;
use super::publisher::{ChannelClosed, ChannelOpened, OwnConnectionClosed, Publisher};
use super::sync::SyncPeer;
use crate::registry::{BrokerChanged, LinkClosed, LinkOpened, PacketsReceived, Registry};
use crate::sys::clock;
use lobby_core::link::backoff::Backoff;
use lobby_core::link::downtime::{Downtime, Ended};
use lobby_core::link::loopback::LoopbackCheck;
use lobby_core::link::message::InboundEvent;
use lobby_core::liveness::connectivity::DriverId;
use lobby_core::wire::instance_id::InstanceId;

/// Longest time that opening a connection may take.
const OPEN_LIMIT: Duration = Duration::from_secs(3);

/// Close the connection and open it anew, because its secrets have changed. *Sent by App.* No
/// reply.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Reconnect;

/// The subscriber of one driver: opens its connection, again and again for ever, and listens to it.
pub struct Subscriber {
    context: Arc<SubscriberContext>,
    following: Option<SpawnHandle>,
}

/// What a subscriber works with: its driver and the actors below it.
pub struct SubscriberContext {
    /// The driver's index in the list of active ones.
    pub driver_id: DriverId,
    /// Its name, for logs.
    pub name: &'static str,
    /// The driver itself.
    pub driver: Box<dyn Driver>,
    /// Tells the broker who connects.
    pub client_name: String,
    /// Is told what comes in.
    pub registry: Addr<Registry>,
    /// Is told where the link leads.
    pub facts: Recipient<BrokerChanged>,
    /// Is told the sending side; none with REGISTER=false.
    pub publisher: Option<Addr<Publisher>>,
    /// The instance in own packets, so that they are recognised when they come back.
    pub instance: InstanceId,
    /// Interval of the own packets.
    pub keep_alive: Duration,
    /// TTL, for the log: who misses a server compares the lines of both.
    pub ttl: Duration,
    /// What is done with signatures, in the word of PACKET_VERIFY; for the log, too.
    pub verify: &'static str,
    /// The newest of them.
    pub own: OwnPacket,
    /// Asks other daemons for everybody, and answers them.
    pub sync: SyncPeer,
}

impl Subscriber {
    /// Follows a link once started.
    pub fn new(context: SubscriberContext) -> Self {
        Self { context: Arc::new(context), following: None }
    }

    fn follow(&mut self, ctx: &mut Context<Self>) {
        self.following = Some(ctx.spawn(follow(Arc::clone(&self.context)).into_actor(self)));
    }
}

/// Keeps the link up for ever.
async fn follow(context: Arc<SubscriberContext>) {
    let (mut backoff, mut downtime) = (Backoff::default(), Downtime::default());
    let mut again = false;
    loop {
        let ended = match context.open().await {
            Ok(connection) => {
                backoff.opened(clock::now());
                context.log_up(&connection, downtime.end(clock::now()));
                let check = context.opened(&connection, again);
                again = true;
                context.listen(connection, &check).await
            }
            Err(fault) => Err(fault),
        };
        context.closed(ended, &mut downtime);
        sleep(backoff.pause(clock::now(), fastrand::f64())).await;
    }
}

impl SubscriberContext {
    async fn open(&self) -> anyhow::Result<Connection> {
        let opened = timeout(OPEN_LIMIT, self.driver.open(&self.client_name, self.own.get())).await;
        opened.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {OPEN_LIMIT:?}")))
    }

    /// Tells that the link is up, unless its downtime was not told either, as of one that flaps.
    fn log_up(&self, connection: &Connection, ended: Option<Ended>) {
        if ended.is_some_and(|ended| !ended.was_told) {
            return debug!(target: "lobby::link", driver = self.name, "link is up again");
        }
        let down_for_seconds = ended.map(|ended| ended.lasted.as_secs());
        let (driver, server) = (self.name, connection.server.as_deref());
        let (channel, register) = (self.driver.place().channel, self.publisher.is_some());
        let (keep_alive, ttl) = (self.keep_alive.as_secs(), self.ttl.as_secs());
        let verify = self.verify;
        info!(target: "lobby::link", driver, server, channel, register, keep_alive, ttl, verify, down_for_seconds, "link is up");
    }

    /// Tells that the link is up. Returns the check of what is sent over it.
    fn opened(&self, connection: &Connection, again: bool) -> Arc<SharedCheck> {
        let check = SharedCheck::new(LoopbackCheck::new(self.instance, self.keep_alive));
        let sink =
            CheckedSink { sink: Arc::clone(&connection.outgoing), check: Arc::clone(&check) };
        let (driver_id, driver) = (self.driver_id, self.name);
        let (note, server) = (connection.note.clone(), connection.server.clone());
        if let Some(note) = &note {
            warn!(target: "lobby::link", driver, note, "link is up, with a fault");
        }
        if connection.peer.is_some() {
            self.facts.do_send(BrokerChanged { driver_id, broker: connection.peer });
        }
        self.registry.do_send(LinkOpened { driver_id, note, server });
        if let Some(publisher) = &self.publisher {
            publisher.do_send(ChannelOpened { driver_id, driver, outgoing: Arc::new(sink), again });
        }
        check
    }

    /// Tells that the link could not be brought up, that it broke, or that we closed it ourselves.
    fn closed(&self, ended: anyhow::Result<()>, downtime: &mut Downtime) {
        let broken = ended.is_err();
        let reason = ended.map_or_else(
            |fault| one_line(&format!("{fault:#}")),
            |()| "closed by lobbyd itself".to_owned(),
        );
        if broken && downtime.record(&reason, clock::now()) {
            warn!(target: "lobby::link", driver = self.name, error = reason, "link is down, it is tried again until it is up");
        } else {
            debug!(target: "lobby::link", driver = self.name, reason, "link is closed");
        }
        let driver_id = self.driver_id;
        if self.driver.place().server.is_some() {
            self.facts.do_send(BrokerChanged { driver_id, broker: None });
        }
        self.registry.do_send(LinkClosed { driver_id, reason });
        if let Some(publisher) = &self.publisher {
            publisher.do_send(ChannelClosed(driver_id));
        }
    }

    /// Hands over what comes in until we close the link ourselves.
    ///
    /// # Errors
    /// Why the link broke.
    async fn listen(&self, connection: Connection, check: &SharedCheck) -> anyhow::Result<()> {
        let (mut incoming, mut syncing) = (connection.incoming, pin!(self.sync(connection.sync)));
        loop {
            tokio::select! {
                // It never ends, and must have its turn however much comes. What has come is read
                // before a link counts as stalled: the own packet may be in it.
                biased;
                never = &mut syncing => match never {},
                batch = incoming.next() => match batch {
                    Some(batch) => self.hand_over(batch?, check),
                    None => return Ok(()),
                },
                () = check.stalled() => anyhow::bail!("own packets do not come back: the link is dead"),
            }
        }
    }

    async fn sync(&self, channel: Option<Arc<dyn SyncChannel>>) -> Infallible {
        match channel {
            Some(channel) => self.sync.run(self.driver_id, &*channel).await,
            None => std::future::pending().await,
        }
    }

    /// Whether others were told that a connection of this daemon was closed.
    fn is_doubted(&self, batch: &[InboundEvent]) -> bool {
        batch.iter().any(|event| {
            matches!(event, InboundEvent::ConnectionClosed(name) if name.instance == self.instance)
        })
    }

    fn hand_over(&self, batch: Vec<InboundEvent>, check: &SharedCheck) {
        check.observe(&batch);
        if let Some(publisher) = self.publisher.as_ref().filter(|_| self.is_doubted(&batch)) {
            publisher.do_send(OwnConnectionClosed);
        }
        self.registry.do_send(PacketsReceived { driver_id: self.driver_id, batch });
    }
}

crate::healthz::answers_healthz!(Subscriber);

impl Actor for Subscriber {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.follow(ctx);
    }
}

impl Handler<Reconnect> for Subscriber {
    type Result = ();

    fn handle(&mut self, _: Reconnect, ctx: &mut Self::Context) {
        if let Some(following) = self.following.take() {
            ctx.cancel_future(following);
        }
        self.context.closed(Ok(()), &mut Downtime::default());
        self.follow(ctx);
    }
}
