//! Routes: the paths of the API and their methods.

use actix_web::guard::{Any, Get, Head};
use actix_web::web::{self, ServiceConfig};
use actix_web::{FromRequest, Handler, Resource, Responder, Route};

use crate::http::errors::{method_not_allowed, not_found};
use crate::http::{description, events, handlers, health, metrics, ui};

/// Adds all routes to the application, and the answers to requests that miss them.
pub(super) fn add_routes(app: &mut ServiceConfig) {
    let labels = web::resource("/v1/labels")
        .route(read().to(handlers::labels))
        .post(handlers::add_labels)
        .delete(handlers::delete_labels)
        .default_service(web::to(method_not_allowed("GET, HEAD, POST, DELETE")));
    app.service(get("/", handlers::discoveries))
        .service(get("/v1/discoveries", handlers::discoveries))
        .service(get("/v1/discovery", handlers::discovery))
        .service(get("/v1/resolve", handlers::resolve))
        .service(get("/v1/prometheus", handlers::prometheus_groups))
        .service(get("/v1/prometheus/{name}", handlers::prometheus_targets))
        .service(get("/v1/events", events::events))
        .service(get("/v1/status", health::status))
        .service(get("/v1/refusals", health::refusals))
        .service(get("/metrics", metrics::metrics))
        .service(get("/healthz", health::healthz))
        .service(get("/readyz", health::readyz))
        .service(get("/openapi.yaml", description::description))
        .service(labels)
        .service(get("/ui", ui::page))
        .service(get("/ui/", ui::to_page))
        .service(get("/ui/lobby.js", ui::script))
        .service(get("/ui/lobby.css", ui::style))
        .default_service(web::to(not_found));
}

/// A path that can be read: HEAD is answered as GET is, without the body.
fn get<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args, Output: Responder + 'static>,
    Args: FromRequest + 'static,
{
    let read = read().to(handler);
    web::resource(path).route(read).default_service(web::to(method_not_allowed("GET, HEAD")))
}

fn read() -> Route {
    web::route().guard(Any(Get()).or(Head()))
}
