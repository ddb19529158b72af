//! The publisher: announces this server over every link.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use futures_util::future::join_all;
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;

use super::driver::PacketSink;
use super::outbox::Outbox;
use super::own_packet::OwnPacket;
use crate::registry::{KeysChanged, LocalChanged, Newcomers, PaceChanged, PacketSent};
use crate::sys::clock;
use lobby_core::link::announcer::Announcer;
use lobby_core::link::hi_schedule::HiSchedule;
use lobby_core::link::message::OutboundPacket;
use lobby_core::liveness::connectivity::{DriverId, DriverSet};
use lobby_core::liveness::pace::LobbySize;

/// Longest random wait before the first packet after a reconnection, so that a fleet does not
/// publish in unison.
const GREETING_SPREAD: Duration = Duration::from_millis(500);

/// A driver's connection is open. *Sent by its Subscriber.* No reply.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct ChannelOpened {
    /// The driver.
    pub driver_id: DriverId,
    /// Its name, for logs.
    pub driver: &'static str,
    /// Its sending side.
    pub outgoing: Arc<dyn PacketSink>,
    /// Whether there was one before that was lost.
    pub again: bool,
}

/// A driver's connection is closed. *Sent by its Subscriber.* No reply.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct ChannelClosed(pub DriverId);

/// A broker tells everybody that a connection of this daemon was closed, which it has replaced by
/// now. *Sent by its Subscriber.* No reply.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct OwnConnectionClosed;

/// A channel did not take an own packet. *Sent by its Outbox.* No reply.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
struct PacketLost(DriverId);

/// Say goodbye through every driver and close it. *Asked by App* at the end. Replies when the
/// channels have it.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct SayGoodbye;

/// The publisher: says hi in every interval of its schedule, to newcomers and when something
/// changes, goodbye at the end.
#[derive(Debug)]
pub struct Publisher {
    announcer: Announcer,
    outboxes: [Option<Outbox>; DriverId::MAX],
    schedule: HiSchedule,
    timer: Option<SpawnHandle>,
    newcomers: watch::Receiver<Newcomers>,
    sizes: watch::Receiver<LobbySize>,
    sent: Recipient<PacketSent>,
    paced: Recipient<PaceChanged>,
    /// The last pace that was told.
    pace: Option<PaceChanged>,
    own: OwnPacket,
}

impl Publisher {
    /// `schedule` says when the own packet is sent; `sent` is told of each one whether a channel
    /// took it, `paced` of the pace; `own` is always the newest.
    pub fn new(
        announcer: Announcer,
        schedule: HiSchedule,
        newcomers: watch::Receiver<Newcomers>,
        sizes: watch::Receiver<LobbySize>,
        sent: Recipient<PacketSent>,
        paced: Recipient<PaceChanged>,
        own: OwnPacket,
    ) -> Self {
        let (outboxes, timer, pace) = (Default::default(), None, None);
        Self { announcer, outboxes, schedule, timer, newcomers, sizes, sent, paced, pace, own }
    }

    /// Tells the pace, if it is another one.
    fn tell_pace(&mut self) {
        let (interval, ttl) = (self.schedule.interval(), self.schedule.ttl());
        let pace = PaceChanged { interval, ttl };
        if self.pace.replace(pace) != Some(pace) {
            self.paced.do_send(pace);
        }
    }

    /// Lets the schedule know the lobby and the wall clock, as they are now.
    fn update_schedule(&mut self) {
        let (size, now) = (*self.sizes.borrow(), clock::now());
        self.schedule.set_clock(now, clock::unix_millis());
        self.schedule.resize(size, now);
    }

    /// The drivers whose channels are open.
    fn links(&self) -> DriverSet {
        let drivers = (0..).map_while(DriverId::new).zip(&self.outboxes);
        drivers.filter_map(|(driver_id, outbox)| outbox.as_ref().map(|_| driver_id)).collect()
    }

    fn publish(&mut self, packets: impl IntoIterator<Item = OutboundPacket>) {
        for packet in packets {
            self.own.set((!packet.last).then(|| packet.payload.clone()));
            for driver_id in self.links().iter() {
                self.post(driver_id, packet.clone());
            }
        }
    }

    fn post(&mut self, driver_id: DriverId, packet: OutboundPacket) {
        let outbox = self.outboxes[driver_id.index()].as_ref();
        if outbox.is_some_and(|outbox| !outbox.post(packet)) {
            self.schedule.lost(driver_id);
        }
    }

    /// Sets the timer for the next own packet.
    fn await_turn(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        let wait = self.schedule.deadline().saturating_duration_since(clock::now());
        self.timer = Some(ctx.run_later(wait, Self::turn));
    }

    fn turn(&mut self, ctx: &mut Context<Self>) {
        self.update_schedule();
        if self.schedule.is_due(self.links(), fastrand::f64(), clock::now()) {
            self.announcer.use_ttl(self.schedule.ttl());
            let hi = self.announcer.hi(clock::unix_millis());
            self.publish(hi);
            self.tell_pace();
        }
        self.await_turn(ctx);
    }

    fn greet(&mut self, driver_id: DriverId) {
        if self.outboxes[driver_id.index()].is_some()
            && let Some(hi) = self.announcer.hi(clock::unix_millis())
        {
            self.own.set(Some(hi.payload.clone()));
            self.schedule.sent_through(driver_id, clock::now());
            self.post(driver_id, hi);
        }
    }
}

crate::healthz::answers_healthz!(Publisher);

impl Actor for Publisher {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.add_stream(WatchStream::from_changes(self.newcomers.clone()));
        ctx.add_stream(WatchStream::from_changes(self.sizes.clone()));
        self.tell_pace();
        self.await_turn(ctx);
    }
}

impl StreamHandler<Newcomers> for Publisher {
    fn handle(&mut self, Newcomers { hosts, .. }: Newcomers, ctx: &mut Self::Context) {
        self.schedule.newcomer(hosts, fastrand::f64(), clock::now());
        self.await_turn(ctx);
    }

    fn finished(&mut self, _: &mut Self::Context) {}
}

impl StreamHandler<LobbySize> for Publisher {
    fn handle(&mut self, _: LobbySize, ctx: &mut Self::Context) {
        self.update_schedule();
        self.await_turn(ctx);
    }

    fn finished(&mut self, _: &mut Self::Context) {}
}

impl Handler<LocalChanged> for Publisher {
    type Result = ();

    fn handle(&mut self, LocalChanged(packet): LocalChanged, ctx: &mut Self::Context) {
        self.update_schedule();
        self.schedule.sent(self.links(), fastrand::f64(), clock::now());
        self.announcer.use_ttl(self.schedule.ttl());
        let announcements = self.announcer.local_changed(packet, clock::unix_millis());
        self.publish(announcements);
        self.tell_pace();
        self.await_turn(ctx);
    }
}

impl Handler<KeysChanged> for Publisher {
    type Result = ();

    fn handle(&mut self, KeysChanged(keys): KeysChanged, _: &mut Self::Context) {
        self.announcer.use_keys(keys);
    }
}

impl Handler<ChannelOpened> for Publisher {
    type Result = ();

    fn handle(&mut self, opened: ChannelOpened, ctx: &mut Self::Context) {
        // The Subscriber takes the channel that the goodbye has closed for one that it must open
        // again.
        if self.announcer.has_left() {
            return;
        }
        let ChannelOpened { driver_id, driver, outgoing, again } = opened;
        let (sent, publisher) = (self.sent.clone(), ctx.address());
        self.outboxes[driver_id.index()] = Some(Outbox::open(driver, outgoing, move |outcome| {
            if outcome.is_err() {
                publisher.do_send(PacketLost(driver_id));
            }
            sent.do_send(PacketSent { driver_id, outcome });
        }));
        self.schedule.opened(driver_id, clock::now());
        self.await_turn(ctx);
        if again {
            let delay = GREETING_SPREAD.mul_f64(fastrand::f64());
            ctx.run_later(delay, move |publisher, _| publisher.greet(driver_id));
        } else {
            self.greet(driver_id);
        }
    }
}

impl Handler<PacketLost> for Publisher {
    type Result = ();

    fn handle(&mut self, PacketLost(driver_id): PacketLost, _: &mut Self::Context) {
        self.schedule.lost(driver_id);
    }
}

impl Handler<ChannelClosed> for Publisher {
    type Result = ();

    fn handle(&mut self, ChannelClosed(driver_id): ChannelClosed, _: &mut Self::Context) {
        self.outboxes[driver_id.index()] = None;
    }
}

impl Handler<OwnConnectionClosed> for Publisher {
    type Result = ();

    fn handle(&mut self, _: OwnConnectionClosed, ctx: &mut Self::Context) {
        self.schedule.doubted(clock::now());
        self.await_turn(ctx);
    }
}

impl Handler<SayGoodbye> for Publisher {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: SayGoodbye, _: &mut Self::Context) -> Self::Result {
        let goodbye = self.announcer.goodbye(clock::unix_millis());
        self.publish(goodbye);
        let outboxes = self.outboxes.iter_mut().filter_map(Option::take);
        let emptied = join_all(outboxes.map(Outbox::empty));
        Box::pin(async { drop(emptied.await) })
    }
}
