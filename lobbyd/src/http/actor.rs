//! Serves the HTTP API.

use std::net::TcpListener;
use std::time::Duration;

use actix::prelude::*;
use actix_web::dev::ServerHandle;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::error;

use crate::http::{self, AccessPolicy, AppState};

/// How long requests that are being served may go on when the daemon stops.
const GRACE: Duration = Duration::from_millis(600);

/// Take no more requests and finish those that are being served. *Asked by main* at the end. Replies when that is done.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct StopServing;

/// Owns the HTTP server, whose handlers run on threads of their own.
pub struct HttpApi {
    server: ServerHandle,
    /// Tells requests that wait for something that they have waited long enough.
    stopping: watch::Sender<bool>,
}

impl HttpApi {
    /// Begins to serve on a socket that is bound already.
    ///
    /// # Errors
    /// When the server cannot take over the socket.
    pub fn serve(
        listener: TcpListener,
        service: AppState,
        admission: AccessPolicy,
        stopping: watch::Sender<bool>,
    ) -> anyhow::Result<Self> {
        let server = http::serve(listener, service, admission)?;
        let handle = server.handle();
        actix_rt::spawn(async {
            if let Err(error) = server.await {
                error!(%error, "the HTTP API ended");
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
