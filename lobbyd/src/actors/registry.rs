//! Keeps the list of all hosts that are alive.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::watch;
use tracing::{debug, info, warn};

use super::publisher::LocalChanged;
use crate::clock;
use crate::drivers::Incoming;
use crate::logic::packet::Refusal;
use crate::logic::records::{Change, Hearing, Records};
use crate::logic::sight::Carrier;
use crate::logic::snapshot::Snapshot;
use crate::logic::throttle::Throttle;

/// Most log lines about membership, and about refused packets, in every [`LOG_PERIOD`].
const LOG_BURST: u32 = 100;
const LOG_PERIOD: Duration = Duration::from_secs(10);

/// Everything that was ready on a link. *Sent by its Subscriber.* No reply.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct PacketsReceived {
    /// The link's driver.
    pub carrier: Carrier,
    /// What was heard, in order.
    pub batch: Vec<Incoming>,
}

/// A link came up or went down. *Sent by its Subscriber.* No reply.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct LinkChanged {
    /// The link's driver.
    pub carrier: Carrier,
    /// Whether it is up now.
    pub up: bool,
}

/// Writes the registry, alone; everybody else reads its snapshots.
#[derive(Debug)]
pub struct Registry {
    records: Records,
    snapshots: watch::Sender<Arc<Snapshot>>,
    clean_every: Duration,
    keep_alive: Duration,
    membership_log: Throttle,
    refusal_log: Throttle,
}

impl Registry {
    /// `clean_every` is the sweep interval; every `keep_alive` the own record is renewed, heard or not.
    pub fn new(records: Records, clean_every: Duration, keep_alive: Duration) -> Self {
        let snapshots = watch::Sender::new(Arc::new(records.snapshot()));
        let throttle = || Throttle::new(LOG_BURST, LOG_PERIOD);
        Self { records, snapshots, clean_every, keep_alive, membership_log: throttle(), refusal_log: throttle() }
    }

    /// Where readers get the latest snapshot.
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.subscribe()
    }

    fn take_in(&mut self, carrier: Carrier, incoming: &Incoming) -> Result<Option<Change>, Refusal> {
        match incoming {
            Incoming::Packet { payload, age } => {
                let now = clock::now();
                let at = now.checked_sub(*age).unwrap_or(now);
                let age_seconds = i64::try_from(age.as_secs()).unwrap_or_default();
                self.records.hear(payload, Hearing { carrier, at, unix_seconds: clock::unix_seconds() - age_seconds })
            }
            Incoming::Withdrawn { payload } => self.records.withdraw(payload),
            Incoming::Dropped(packets) => {
                warn!(packets, "packets came faster than they could be read and were dropped");
                Ok(None)
            }
        }
    }

    fn refuse(&mut self, refusal: &Refusal) {
        if let Some(held_back) = self.refusal_log.pass(clock::now()) {
            warn!(reason = refusal.reason(), error = %refusal, held_back, "packet refused");
        }
    }

    fn changed(&mut self, change: &Change) {
        match self.membership_log.pass(clock::now()) {
            Some(0) => info!(host = %change.hostname(), "{change}"),
            Some(held_back) => info!(host = %change.hostname(), held_back, "{change}"),
            None => debug!(host = %change.hostname(), "{change}"),
        }
    }

    /// Shows the readers what is new.
    fn publish(&self) {
        self.snapshots.send_replace(Arc::new(self.records.snapshot()));
    }

    fn sweep(&mut self) {
        let changes = self.records.sweep(clock::now());
        self.tell(&changes);
    }

    fn tell(&mut self, changes: &[Change]) {
        for change in changes {
            self.changed(change);
        }
        if !changes.is_empty() {
            self.publish();
        }
    }
}

impl Actor for Registry {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(self.clean_every, |registry, _| registry.sweep());
        ctx.run_interval(self.keep_alive, |registry, _| registry.records.touch_own(clock::unix_seconds()));
    }
}

impl Handler<PacketsReceived> for Registry {
    type Result = ();

    fn handle(&mut self, PacketsReceived { carrier, batch }: PacketsReceived, _: &mut Self::Context) {
        let mut changes = Vec::new();
        for incoming in &batch {
            match self.take_in(carrier, incoming) {
                Ok(change) => changes.extend(change),
                Err(refusal) => self.refuse(&refusal),
            }
        }
        self.tell(&changes);
    }
}

impl Handler<LinkChanged> for Registry {
    type Result = ();

    fn handle(&mut self, LinkChanged { carrier, up }: LinkChanged, _: &mut Self::Context) {
        if up {
            self.records.link_opened(carrier, clock::now());
        } else {
            self.records.link_closed(carrier);
        }
        self.publish();
    }
}

impl Handler<LocalChanged> for Registry {
    type Result = ();

    fn handle(&mut self, LocalChanged(packet): LocalChanged, _: &mut Self::Context) {
        let changes = self.records.set_own(packet, clock::unix_seconds());
        self.tell(&changes);
    }
}
