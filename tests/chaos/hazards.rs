//! Hazards: what goes wrong around daemons and brokers that work.

use std::time::Duration;

use bytes::Bytes;
use lobby_tests::eventually::now;
use lobby_tests::{RawPeer, Signal, Tracer, http};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::faults::{hold, start_again};
use crate::fleet::{BACK, Fleet, KEEP_ALIVE, TTL};
use crate::namesakes;
use crate::report::Report;

/// Longer than any round: the disk is released before.
const HANGING: Duration = Duration::from_secs(120);

/// More than lobbyd keeps of a log that nobody reads.
const GARBAGE_PACKETS: usize = 12_000;

/// Longer than a packet may be.
const OVERSIZED: usize = 300 << 10;

/// Clients of each daemon, and what each asks for at once: more would be a flood of requests.
const READERS: usize = 10;
const REQUESTS: usize = 200;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hazard {
    /// Links break again and again, and daemons die meanwhile.
    LinksFlap,
    /// One server of the NATS cluster is frozen.
    SeedFrozen,
    /// Packets come that are longer than any may be.
    Oversized,
    /// The disk with a daemon's labels hangs from its start on.
    DiskHangs,
    /// Nobody reads a daemon's log, and it has much to log.
    LogUnread,
    /// Clients ask for a lot and read nothing of it.
    ClientsDoNotRead,
    /// Another daemon goes by the name of one, for a while.
    TwoOfOneName,
}

impl Hazard {
    pub(crate) const ALL: [Self; 7] = [
        Self::LinksFlap,
        Self::SeedFrozen,
        Self::Oversized,
        Self::DiskHangs,
        Self::LogUnread,
        Self::ClientsDoNotRead,
        Self::TwoOfOneName,
    ];

    /// Lets it happen, and waits for the fleet to get over it.
    pub(crate) async fn happen(self, fleet: &mut Fleet, report: &mut Report) {
        match self {
            Self::LinksFlap => links_flap(fleet, report).await,
            Self::SeedFrozen => seed_frozen(fleet, report).await,
            Self::Oversized => oversized(fleet, report).await,
            Self::DiskHangs => disk_hangs(fleet, report).await,
            Self::LogUnread => log_unread(fleet, report).await,
            Self::ClientsDoNotRead => clients_do_not_read(fleet, report).await,
            Self::TwoOfOneName => namesakes::two_of_one_name(fleet, report).await,
        }
    }
}

/// The ways are open for longer than KEEP_ALIVE each time, and flap for less than two TTL: whoever
/// lives must not be lost, whoever died must not live on.
async fn links_flap(fleet: &mut Fleet, report: &mut Report) {
    let victims = fleet.victims();
    fleet.end(&victims, Signal::KILL).await;
    fleet.lose_sight(|reach| reach.flaky && !reach.nats, true);
    let began = now();
    while began.elapsed() < TTL.mul_f64(1.6) {
        fleet.flaky.close();
        hold(0.2, 0.8, fleet).await;
        fleet.flaky.open();
        hold(1.2, 2.0, fleet).await;
    }
    fleet.regain_sight();
    fleet.settle("links flapped, daemons killed", now(), BACK + TTL, report).await;
    start_again(&victims, fleet, report).await;
}

/// The others take over within seconds, while it is still frozen.
async fn seed_frozen(fleet: &mut Fleet, report: &mut Report) {
    let seed = fleet.rng.usize(..fleet.nats.len());
    fleet.lose_sight(|reach| !reach.redis, false);
    fleet.nats[seed].pause();
    let frozen = now();
    // Until then a link may be up that is deaf.
    hold(TTL.as_secs_f64(), BACK.as_secs_f64(), fleet).await;
    fleet.regain_sight();
    fleet.settle("one of three NATS servers frozen", frozen, BACK + KEEP_ALIVE, report).await;
    fleet.nats[seed].resume();
    fleet.settle("the frozen NATS server back", now(), KEEP_ALIVE, report).await;
}

async fn oversized(fleet: &mut Fleet, report: &mut Report) {
    let since = now();
    for wire in wires(fleet).await {
        for _ in 0..10 {
            wire.say(vec![b'x'; OVERSIZED]).await;
        }
    }
    fleet.settle("oversized packets", since, KEEP_ALIVE, report).await;
}

async fn disk_hangs(fleet: &mut Fleet, report: &mut Report) {
    let victim = fleet.victims()[0];
    fleet.end(&[victim], Signal::TERM).await;
    let mut tracer = None;
    fleet
        .start_again_as(victim, |builder| {
            let slow = Tracer::of("openat").on(&builder.labels_path()).delays("openat", HANGING);
            let launcher = slow.launcher();
            tracer = Some(slow);
            builder.launched_by(launcher)
        })
        .await;
    fleet.settle("a daemon started, its disk hangs", now(), KEEP_ALIVE * 2, report).await;
    if let (Some(tracer), Some(daemon)) = (&tracer, fleet.daemon(victim)) {
        tracer.release(daemon);
    }
    fleet.settle("its disk answers again", now(), KEEP_ALIVE, report).await;
}

async fn log_unread(fleet: &mut Fleet, report: &mut Report) {
    let victim = fleet.victims()[0];
    fleet.end(&[victim], Signal::TERM).await;
    fleet.start_again_as(victim, |builder| builder.set("LOG_LEVEL", "debug")).await;
    fleet.settle("daemons started", now(), KEEP_ALIVE * 2, report).await;
    set_log(fleet, victim, true);
    for wire in wires(fleet).await {
        let garbage = vec![Bytes::from_static(b"garbage"); GARBAGE_PACKETS];
        wire.say_all(garbage).await;
    }
    fleet.settle("a flood, and a log that nobody reads", now(), BACK, report).await;
    set_log(fleet, victim, false);
    fleet.settle("the log is read again", now(), KEEP_ALIVE, report).await;
}

fn set_log(fleet: &Fleet, place: usize, unread: bool) {
    if let Some(daemon) = fleet.daemon(place) {
        daemon.read_no_log(unread);
    }
}

async fn clients_do_not_read(fleet: &mut Fleet, report: &mut Report) {
    let victims = fleet.victims();
    let request = "GET /v1/discoveries HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(REQUESTS);
    let mut clients: Vec<TcpStream> = Vec::new();
    for daemon in victims.iter().filter_map(|place| fleet.daemon(*place)) {
        for _ in 0..READERS {
            let mut client = http::connect(daemon.address()).await;
            // It stops reading requests when nobody takes its answers.
            timeout(Duration::from_millis(20), client.write_all(request.as_bytes())).await.ok();
            clients.push(client);
        }
    }
    hold(0.5, 2.0, fleet).await;
    fleet.settle("clients that do not read", now(), BACK, report).await;
}

/// A voice on each broker.
async fn wires(fleet: &Fleet) -> [RawPeer; 2] {
    [RawPeer::nats(&fleet.nats[0]).await, RawPeer::redis(&fleet.redis).await]
}
