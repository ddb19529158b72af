//! How the daemon is doing, for people and for those who look after it from outside.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::web::Data;
use futures_util::future::join_all;
use lobby_client::{LinkState, Status};
use tokio::time::timeout;

use crate::healthz::Healthz;
use crate::http::errors::ApiError;
use crate::http::response::json::json;
use crate::http::response::respond::{Answer, text};
use crate::http::state::AppState;
use crate::registry::GetStatus;
use lobby_core::select::params::QueryParams;

/// How long an actor may take over a simple question.
const PATIENCE: Duration = Duration::from_secs(1);

/// When somebody who was told that the daemon is not well, or not ready, should look again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// `GET /v1/status`: links, counters and what else is worth knowing.
pub async fn status(service: Data<AppState>, request: HttpRequest) -> Answer {
    let query = QueryParams::parse(request.query_string())?;
    json(&current(&service).await?, query.pretty())
}

/// `GET /healthz`: whether the actors answer, and not only the threads that serve HTTP.
pub async fn healthz(service: Data<AppState>) -> Answer {
    let asked = service.health_targets.iter().map(|(name, actor)| async move {
        let answered = timeout(PATIENCE, actor.send(Healthz)).await;
        (!matches!(answered, Ok(Ok(())))).then_some(*name)
    });
    let silent: Vec<_> = join_all(asked).await.into_iter().flatten().collect();
    if silent.is_empty() { Ok(text("ok\n")) } else { Err(not_yet(format!("no answer from {}", silent.join(", ")))) }
}

/// `GET /readyz`: whether the list of hosts can be relied on.
pub async fn readyz(service: Data<AppState>) -> Answer {
    let reasons = missing(&current(&service).await?);
    if reasons.is_empty() { Ok(text("ready\n")) } else { Err(not_yet(reasons.join("; "))) }
}

/// What keeps the daemon from being ready. The causes are not told: they are for those who may ask for the status.
fn missing(status: &Status) -> Vec<String> {
    let mut reasons = Vec::new();
    if !status.warm {
        reasons.push("not every host can have been heard yet".to_owned());
    }
    if status.drivers.iter().all(|driver| driver.state == LinkState::Down) {
        reasons.extend(status.drivers.iter().map(|driver| format!("{} is down", driver.name)));
    }
    reasons
}

async fn current(service: &AppState) -> Result<Status, ApiError> {
    let answered = timeout(PATIENCE, service.registry.send(GetStatus)).await;
    let Ok(Ok(status)) = answered else { return Err(not_yet("no answer from the registry".to_owned())) };
    Ok(Status { prometheus_problems: service.count_noticed(), ..status })
}

fn not_yet(reason: String) -> ApiError {
    ApiError::NotReady { reason, retry_after: RETRY_AFTER }
}

#[cfg(test)]
mod tests {
    use lobby_client::DriverStatus;

    use super::*;
    use lobby_core::link::stats::LinkStats;

    fn driver(name: &'static str, up: bool) -> DriverStatus {
        let mut tally = LinkStats::new(name, 0);
        if up {
            tally.opened(1);
        }
        tally.status()
    }

    fn status(warm: bool, drivers: Vec<DriverStatus>) -> Status {
        Status {
            version: String::new(),
            started: 0,
            now: 0,
            hostname: None,
            instance: String::new(),
            records: 0,
            warm,
            drivers,
            duplicate: None,
            prometheus_problems: 0,
        }
    }

    #[test]
    fn a_warm_daemon_with_one_link_of_two_is_ready() {
        assert_eq!(missing(&status(true, vec![driver("NATS", false), driver("Redis", true)])), Vec::<String>::new());
    }

    #[test]
    fn a_daemon_without_any_link_is_not_ready_and_says_which_are_down() {
        let expected = ["not every host can have been heard yet", "NATS is down", "Redis is down"];
        assert_eq!(missing(&status(false, vec![driver("NATS", false), driver("Redis", false)])), expected);
    }
}
