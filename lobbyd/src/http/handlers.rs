//! Handlers: the answer of each route.

use std::time::Duration;

use actix::MailboxError;
use actix_web::HttpRequest;
use actix_web::web::{Data, Path};

use crate::http::errors::ApiError;
use crate::http::request::label_body::LabelBody;
use crate::http::response::json::json;
use crate::http::response::respond::{Answer, answer, text};
use crate::http::response::waiting::answer_within;
use crate::http::state::AppState;
use crate::http::streams::client_gone;
use crate::labels::source::{AddLabels, DeleteLabels, GetLocalLabels, GetLocalPacket, LeaseLabels};
use crate::labels::store::StoreError;
use crate::sys::clock;
use lobby_core::liveness::initial_sync::SyncState;
use lobby_core::render::{Layout, Query, prometheus};
use lobby_core::select::params::QueryParams;
use lobby_core::select::selection::Selection;

/// When a request that came too early should be tried again.
const LIST_RETRY_AFTER: Duration = Duration::from_secs(1);

/// How soon to look again when the moment to wait for is over, and the daemon stood still.
const LEAST_WAIT: Duration = Duration::from_millis(5);

const INCOMPLETE: &str =
    "lobbyd has not listened long enough yet to have heard every host: try again";

const NO_DRIVER: &str =
    "no driver has come up yet, so the other hosts are not known: see lobbyd's log, then try again";

/// `GET /` and `GET /v1/discoveries`: all hosts, or those that the query asks for.
pub async fn discoveries(state: Data<AppState>, request: HttpRequest) -> Answer {
    let params = QueryParams::parse(request.query_string())?;
    let selection = match state.selectors.of(&params)? {
        Some(selector) => Selection::Selector(selector),
        None => params.filter().into(),
    };
    list(&state, &request, Query::packets(selection), &params).await
}

/// `GET /v1/discovery`: this server's own packet, fresh from its sources.
pub async fn discovery(state: Data<AppState>, request: HttpRequest) -> Answer {
    let params = QueryParams::parse(request.query_string())?;
    let reading = state.label_source.send(GetLocalPacket).await.map_err(not_well)?;
    let packet = reading.packet().await.map_err(|no_answer| not_ready(&no_answer.to_string()))?;
    let no_name = || {
        ApiError::Internal(
            "this server has no usable host name: set HOSTNAME for lobbyd".to_owned(),
        )
    };
    json(&*packet.ok_or_else(no_name)?, params.pretty())
}

/// `GET /v1/resolve?label=L`: the names of the hosts that have the label, or that a selector
/// chooses.
pub async fn resolve(state: Data<AppState>, request: HttpRequest) -> Answer {
    let params = QueryParams::parse(request.query_string())?;
    let query = match state.selectors.of(&params)? {
        Some(selector) => Query::names_of(selector),
        None => Query::names(params.label()),
    };
    list(&state, &request, query, &params).await
}

/// `GET /v1/labels`: this server's labels, fresh, each with where it comes from.
pub async fn labels(state: Data<AppState>, request: HttpRequest) -> Answer {
    let params = QueryParams::parse(request.query_string())?;
    let reading = state.label_source.send(GetLocalPacket).await.map_err(not_well)?;
    reading.packet().await.map_err(|no_answer| not_ready(&no_answer.to_string()))?;
    let labels = state.label_source.send(GetLocalLabels).await.map_err(not_well)?;
    json(&labels, params.pretty())
}

/// `POST /v1/labels`: adds runtime labels, with `?ttl=60s` those that end.
pub async fn add_labels(
    state: Data<AppState>,
    request: HttpRequest,
    LabelBody(labels): LabelBody,
) -> Answer {
    let params = QueryParams::parse(request.query_string())?;
    params.check_only(&["ttl"])?;
    let ttl = params.ttl()?;
    // Programs renew their labels every few seconds. That need not wake the label source.
    if ttl.is_some_and(|ttl| state.leases.renew(&labels, ttl, clock::now())) {
        return Ok(text("OK"));
    }
    let stored = match ttl {
        Some(ttl) => state.label_source.send(LeaseLabels { labels, ttl }).await,
        None => state.label_source.send(AddLabels(labels)).await,
    };
    stored.map_err(not_well)?.map_err(|error| not_stored(&state, error))?;
    Ok(text("OK"))
}

/// `DELETE /v1/labels`: removes runtime labels, also those that end.
pub async fn delete_labels(
    state: Data<AppState>,
    request: HttpRequest,
    LabelBody(labels): LabelBody,
) -> Answer {
    QueryParams::parse(request.query_string())?.check_only(&[])?;
    let stored = state.label_source.send(DeleteLabels(labels)).await;
    stored.map_err(not_well)?.map_err(|error| not_stored(&state, error))?;
    Ok(text("OK"))
}

/// `GET /v1/prometheus/{name}`: the targets of a group, once this daemon must have heard every
/// host.
pub async fn prometheus_targets(
    state: Data<AppState>,
    request: HttpRequest,
    name: Path<String>,
) -> Answer {
    let params = QueryParams::parse(request.query_string())?;
    let mut query = Query::target_groups(name.into_inner(), state.node_exporter_port);
    if let Some(selector) = state.selectors.of(&params)? {
        query = query.among(selector);
    }
    if params.meta() {
        query = query.with_meta();
    }
    let wait = params.wait()?;
    wait_until_warm(&state, &request, &mut query.selection).await?;
    list_within(&state, &request, query.in_layout(layout(&params)), wait).await
}

/// `GET /v1/prometheus`: the names of the groups that there are, of all hosts or of those that a
/// selector chooses, once this daemon must have heard every host.
pub async fn prometheus_groups(state: Data<AppState>, request: HttpRequest) -> Answer {
    let params = QueryParams::parse(request.query_string())?;
    let mut selection = match state.selectors.of(&params)? {
        Some(selector) => Selection::Selector(selector),
        None => Selection::prefix(prometheus::PREFIX),
    };
    wait_until_warm(&state, &request, &mut selection).await?;
    let (snapshot, now) = (state.snapshot(), clock::now());
    let named =
        state.render_pool.run(move || prometheus::group_names(snapshot.find(&selection, now)));
    let names = named.await.map_err(|error| ApiError::Internal(error.to_string()))?;
    json(&names, params.pretty())
}

/// Answers with a list, when the parameters say so.
async fn list(
    state: &AppState,
    request: &HttpRequest,
    mut query: Query,
    params: &QueryParams,
) -> Answer {
    let wait = params.wait()?;
    if params.warm() {
        wait_until_warm(state, request, &mut query.selection).await?;
    }
    list_within(state, request, query.in_layout(layout(params)), wait).await
}

async fn list_within(
    state: &AppState,
    request: &HttpRequest,
    query: Query,
    wait: Option<Duration>,
) -> Answer {
    match wait {
        Some(wait) => answer_within(state, request, query, wait).await,
        None => answer(state, request, query).await,
    }
}

fn layout(params: &QueryParams) -> Layout {
    if params.pretty() { Layout::Pretty } else { Layout::Compact }
}

/// Waits until the daemon must have heard every host, to be asked for a selection. Prometheus keeps
/// its targets on an error, but forgets those that are missing from a list: half a fleet must not
/// be shown as the whole.
async fn wait_until_warm(
    state: &AppState,
    request: &HttpRequest,
    selection: &mut Selection,
) -> Result<(), ApiError> {
    let (mut snapshots, mut stopping) = (state.snapshots.clone(), state.stopping.clone());
    let (asked, mut place) = (clock::now(), None);
    while !*stopping.borrow_and_update() {
        let now = clock::now();
        let sync = snapshots.borrow_and_update().sync_state(asked, now);
        let until = match sync {
            SyncState::Complete => return Ok(()),
            SyncState::NoDriver => return Err(not_ready(NO_DRIVER)),
            SyncState::Incomplete => return Err(not_ready(INCOMPLETE)),
            SyncState::Pending(until) => until,
        };
        if place.is_none() {
            place = Some(state.streams.take(selection.selector_mut())?);
        }
        tokio::select! {
            () = clock::sleep_until(until.max(now + LEAST_WAIT)) => {}
            _ = snapshots.changed() => {}
            _ = stopping.changed() => {}
            () = client_gone(request) => return Err(not_ready(INCOMPLETE)),
        }
    }
    Err(not_ready("lobbyd is stopping and has not heard every host yet: try again"))
}

fn not_ready(reason: &str) -> ApiError {
    ApiError::NotReady { reason: reason.to_owned(), retry_after: LIST_RETRY_AFTER }
}

fn not_stored(state: &AppState, error: StoreError) -> ApiError {
    if error.is_failure() {
        state.log_not_stored(&error);
        return ApiError::Internal(format!("labels were not stored: {error}"));
    }
    match error {
        StoreError::LimitExceeded(excess) => ApiError::BadRequest(excess.to_string()),
        error => not_ready(&error.to_string()),
    }
}

fn not_well(error: MailboxError) -> ApiError {
    ApiError::Internal(format!("lobbyd is not well: {error}"))
}
