//! Application state: what the handlers of all routes share.

use std::sync::{Arc, Mutex, PoisonError};

use actix::Addr;
use tokio::sync::watch;
use tracing::warn;

use crate::healthz::HealthTargets;
use crate::http::request::selectors::SelectorCache;
use crate::http::response::cache::ResponseCache;
use crate::http::response::frames::FrameCache;
use crate::http::response::render_pool::RenderPool;
use crate::http::streams::StreamPlaces;
use crate::labels::leases::Leases;
use crate::labels::source::LabelSource;
use crate::registry::Registry;
use crate::sys::clock;
use lobby_core::log::once::Once;
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
}

impl AppState {
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
