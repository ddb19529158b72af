//! What each route answers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix::{Addr, MailboxError, Recipient};
use actix_web::HttpRequest;
use actix_web::web::{Data, Path};
use lobby_client::Discovery;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{error, warn};

use super::answer::{Answer, answer, text};
use super::errors::ApiError;
use super::json::json;
use super::label_body::LabelBody;
use super::query::Query;
use crate::actors::AreYouThere;
use crate::actors::label_source::{AddLabels, DeleteLabels, GetLocal, LabelSource};
use crate::actors::registry::Registry;
use crate::clock;
use crate::local_server::StoreError;
use crate::logic::answers::Question;
use crate::logic::noticed::Noticed;
use crate::logic::prometheus::{self, Document, Problem};
use crate::logic::snapshot::Snapshot;
use crate::logic::warmth::Readiness;

/// Longest time that the disk may take over label files before a request is answered without.
const DISK_LIMIT: Duration = Duration::from_secs(5);

/// When a request that came too early should be tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

const NO_DRIVER: &str = "no driver has come up yet, so the other hosts are not known: see lobbyd's log, then try again";

/// All that the handlers need; each worker thread has a copy.
#[derive(Clone)]
pub struct Service {
    /// The registry's latest snapshot.
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    /// Who knows and stores this server's labels.
    pub label_source: Addr<LabelSource>,
    /// Who knows how the daemon is doing.
    pub registry: Addr<Registry>,
    /// All that must answer for the daemon to be well, by name.
    pub vital: Vec<(&'static str, Recipient<AreYouThere>)>,
    /// NODE_EXPORTER_PORT.
    pub node_exporter_port: u16,
    /// Whether the daemon is about to stop.
    pub stopping: watch::Receiver<bool>,
    /// Labels of the fleet that Prometheus could not be given, each logged once.
    pub noticed: Arc<Mutex<Noticed<Problem>>>,
}

impl Service {
    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow())
    }

    /// How many labels Prometheus could not be given.
    pub(super) fn count_noticed(&self) -> usize {
        self.noticed.lock().unwrap_or_else(PoisonError::into_inner).count()
    }
}

/// `GET /` and `GET /v1/discoveries`: everybody, or those that the query asks for.
pub async fn discoveries(service: Data<Service>, request: HttpRequest) -> Answer {
    let query = Query::parse(request.query_string())?;
    let (snapshot, filter) = (service.snapshot(), query.filter());
    let question = Question::Packets(filter.clone());
    answer(&request, &query, &snapshot, question, |now| snapshot.packets_json(&filter, now)).await
}

/// `GET /v1/discovery`: this server's own packet, fresh from its sources.
pub async fn discovery(service: Data<Service>, request: HttpRequest) -> Answer {
    let query = Query::parse(request.query_string())?;
    let packet: Discovery = in_time(service.label_source.send(GetLocal))
        .await?
        .ok_or_else(|| ApiError::Internal("this server has no usable host name: set HOSTNAME for lobbyd".to_owned()))?;
    json(&packet, query.pretty())
}

/// `GET /v1/resolve?label=L`: the names of those that have the label.
pub async fn resolve(service: Data<Service>, request: HttpRequest) -> Answer {
    let query = Query::parse(request.query_string())?;
    let (snapshot, label) = (service.snapshot(), query.label());
    let question = Question::Names(label.to_owned());
    answer(&request, &query, &snapshot, question, |now| snapshot.names_json(label, now)).await
}

/// `POST /v1/labels`: adds runtime labels.
pub async fn add_labels(service: Data<Service>, LabelBody(labels): LabelBody) -> Answer {
    in_time(service.label_source.send(AddLabels(labels))).await?.map_err(not_stored)?;
    Ok(text("OK"))
}

/// `DELETE /v1/labels`: removes runtime labels.
pub async fn delete_labels(service: Data<Service>, LabelBody(labels): LabelBody) -> Answer {
    in_time(service.label_source.send(DeleteLabels(labels))).await?.map_err(not_stored)?;
    Ok(text("OK"))
}

/// `GET /v1/prometheus/{name}`: the targets of a group, once this daemon is in a position to know them all.
pub async fn prometheus(service: Data<Service>, request: HttpRequest, name: Path<String>) -> Answer {
    let query = Query::parse(request.query_string())?;
    let snapshot = warm_snapshot(&service).await?;
    let question = Question::Targets(name.clone());
    answer(&request, &query, &snapshot, question, |now| targets_json(&service, &snapshot, &name, now)).await
}

fn targets_json(service: &Service, snapshot: &Snapshot, name: &str, now: Instant) -> String {
    let members: Vec<_> = snapshot.with_prefix(&format!("prometheus:{name}"), now);
    let hosts: Vec<_> = members.iter().map(|record| (record.hostname(), record.labels())).collect();
    let hosts = hosts.iter().map(|(hostname, labels)| (*hostname, labels.as_slice()));
    let Document { groups, problems } = prometheus::document(name, hosts, service.node_exporter_port);
    log_once(service, problems);
    serde_json::to_string(&groups).unwrap_or_default()
}

/// Waits until the daemon must have heard everybody. Prometheus keeps its targets on an error, but forgets those that are missing
/// from a list: half a fleet must not be shown as the whole.
async fn warm_snapshot(service: &Service) -> Result<Arc<Snapshot>, ApiError> {
    let (mut snapshots, mut stopping) = (service.snapshots.clone(), service.stopping.clone());
    let asked = clock::now();
    while !*stopping.borrow_and_update() {
        let snapshot = Arc::clone(&snapshots.borrow_and_update());
        match snapshot.warmth().readiness(asked, clock::now()) {
            Readiness::Ready => return Ok(snapshot),
            Readiness::NoDriver => return Err(not_ready(NO_DRIVER)),
            Readiness::Wait(until) => tokio::select! {
                () = clock::sleep_until(until) => {}
                _ = snapshots.changed() => {}
                _ = stopping.changed() => {}
            },
        }
    }
    Err(not_ready("lobbyd is stopping and has not heard every host yet: try again"))
}

fn not_ready(reason: &str) -> ApiError {
    ApiError::NotReady { reason: reason.to_owned(), retry_after: RETRY_AFTER }
}

fn log_once(service: &Service, problems: Vec<Problem>) {
    if !problems.is_empty() {
        let fresh = service.noticed.lock().unwrap_or_else(PoisonError::into_inner).fresh(problems);
        for problem in fresh {
            warn!(host = %problem.host, problem = %problem.flaw, "label is not for prometheus");
        }
    }
}

fn not_stored(error: StoreError) -> ApiError {
    match error {
        StoreError::TooMuch(excess) => ApiError::BadRequest(excess.to_string()),
        StoreError::Failed(error) => {
            error!(error = format!("{error:#}"), "labels were not stored");
            ApiError::Internal(format!("labels were not stored: {error:#}"))
        }
    }
}

async fn in_time<T>(asked: impl Future<Output = Result<T, MailboxError>>) -> Result<T, ApiError> {
    let late = |_| not_ready("the disk with the label files does not answer: try again");
    let answer = timeout(DISK_LIMIT, asked).await.map_err(late)?;
    answer.map_err(|error| ApiError::Internal(format!("lobbyd is not well: {error}")))
}
