//! Application state: what the handlers of all routes share.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::Addr;
use tokio::sync::watch;
use tracing::{error, warn};

use crate::healthz::HealthTargets;
use crate::http::request::selectors::SelectorCache;
use crate::http::response::cache::ResponseCache;
use crate::http::response::frames::FrameCache;
use crate::http::response::render_pool::RenderPool;
use crate::http::streams::StreamPlaces;
use crate::labels::leases::Leases;
use crate::labels::source::LabelSource;
use crate::labels::store::StoreError;
use crate::registry::Registry;
use crate::sys::clock;
use lobby_core::log::once::Once;
use lobby_core::log::throttle::Throttle;
use lobby_core::registry::snapshot::Snapshot;
use lobby_core::render::metrics::CallbackCounts;
use lobby_core::render::prometheus::{self, Problem};

/// The state of the API; each worker thread has a copy.
#[derive(Clone)]
pub struct AppState {
    /// The registry's latest snapshot.
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    /// The actor that reads and stores this server's labels.
    pub label_source: Addr<LabelSource>,
    /// This server's labels that end.
    pub leases: Leases,
    /// The actor that knows the links and counters.
    pub registry: Addr<Registry>,
    /// The actors that must answer for the daemon to be well, by name.
    pub health_targets: HealthTargets,
    /// NODE_EXPORTER_PORT.
    pub node_exporter_port: u16,
    /// Whether the daemon is about to stop.
    pub stopping: watch::Receiver<bool>,
    /// How the runs of the callback ended.
    pub callback: Arc<CallbackCounts>,
    /// Answers that were made before.
    pub cache: Arc<ResponseCache>,
    /// Selectors that were read before.
    pub selectors: Arc<SelectorCache>,
    /// Where long answers are made.
    pub render_pool: RenderPool,
    /// Events that are ready to be sent.
    pub frames: Arc<FrameCache>,
    /// Places for clients that read events or wait.
    pub streams: StreamPlaces,
    /// Labels of the fleet that Prometheus could not be given, each logged once.
    pub noticed: Arc<Mutex<Once<Problem>>>,
    /// Changes of labels that could not be stored: who tries again does so each second.
    pub not_stored: Arc<Mutex<Throttle>>,
}

/// A line in so long tells of changes of labels that could not be stored.
const NOT_STORED_PERIOD: Duration = Duration::from_secs(60);

impl AppState {
    /// The throttle of [`AppState::not_stored`].
    pub(crate) fn not_stored_log() -> Arc<Mutex<Throttle>> {
        Arc::new(Mutex::new(Throttle::new(1, NOT_STORED_PERIOD)))
    }

    /// Logs why a change of labels was not stored, but not each time that it is tried again.
    pub(super) fn log_not_stored(&self, error: &StoreError) {
        let mut log = self.not_stored.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held_back) = log.pass(clock::now()) {
            error!(target: "lobby::api", %error, held_back, "labels were not stored");
        }
    }

    /// The registry's latest snapshot.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow())
    }

    /// Logs the faults of labels of the fleet, each once.
    pub(super) fn log_once(&self, problems: Vec<Problem>) {
        if !problems.is_empty() {
            let fresh = self.noticed.lock().unwrap_or_else(PoisonError::into_inner).fresh(problems);
            for problem in fresh {
                warn!(target: "lobby::api", host = %problem.host, problem = %problem.flaw, "label is not for prometheus");
            }
        }
    }

    /// The number of labels of the fleet that Prometheus was asked for and cannot be given.
    pub(super) fn count_problems(&self) -> usize {
        let (snapshot, now) = (self.snapshot(), clock::now());
        let noticed = self.noticed.lock().unwrap_or_else(PoisonError::into_inner);
        let problems: Vec<_> = noticed.iter().cloned().collect();
        drop(noticed);
        prometheus::count_current(&problems, &snapshot, now)
    }
}
