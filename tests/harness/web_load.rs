//! Web servers behind a load balancer, and clients that ask it as fast as they are answered.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::http;

/// Requests that are under way at the same time.
const CLIENTS: usize = 2;

const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";

/// A web server that answers every request, until this value is dropped.
#[derive(Debug)]
pub struct WebServer {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl WebServer {
    /// Starts one on this address; port 0 stands for a free one.
    ///
    /// # Panics
    /// If the address cannot be had.
    pub async fn start(address: impl Into<SocketAddr>) -> Self {
        let listener = TcpListener::bind(address.into()).await.expect("a free address");
        let address = listener.local_addr().expect("an address");
        let accepting = actix_rt::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                actix_rt::spawn(async move {
                    let asked = client.read(&mut [0; 4096]).await.unwrap_or_default();
                    if asked > 0 {
                        client.write_all(ANSWER.as_bytes()).await.ok();
                    }
                });
            }
        });
        Self { address, accepting }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// What came of the requests so far.
#[derive(Debug, Clone, Default)]
pub struct WebLoad {
    answered: Rc<Cell<usize>>,
    failed: Rc<Cell<usize>>,
    fault: Rc<RefCell<String>>,
}

impl WebLoad {
    /// Asks from now on.
    pub fn on(address: SocketAddr) -> Self {
        let load = Self::default();
        for _ in 0..CLIENTS {
            let load = load.clone();
            actix_rt::spawn(async move {
                loop {
                    let count = match http::try_send(address, "GET", "/", &[], "").await {
                        Ok(answer) if answer.status == 200 => &load.answered,
                        Ok(answer) => load.saw(answer.text()),
                        Err(fault) => load.saw(fault),
                    };
                    count.set(count.get() + 1);
                }
            });
        }
        load
    }

    /// How many were answered.
    pub fn answered(&self) -> usize {
        self.answered.get()
    }

    /// Sees to it that so many were answered, and that none failed.
    ///
    /// # Panics
    /// If one failed, with how the last one did.
    #[track_caller]
    pub fn none_failed(&self, least: usize) {
        let (answered, failed) = (self.answered.get(), self.failed.get());
        let fault = self.fault.borrow();
        assert!(answered > least && failed == 0, "{failed} of {answered} failed: {fault}");
    }

    fn saw(&self, fault: String) -> &Rc<Cell<usize>> {
        self.fault.replace(fault);
        &self.failed
    }
}
