//! Health routes: how the daemon is doing, for people and for the programs that watch it.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::web::{self, Data};
use lobby_client::{LinkState, Status};
use tokio::time::timeout;

use crate::healthz::{self, ANSWER_LIMIT};
use crate::http::errors::ApiError;
use crate::http::response::json::json;
use crate::http::response::respond::{Answer, text};
use crate::http::state::AppState;
use crate::registry::{GetRefusals, GetStatus};
use lobby_core::select::params::QueryParams;

/// When a client should look again that was told that the daemon is not well or not ready.
const HEALTH_RETRY_AFTER: Duration = Duration::from_secs(1);

/// `GET /v1/status`: links and counters.
pub async fn status(state: Data<AppState>, request: HttpRequest) -> Answer {
    let params = QueryParams::parse(request.query_string())?;
    let status = current(&state).await?;
    // It reads labels of the fleet again: other threads serve meanwhile.
    let counted = web::block(move || state.count_problems()).await;
    let prometheus_problems = counted.map_err(|error| ApiError::Internal(error.to_string()))?;
    json(&Status { prometheus_problems, ..status }, params.pretty())
}

/// `GET /v1/refusals`: the servers whose packets were refused lately.
pub async fn refusals(state: Data<AppState>, request: HttpRequest) -> Answer {
    let params = QueryParams::parse(request.query_string())?;
    let answered = timeout(ANSWER_LIMIT, state.registry.send(GetRefusals)).await;
    let Ok(Ok(refusals)) = answered else {
        return Err(not_yet("no answer from the registry".to_owned()));
    };
    json(&refusals, params.pretty())
}

/// `GET /healthz`: whether the actors answer, and not only the threads that serve HTTP.
pub async fn healthz(state: Data<AppState>) -> Answer {
    let silent = healthz::silent(&state.health_targets).await;
    if silent.is_empty() {
        Ok(text("ok\n"))
    } else {
        Err(not_yet(format!("no answer from {}", silent.join(", "))))
    }
}

/// `GET /readyz`: whether the list of hosts can be relied on.
pub async fn readyz(state: Data<AppState>) -> Answer {
    let reasons = reasons_against(&current(&state).await?);
    if reasons.is_empty() { Ok(text("ready\n")) } else { Err(not_yet(reasons.join("; "))) }
}

/// The reasons why the daemon is not ready. Their causes are not among them: the status tells
/// those, to clients with the token.
fn reasons_against(status: &Status) -> Vec<String> {
    let mut reasons = Vec::new();
    if !status.warm {
        reasons.push("not every host can have been heard yet".to_owned());
    }
    if status.drivers.iter().all(|driver| driver.state == LinkState::Down) {
        reasons.extend(status.drivers.iter().map(|driver| format!("{} is down", driver.name)));
    }
    reasons
}

/// How the daemon is doing.
///
/// # Errors
/// When the registry does not answer.
pub(super) async fn current(state: &AppState) -> Result<Status, ApiError> {
    let answered = timeout(ANSWER_LIMIT, state.registry.send(GetStatus)).await;
    let Ok(Ok(status)) = answered else {
        return Err(not_yet("no answer from the registry".to_owned()));
    };
    Ok(Status { streams: state.streams.count_taken(), ..status })
}

fn not_yet(reason: String) -> ApiError {
    ApiError::NotReady { reason, retry_after: HEALTH_RETRY_AFTER }
}

#[cfg(test)]
mod tests {
    use lobby_client::DriverStatus;

    use super::*;
    use lobby_core::link::stats::LinkStats;

    fn driver(name: &'static str, up: bool) -> DriverStatus {
        let mut stats = LinkStats::new(name, 0);
        if up {
            stats.opened(None, 1);
        }
        stats.status()
    }

    fn status(warm: bool, drivers: Vec<DriverStatus>) -> Status {
        Status { warm, drivers, ..Status::default() }
    }

    #[test]
    fn a_warm_daemon_with_one_link_of_two_is_ready() {
        assert_eq!(
            reasons_against(&status(true, vec![driver("NATS", false), driver("Redis", true)])),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_daemon_without_a_link_is_not_ready_and_names_its_drivers() {
        let expected = ["not every host can have been heard yet", "NATS is down", "Redis is down"];
        assert_eq!(
            reasons_against(&status(false, vec![driver("NATS", false), driver("Redis", false)])),
            expected
        );
    }
}
