//! The metrics route: the numbers of this daemon for Prometheus.

use actix_web::http::header::{ACCEPT, VARY};
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};

use crate::http::errors::ApiError;
use crate::http::health;
use crate::http::response::respond::Answer;
use crate::http::state::AppState;
use crate::logging;
use crate::sys::process_usage;
use lobby_core::render::metrics::{Metrics, MetricsFormat};

/// `GET /metrics`: in OpenMetrics for who accepts it, else in the classic text format.
pub async fn metrics(state: Data<AppState>, request: HttpRequest) -> Answer {
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
    let format = MetricsFormat::accepted(accept.unwrap_or_default());
    let status = health::current(&state).await?;
    let (callback, revision) = (state.callback.clone(), state.snapshot().revision());
    let leases = state.leases.count();
    // The kernel counts open files one by one: other threads serve meanwhile.
    let text = web::block(move || {
        let process = process_usage::read(status.started);
        let log_lines_dropped = logging::lost_lines();
        Metrics { status, revision, leases, callback, log_lines_dropped, process }.text(format)
    });
    let failed = |error: String| ApiError::Internal(error);
    let text = text.await.map_err(|error| failed(error.to_string()))?;
    let text = text.map_err(|error| failed(error.to_string()))?;
    Ok(HttpResponse::Ok()
        .content_type(format.content_type())
        .insert_header((VARY, "Accept"))
        .body(text))
}
