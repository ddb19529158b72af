//! The service: what the service manager is told of the daemon, while it runs.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tracing::warn;

use crate::healthz::{self, HealthTargets};
use crate::registry::{GetStatus, Registry};
use crate::sys::notifier::{Notice, Notifier, watchdog_limit};
use lobby_core::registry::snapshot::Snapshot;
use lobby_core::render::status_text::status_text;

/// Least time between two lines of status.
const STATUS_PAUSE: Duration = Duration::from_secs(1);

/// How often the status of a warm daemon is looked at although the list is as it was: it tells for
/// how many days a link is down. That a daemon becomes warm is no change of the list either.
const STATUS_REFRESH: Duration = Duration::from_secs(60);

/// The daemon as the service manager sees it; nothing where none asks.
#[derive(Debug, Default)]
pub struct Service(Option<Notifier>);

impl Service {
    /// Tells that the daemon serves, from now on how it is doing, and, if the service manager wants
    /// to know, that its actors answer: as long as they do.
    pub fn start(
        registry: Addr<Registry>,
        snapshots: watch::Receiver<Arc<Snapshot>>,
        actors: HealthTargets,
    ) -> Self {
        let Some(notifier) = Notifier::start() else { return Self::default() };
        notifier.tell(Notice::Ready);
        actix_rt::spawn(show_status(notifier.clone(), registry, snapshots));
        if let Some(limit) = watchdog_limit() {
            actix_rt::spawn(prove_work(notifier.clone(), actors, limit / 2));
        }
        Self(Some(notifier))
    }

    /// The daemon begins to read its files again.
    pub fn reloading(&self) {
        self.tell(Notice::Reloading);
    }

    /// The daemon has read its files again.
    pub fn ready(&self) {
        self.tell(Notice::Ready);
    }

    /// The daemon is about to end.
    pub fn stopping(&self) {
        self.tell(Notice::Stopping);
    }

    fn tell(&self, notice: Notice) {
        self.0.as_ref().map(|notifier| notifier.tell(notice));
    }
}

/// Shows the status in words, for ever, whenever they are others.
async fn show_status(
    notifier: Notifier,
    registry: Addr<Registry>,
    mut snapshots: watch::Receiver<Arc<Snapshot>>,
) {
    let mut shown = String::new();
    loop {
        let mut refresh = STATUS_PAUSE;
        if let Ok(status) = registry.send(GetStatus).await {
            if status.warm {
                refresh = STATUS_REFRESH;
            }
            let text = status_text(&status);
            if text != shown && notifier.tell(Notice::Status(text.clone())) {
                shown = text;
            }
        }
        sleep(STATUS_PAUSE).await;
        // When it is over, there is nothing new: the status of before stands.
        timeout(refresh, snapshots.changed()).await.ok();
    }
}

/// Shows that the daemon works, for ever, at each interval at which every actor answers. Nothing on
/// a disk is touched: a file system that hangs is no reason to start the daemon anew.
async fn prove_work(notifier: Notifier, actors: HealthTargets, every: Duration) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let silent = healthz::silent(&actors).await;
        if silent.is_empty() {
            notifier.tell(Notice::Alive);
        } else {
            let actors = silent.join(", ");
            warn!(target: "lobby", actors, "no answer within a second, the watchdog is not told");
        }
    }
}
