//! The registry: keeps the list of all hosts that are alive.

mod log;
mod sync;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use lobby_client::{Discovery, HostName, Namesakes, RefusedHost, Status};
use tokio::sync::watch;
use tracing::{debug, warn};

use crate::sys::clock;
use lobby_core::link::message::InboundEvent;
use lobby_core::link::stats::{ChannelPlace, LinkStats};
use lobby_core::liveness::connectivity::DriverId;
use lobby_core::liveness::pace::LobbySize;
use lobby_core::liveness::reception::Reception;
use lobby_core::registry::debounce::{Debounce, PublishTime};
use lobby_core::registry::host_registry::{Accepted, Applied, Change, HostRegistry, SenderNews};
use lobby_core::registry::recent_refusals::RecentRefusals;
use lobby_core::registry::snapshot::Snapshot;
use lobby_core::signing::keys::Keys;
use lobby_core::signing::verifier::{Authenticity, VerifyMode};
use lobby_core::wire::envelope::Refusal;
use lobby_core::wire::instance_id::InstanceId;
use lobby_core::wire::packet_ttl::PacketTtl;

pub use sync::{PieceTaken, SyncEnded, SyncPiece};

use log::RegistryLog;

/// How often the registry shows that it works.
const TICK: Duration = Duration::from_millis(400);

/// Least time between two looks for expired hosts, so that thousands that expire in a second cost
/// no timer each.
const EXPIRY_PAUSE: Duration = Duration::from_millis(2);

/// Which part of its hosts a lobby must gain or lose to be told of.
const NEWS_OF_SIZE: usize = 16;

/// Everything that was ready on a link. *Sent by its Subscriber.* No reply.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct PacketsReceived {
    /// The link's driver.
    pub driver_id: DriverId,
    /// What was heard, in order.
    pub batch: Vec<InboundEvent>,
}

/// A link came up. *Sent by its Subscriber.* No reply.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct LinkOpened {
    /// The link's driver.
    pub driver_id: DriverId,
    /// What is wrong with it although it is up, in words.
    pub note: Option<String>,
    /// The broker that it is connected to; none where there is none.
    pub server: Option<String>,
}

/// A link went down, or could not be brought up. *Sent by its Subscriber.* No reply.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct LinkClosed {
    /// The link's driver.
    pub driver_id: DriverId,
    /// Why, in words.
    pub reason: String,
}

/// A link leads to this broker now, or is down. *Sent by its Subscriber* to the LabelSource, which
/// tells the own end of it. No reply.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct BrokerChanged {
    /// The link's driver.
    pub driver_id: DriverId,
    /// The broker's end of the link; `None` while it is down.
    pub broker: Option<SocketAddr>,
}

/// The server's name or labels are these now. *Sent by the LabelSource*, to the Publisher too. No
/// reply.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct LocalChanged(pub Discovery);

/// The keys that packets are signed with are these now. *Sent by App* when PACKET_KEY_FILE has
/// changed, to the Publisher too. No reply.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct KeysChanged(pub Keys);

/// A channel took an own packet, or did not. *Sent by its Outbox.* No reply.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct PacketSent {
    /// The link's driver.
    pub driver_id: DriverId,
    /// If the channel did not take it, why, in words.
    pub outcome: Result<(), String>,
}

/// The own packets are sent at this interval now, and are good for so long. *Sent by the Publisher*
/// when that is something else than before. No reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct PaceChanged {
    /// The interval.
    pub interval: Duration,
    /// The TTL that packets tell; none if they tell none.
    pub ttl: Option<PacketTtl>,
}

/// The newcomers that were heard since the start: hosts that were not known, and instances that
/// were not seen before.
#[derive(Debug, Clone, Copy, Default)]
pub struct Newcomers {
    /// How many.
    pub count: u64,
    /// The number of all hosts when the last one was heard.
    pub hosts: usize,
}

/// How is the daemon doing? *Asked by HttpApi and by the service.*
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Status")]
pub struct GetStatus;

/// Which packets were refused lately? *Asked by HttpApi.*
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Vec<RefusedHost>")]
pub struct GetRefusals;

/// Actor that owns the host registry. It alone writes; all others read its snapshots.
#[derive(Debug)]
pub struct Registry {
    hosts: HostRegistry,
    stats: Vec<LinkStats>,
    started: i64,
    /// Since when no other host is in the list.
    alone_since: Option<i64>,
    rules: LobbyRules,
    /// The pace of the own packets; none while nothing is sent.
    pace: Option<PaceChanged>,
    refusals: RecentRefusals,
    debounce: Debounce,
    snapshots: watch::Sender<Arc<Snapshot>>,
    newcomers: watch::Sender<Newcomers>,
    sizes: watch::Sender<LobbySize>,
    /// The last size that was told.
    told_size: LobbySize,
    /// When the registry looks for expired hosts next.
    expiry: Option<(Instant, SpawnHandle)>,
    clean_every: Duration,
    keep_alive: Duration,
    log: RegistryLog,
}

/// What of the settings the members of a lobby must have in common.
#[derive(Debug, Clone, Default)]
pub struct LobbyRules {
    /// REGISTER.
    pub register: bool,
    /// KEEP_ALIVE.
    pub keep_alive: Duration,
    /// PACKET_VERIFY.
    pub verify: Option<VerifyMode>,
    /// Fingerprints of the keys of PACKET_KEY_FILE.
    pub keys: Vec<String>,
    /// Where each driver meets the others, in their order.
    pub places: Vec<ChannelPlace>,
}

impl Registry {
    /// `drivers` are the names of the active drivers, `clean_every` is the sweep interval; every
    /// `keep_alive` the own record is renewed, heard or not.
    pub fn new(
        hosts: HostRegistry,
        drivers: &[&'static str],
        clean_every: Duration,
        keep_alive: Duration,
    ) -> Self {
        let (started, log) = (clock::unix_seconds(), RegistryLog::new(hosts.ttl()));
        Self {
            stats: drivers.iter().map(|driver| LinkStats::new(driver, started)).collect(),
            started,
            alone_since: Some(started),
            rules: LobbyRules::default(),
            pace: None,
            refusals: RecentRefusals::default(),
            debounce: Debounce::default(),
            snapshots: watch::Sender::new(Arc::new(hosts.snapshot())),
            newcomers: watch::Sender::default(),
            sizes: watch::Sender::default(),
            told_size: LobbySize::default(),
            expiry: None,
            hosts,
            clean_every,
            keep_alive,
            log,
        }
    }

    /// The same registry, which shows these rules.
    #[must_use]
    pub fn with_rules(mut self, rules: LobbyRules) -> Self {
        let places = rules.places.iter().cloned();
        self.stats = self.stats.into_iter().zip(places).map(|(stats, at)| stats.at(at)).collect();
        Self { rules, ..self }
    }

    /// Where readers get the latest snapshot.
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.subscribe()
    }

    /// Where it is told that newcomers were heard.
    pub fn newcomers(&self) -> watch::Receiver<Newcomers> {
        self.newcomers.subscribe()
    }

    /// Where the size of the lobby is shown. It is told only when it is quite another one, and when
    /// hosts without a TTL come or go: the rest need not be known before the next own packet.
    pub fn sizes(&self) -> watch::Receiver<LobbySize> {
        self.sizes.subscribe()
    }

    fn show_size(&mut self) {
        let (size, told) = (self.hosts.size(), self.told_size);
        let is_news = (told.without_ttl > 0) != (size.without_ttl > 0)
            || size.hosts.abs_diff(told.hosts) > told.hosts / NEWS_OF_SIZE;
        if is_news {
            self.told_size = size;
        }
        self.sizes.send_if_modified(|shown| {
            *shown = size;
            is_news
        });
    }

    /// Applies what came through a channel. `now` is when the batch came in.
    fn apply(&mut self, event: &InboundEvent, now: Reception) -> Result<Applied, Refusal> {
        let driver_id = now.driver_id;
        match event {
            InboundEvent::Packet { payload, age } => {
                debug!(target: "lobby::membership", driver = driver_id.index(), bytes = payload.len(), "packet heard");
                self.count(driver_id, LinkStats::received);
                self.apply_payload(payload, now.kept_for(*age))
            }
            InboundEvent::Withdrawn { payload } => {
                self.hosts.withdraw(payload, driver_id).map(Applied::from)
            }
            InboundEvent::ConnectionClosed(name) => {
                debug!(target: "lobby::membership", connection = %name, "connection of a daemon closed");
                self.hosts.connection_closed(name, now);
                Ok(Applied::Unchanged)
            }
            InboundEvent::Dropped(packets) => {
                self.count(driver_id, |stats| stats.dropped(*packets, clock::unix_seconds()));
                Ok(Applied::Unchanged)
            }
        }
    }

    /// Applies a packet, and counts and logs one that nothing vouches for.
    fn apply_payload(&mut self, payload: &[u8], reception: Reception) -> Result<Applied, Refusal> {
        let accepted = self.hosts.apply_payload(payload, reception)?;
        Ok(self.accept(accepted, reception))
    }

    /// Applies a packet that another daemon has heard.
    fn apply_retold(&mut self, payload: &[u8], reception: Reception) -> Result<Applied, Refusal> {
        let accepted = self.hosts.apply_retold(payload, reception)?;
        Ok(self.accept(accepted, reception))
    }

    fn accept(&mut self, accepted: Accepted, reception: Reception) -> Applied {
        let Accepted { applied, authenticity, news, invalid_ttl } = accepted;
        if let Some(host) = invalid_ttl {
            self.count(reception.driver_id, |stats| stats.invalid_ttl(clock::unix_seconds()));
            self.log.invalid_ttl(&host);
        }
        if let Authenticity::Unsigned(host) = authenticity {
            self.count(reception.driver_id, |stats| stats.unsigned(clock::unix_seconds()));
            self.log.unsigned(&host);
        }
        match news {
            None => {}
            Some(SenderNews::Newcomer) => self.newcomers.send_modify(|newcomers| {
                newcomers.count += 1;
                newcomers.hosts = self.hosts.size().hosts;
            }),
            Some(SenderNews::Namesakes { host, instances }) => {
                self.log.namesakes(&host, &instances);
            }
        }
        applied
    }

    fn count(&mut self, driver_id: DriverId, add: impl FnOnce(&mut LinkStats)) {
        self.stats.get_mut(driver_id.index()).map(add);
    }

    fn refuse(&mut self, driver_id: DriverId, refusal: &Refusal) {
        if let Some(stats) = self.stats.get_mut(driver_id.index()) {
            let now = clock::unix_seconds();
            stats.refused(refusal, now);
            self.refusals.note(stats.driver(), refusal, now);
        }
        self.log.refused(refusal);
    }

    /// Shows the readers what is new.
    fn publish(&mut self) {
        self.debounce.done(clock::now());
        self.snapshots.send_replace(Arc::new(self.hosts.snapshot()));
    }

    /// Shows the readers what is new, now or, when they were shown something just before, in a
    /// moment with all that comes until then.
    fn publish_soon(&mut self, ctx: &mut Context<Self>) {
        match self.debounce.turn(clock::now()) {
            PublishTime::Now => self.publish(),
            PublishTime::After(wait) => drop(ctx.run_later(wait, |registry, _| registry.publish())),
            PublishTime::Pending => {}
        }
    }

    /// Removes the hosts whose deadline has come.
    fn expire(&mut self, ctx: &mut Context<Self>) {
        // A registry that was away must know it before it lets anybody expire.
        self.tick();
        let changes = self.hosts.expire(clock::now());
        self.tell(&changes, ctx);
    }

    /// Sets the timer for the next host that expires. Keep-alives only move that moment later, so a
    /// timer that is set already and comes too early just looks again.
    fn await_expiry(&mut self, ctx: &mut Context<Self>) {
        let now = clock::now();
        let Some(deadline) = self.hosts.deadline(now) else { return };
        let deadline = deadline.max(now + EXPIRY_PAUSE);
        if self.expiry.is_some_and(|(set, _)| set <= deadline) {
            return;
        }
        let timer = ctx.run_later(deadline - now, |registry, ctx| {
            registry.expiry = None;
            registry.expire(ctx);
        });
        if let Some((_, former)) = self.expiry.replace((deadline, timer)) {
            ctx.cancel_future(former);
        }
    }

    fn sweep(&mut self, ctx: &mut Context<Self>) {
        let changes = self.hosts.sweep(clock::now());
        self.tell(&changes, ctx);
    }

    /// Shows that the registry works. If it had been away, readers must know that the time does not
    /// count.
    fn tick(&mut self) {
        if let Some(lost) = self.hosts.tick(clock::now()) {
            warn!(target: "lobby", seconds = lost.as_secs_f64(), "lobbyd was stopped or starved, no host expires for this time");
            self.publish();
        }
    }

    fn tell(&mut self, changes: &[Arc<Change>], ctx: &mut Context<Self>) {
        for change in changes {
            self.log.changed(change, |name| self.hosts.is_known(name));
        }
        if !changes.is_empty() {
            let is_alone = self.hosts.count_others() == 0;
            let since = self.alone_since.unwrap_or_else(clock::unix_seconds);
            self.alone_since = is_alone.then_some(since);
            self.debounce.add(changes.len());
            self.publish_soon(ctx);
        }
        self.show_size();
        self.await_expiry(ctx);
    }
}

/// A time in seconds, rounded up.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0))
}

fn namesakes((hostname, instances): (&HostName, Vec<InstanceId>)) -> Namesakes {
    let instances = instances.iter().map(InstanceId::to_string).collect();
    Namesakes { hostname: hostname.clone(), instances }
}

crate::healthz::answers_healthz!(Registry);

impl Actor for Registry {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(TICK, |registry, _| registry.tick());
        ctx.run_interval(self.clean_every, Self::sweep);
        ctx.run_interval(self.keep_alive, |registry, _| {
            registry.hosts.touch_own(clock::unix_seconds());
        });
    }
}

impl Handler<PacketsReceived> for Registry {
    type Result = ();

    fn handle(
        &mut self,
        PacketsReceived { driver_id, batch }: PacketsReceived,
        ctx: &mut Self::Context,
    ) {
        // After a standstill this may come before the timer: times must not count it.
        self.tick();
        let (at, unix_millis) = (clock::now(), clock::unix_millis());
        let now = Reception::fresh(driver_id, at, unix_millis);
        let mut changes = self.hosts.expire(at);
        for event in &batch {
            match self.apply(event, now) {
                Ok(Applied::Unchanged) => {}
                Ok(Applied::Changed(change)) => changes.push(change),
                Ok(Applied::DuplicateName) => {
                    self.log.duplicate(self.hosts.own(), self.hosts.duplicate());
                }
                Err(refusal) => self.refuse(driver_id, &refusal),
            }
        }
        self.tell(&changes, ctx);
    }
}

impl Handler<LinkOpened> for Registry {
    type Result = ();

    fn handle(&mut self, opened: LinkOpened, ctx: &mut Self::Context) {
        let LinkOpened { driver_id, note, server } = opened;
        self.tick();
        self.hosts.link_opened(driver_id, clock::now());
        self.count(driver_id, |stats| {
            stats.opened(note, clock::unix_seconds());
            stats.connected_to(server);
        });
        self.publish();
        self.await_expiry(ctx);
    }
}

impl Handler<LinkClosed> for Registry {
    type Result = ();

    fn handle(&mut self, LinkClosed { driver_id, reason }: LinkClosed, ctx: &mut Self::Context) {
        self.tick();
        self.count(driver_id, |stats| stats.closed(&reason, clock::unix_seconds()));
        let was_up = self.hosts.is_link_up(driver_id);
        let expired = self.hosts.link_closed(driver_id, clock::now());
        // A further attempt that failed is no news for readers.
        if was_up {
            self.publish();
        }
        self.tell(&expired, ctx);
    }
}

impl Handler<PacketSent> for Registry {
    type Result = ();

    fn handle(&mut self, PacketSent { driver_id, outcome }: PacketSent, _: &mut Self::Context) {
        self.count(driver_id, |stats| stats.sent(outcome));
    }
}

impl Handler<PaceChanged> for Registry {
    type Result = ();

    fn handle(&mut self, pace: PaceChanged, _: &mut Self::Context) {
        self.pace = Some(pace);
    }
}

impl Handler<GetStatus> for Registry {
    type Result = MessageResult<GetStatus>;

    fn handle(&mut self, _: GetStatus, _: &mut Self::Context) -> Self::Result {
        let (snapshot, now) = (Arc::clone(&self.snapshots.borrow()), clock::now());
        MessageResult(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: self.started,
            now: clock::unix_seconds(),
            hostname: self.hosts.own().cloned(),
            instance: self.hosts.instance().to_owned(),
            records: snapshot.count_living(now),
            warm: snapshot.is_warm(now),
            drivers: self.stats.iter().map(LinkStats::status).collect(),
            duplicate: self.hosts.duplicate().cloned(),
            namesakes: self.hosts.namesakes().map(namesakes).collect(),
            prometheus_problems: 0,
            register: self.rules.register,
            keep_alive: self.rules.keep_alive.as_secs(),
            ttl: self.hosts.ttl().as_secs(),
            interval: self.pace.map(|pace| whole_seconds(pace.interval)),
            packet_ttl: self.pace.and_then(|pace| pace.ttl).map(PacketTtl::seconds),
            verify: VerifyMode::word(self.rules.verify).to_owned(),
            keys: self.rules.keys.clone(),
            alone_since: self.alone_since,
            streams: 0,
        })
    }
}

impl Handler<GetRefusals> for Registry {
    type Result = MessageResult<GetRefusals>;

    fn handle(&mut self, _: GetRefusals, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.refusals.list())
    }
}

impl Handler<LocalChanged> for Registry {
    type Result = ();

    fn handle(&mut self, LocalChanged(packet): LocalChanged, ctx: &mut Self::Context) {
        let changes = self.hosts.set_own(packet, clock::unix_seconds());
        self.tell(&changes, ctx);
        // One that was heard under this name is the own host now: readers must know that it stays.
        if changes.is_empty() {
            self.publish_soon(ctx);
        }
    }
}

impl Handler<KeysChanged> for Registry {
    type Result = ();

    fn handle(&mut self, KeysChanged(keys): KeysChanged, _: &mut Self::Context) {
        self.rules.keys = keys.fingerprints();
        self.hosts.use_keys(keys);
    }
}

#[cfg(test)]
mod tests;
