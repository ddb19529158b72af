//! The HTTP server: its socket, its limits, its routes.

use std::io;
use std::net::TcpListener;
use std::num::NonZero;
use std::thread::available_parallelism;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{App, HttpServer};
use anyhow::Context;
use tracing::{info, warn};

use crate::config::ApiSettings;
use crate::http::access::{AccessPolicy, authorize};
use crate::http::errors::{method_not_allowed, not_found};
use crate::http::handlers;
use crate::http::health;
use crate::http::state::AppState;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 2048;

/// Most connections that a worker thread serves at once; further ones wait.
const MOST_CONNECTIONS: usize = 10_000;

/// Most worker threads. Answers come from memory: more would cost memory and win nothing.
const MOST_WORKERS: usize = 4;

/// How long a client may take over the head of a request.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);

/// How long an idle connection is kept.
const IDLE_LIMIT: Duration = Duration::from_secs(75);

/// Binds the listen address, HOST and PORT.
///
/// # Errors
/// When it cannot be bound, as when the port is in use; the message names the address.
pub fn bind(settings: &ApiSettings) -> anyhow::Result<TcpListener> {
    let address = (settings.host.trim_matches(['[', ']']), settings.port);
    let listen = || -> io::Result<TcpListener> {
        let listener = TcpListener::bind(address)?;
        rustix::net::listen(&listener, BACKLOG)?;
        let address = listener.local_addr()?;
        info!(target: "lobby::api", %address, "listening");
        if settings.token.is_none() && !address.ip().is_loopback() {
            warn!(target: "lobby::api", %address, "the API is open to everyone who reaches this address: set a TOKEN");
        }
        Ok(listener)
    };
    listen().with_context(|| format!("cannot listen on HOST {} PORT {}", settings.host, settings.port))
}

/// Serves the API on a socket. The server is a future to be spawned.
///
/// # Errors
/// When the socket cannot be taken over.
pub fn serve(listener: TcpListener, service: AppState, admission: AccessPolicy) -> anyhow::Result<Server> {
    let (service, admission) = (Data::new(service), Data::new(admission));
    let app = move || {
        App::new()
            .app_data(service.clone())
            .app_data(admission.clone())
            .configure(routes)
            .default_service(web::to(not_found))
            .wrap(from_fn(authorize))
    };
    let server = HttpServer::new(app)
        .workers(available_parallelism().map_or(1, NonZero::get).min(MOST_WORKERS))
        .max_connections(MOST_CONNECTIONS)
        .client_request_timeout(REQUEST_LIMIT)
        .keep_alive(IDLE_LIMIT)
        // Off, every answer in pieces would wait for the peer's delayed acknowledgement.
        .tcp_nodelay(true)
        .disable_signals();
    Ok(server.listen(listener).context("cannot serve the listen socket")?.run())
}

fn routes(app: &mut ServiceConfig) {
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
        .service(labels);
}
