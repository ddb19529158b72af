//! The HTTP server: an actor that serves the API, its socket and its limits.

use std::io;
use std::net::TcpListener;
use std::num::NonZero;
use std::thread::available_parallelism;
use std::time::Duration;

use actix::prelude::*;
use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use anyhow::Context as _;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{error, info, warn};

use crate::config::ApiSettings;
use crate::http::access::{AccessPolicy, authorize};
use crate::http::routes::add_routes;
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

/// How long requests that are being served may go on when the daemon stops.
const GRACE: Duration = Duration::from_millis(600);

/// Take no more requests and finish those that are being served. *Asked by main* at the end. Replies when that is done.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct StopServing;

/// The HTTP server. Its handlers run on threads of their own.
pub struct HttpApi {
    server: ServerHandle,
    /// Ends the waiting of requests that wait for something.
    stopping: watch::Sender<bool>,
}

impl HttpApi {
    /// Begins to serve on a socket that is bound already.
    ///
    /// # Errors
    /// When the server cannot take over the socket.
    pub fn serve(
        listener: TcpListener,
        state: AppState,
        policy: AccessPolicy,
        stopping: watch::Sender<bool>,
    ) -> anyhow::Result<Self> {
        let server = serve(listener, state, policy)?;
        let handle = server.handle();
        actix_rt::spawn(async {
            if let Err(error) = server.await {
                error!(target: "lobby::api", %error, "the HTTP API ended");
            }
        });
        Ok(Self { server: handle, stopping })
    }
}

impl Actor for HttpApi {
    type Context = Context<Self>;
}

impl Handler<StopServing> for HttpApi {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: StopServing, _: &mut Self::Context) -> Self::Result {
        self.stopping.send_replace(true);
        let stopped = self.server.stop(true);
        Box::pin(async { drop(timeout(GRACE, stopped).await) })
    }
}

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
fn serve(listener: TcpListener, state: AppState, policy: AccessPolicy) -> anyhow::Result<Server> {
    let (state, policy) = (Data::new(state), Data::new(policy));
    let app = move || {
        App::new().app_data(state.clone()).app_data(policy.clone()).configure(add_routes).wrap(from_fn(authorize))
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
