//! The HTTP server: an actor that serves the API, its socket and its limits.

use std::io;
use std::net::TcpListener;
use std::num::NonZero;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use actix::prelude::*;
use actix_http::HttpService;
use actix_http::error::DispatchError;
use actix_rt::net::TcpStream;
use actix_server::{Server, ServerHandle};
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::App;
use actix_web::dev::AppConfig;
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use anyhow::Context as _;
use rustix::process::{Resource, getrlimit};
use rustls::ServerConfig;
use rustls::crypto::ring;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::error;

use crate::config::TlsIdentity;
use crate::http::access::{AccessPolicy, authorize};
use crate::http::connection::client_stream::{ClientStream, HEAD_LIMIT};
use crate::http::connection::pool::{ConnectionLimits, ConnectionPool};
use crate::http::routes::add_routes;
use crate::http::state::AppState;

/// Most worker threads. Answers come from memory: more would cost memory and win nothing.
const MAX_WORKERS: usize = 4;

/// How long an idle connection is kept.
const IDLE_LIMIT: Duration = Duration::from_secs(75);

/// How long a client may take over closing a connection.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// How long requests that are being served may go on when the daemon stops.
const STOP_GRACE: Duration = Duration::from_millis(600);

/// From what length on what is written is sent before more is written, in bytes. A reader of events
/// keeps what its buffer was filled with for as long as it reads.
const WRITE_BUFFER_LEN: usize = 1 << 10;

/// Take no more requests and finish those that are being served. *Asked by App* at the end.
/// Replies when that is done.
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
        tls: Option<TlsIdentity>,
        stopping: watch::Sender<bool>,
    ) -> anyhow::Result<Self> {
        let tls = tls.map(server_config).transpose()?;
        let server = serve(listeners, state, policy, tls)?;
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
        Box::pin(async { drop(timeout(STOP_GRACE, stopped).await) })
    }
}

/// The configuration of TLS, of at least version 1.2.
fn server_config(identity: TlsIdentity) -> anyhow::Result<Arc<ServerConfig>> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(identity));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Serves the API on these sockets. The server is a future to be spawned.
fn serve(
    listeners: Vec<TcpListener>,
    state: AppState,
    policy: AccessPolicy,
    tls: Option<Arc<ServerConfig>>,
) -> anyhow::Result<Server> {
    let workers = available_parallelism().map_or(1, NonZero::get).min(MAX_WORKERS);
    let limits = ConnectionLimits::new(getrlimit(Resource::Nofile).current, workers as u64);
    let mut server =
        Server::build().workers(workers).max_concurrent_connections(limits.hard).disable_signals();
    // Other clients must get in however many read events.
    let most_streams = limits.soft * workers / 2;
    let state = AppState { streams: state.streams.clone().at_most(most_streams), ..state };
    let (state, policy, stopping) =
        (Data::new(state), Data::new(policy), server.graceful_shutdown_signal());
    let service = move || {
        let app = App::new()
            .app_data(state.clone())
            .app_data(policy.clone())
            .configure(add_routes)
            .wrap(from_fn(authorize))
            .into_factory()
            .map_err(|error| error.error_response());
        let stopping = stopping.clone();
        let http = HttpService::build()
            .client_request_timeout(HEAD_LIMIT)
            .client_disconnect_timeout(CLOSE_LIMIT)
            .keep_alive(IDLE_LIMIT)
            .h1_write_buffer_size(WRITE_BUFFER_LEN)
            .on_connect_ext(|stream: &ClientStream, data| drop(data.insert(stream.gone())))
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .h1(map_config(app, |()| AppConfig::default()));
        let (pool, tls) = (ConnectionPool::of_this_thread(limits.soft), tls.clone());
        let accept = fn_service(move |socket: TcpStream| {
            let (pool, tls, peer) = (Rc::clone(&pool), tls.clone(), socket.peer_addr().ok());
            async move {
                let stream = ClientStream::accept(socket, &pool, tls);
                let stream = timeout(HEAD_LIMIT, stream).await.map_err(io::Error::from);
                Ok::<_, DispatchError>((stream.flatten().map_err(DispatchError::Io)?, peer))
            }
        });
        accept.and_then(http)
    };
    for listener in listeners {
        server = server
            .listen("api", listener, service.clone())
            .context("cannot serve the listen socket")?;
    }
    Ok(server.run())
}
