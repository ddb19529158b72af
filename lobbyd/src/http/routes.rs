//! Routes: the paths of the API and their methods.

use actix_web::web::{self, ServiceConfig};

use crate::http::errors::{method_not_allowed, not_found};
use crate::http::{handlers, health};

/// Adds all routes to the application, and the answers to requests that miss them.
pub(super) fn add_routes(app: &mut ServiceConfig) {
    let get = |path: &str| web::resource(path.to_owned()).default_service(web::to(method_not_allowed("GET")));
    let labels = web::resource("/v1/labels")
        .post(handlers::add_labels)
        .delete(handlers::delete_labels)
        .default_service(web::to(method_not_allowed("POST, DELETE")));
    app.service(get("/").get(handlers::discoveries))
        .service(get("/v1/discoveries").get(handlers::discoveries))
        .service(get("/v1/discovery").get(handlers::discovery))
        .service(get("/v1/resolve").get(handlers::resolve))
        .service(get("/v1/prometheus/{name}").get(handlers::prometheus))
        .service(get("/v1/status").get(health::status))
        .service(get("/healthz").get(health::healthz))
        .service(get("/readyz").get(health::readyz))
        .service(labels)
        .default_service(web::to(not_found));
}
