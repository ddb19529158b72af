//! The HTTP server: an actor that serves the API, its socket and its limits.

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
use tracing::error;

use crate::http::access::{AccessPolicy, authorize};
use crate::http::routes::add_routes;
use crate::http::state::AppState;

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
    /// Begins to serve on sockets that are bound already.
    ///
    /// # Errors
    /// When the server cannot take over a socket.
    pub fn serve(
        listeners: Vec<TcpListener>,
        state: AppState,
        policy: AccessPolicy,
        stopping: watch::Sender<bool>,
    ) -> anyhow::Result<Self> {
        let server = serve(listeners, state, policy)?;
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

/// Serves the API on these sockets. The server is a future to be spawned.
fn serve(listeners: Vec<TcpListener>, state: AppState, policy: AccessPolicy) -> anyhow::Result<Server> {
    let (state, policy) = (Data::new(state), Data::new(policy));
    let app = move || {
        App::new().app_data(state.clone()).app_data(policy.clone()).configure(add_routes).wrap(from_fn(authorize))
    };
    let mut server = HttpServer::new(app)
        .workers(available_parallelism().map_or(1, NonZero::get).min(MOST_WORKERS))
        .max_connections(MOST_CONNECTIONS)
        .client_request_timeout(REQUEST_LIMIT)
        .keep_alive(IDLE_LIMIT)
        // Off, every answer in pieces would wait for the peer's delayed acknowledgement.
        .tcp_nodelay(true)
        .disable_signals();
    for listener in listeners {
        server = server.listen(listener).context("cannot serve the listen socket")?;
    }
    Ok(server.run())
}
