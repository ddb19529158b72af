//! A TCP proxy that can be cut, jammed and closed.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::{Channel, LobbydBuilder, free_port};

/// Passes TCP connections on to a server on loopback; all of them end when this value is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    traffic: Arc<watch::Sender<Traffic>>,
    accepting: JoinHandle<()>,
}

/// What becomes of the bytes on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Traffic {
    /// They arrive.
    Flows,
    /// They never arrive: connections stay open, new ones are taken.
    Jammed,
    /// Connections end, new ones too.
    Closed,
    /// So many bytes more arrive, in both directions together; then all connections end, and
    /// traffic flows again.
    CutAfter(usize),
}

impl Proxy {
    /// A road to the server on this port.
    ///
    /// # Panics
    /// If no port is free.
    pub async fn to(target: u16) -> Self {
        let port = free_port();
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("the port is free");
        let traffic = Arc::new(watch::Sender::new(Traffic::Flows));
        let accepting = tokio::spawn(accept(listener, target, Arc::clone(&traffic)));
        Self { port, traffic, accepting }
    }

    /// Where clients connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Lets everything through from now on.
    pub fn open(&self) {
        self.traffic.send_replace(Traffic::Flows);
    }

    /// Swallows everything from now on, as a firewall does that drops; connections stay open.
    pub fn jam(&self) {
        self.traffic.send_replace(Traffic::Jammed);
    }

    /// Ends all connections, and new ones at once, until it is opened again.
    pub fn close(&self) {
        self.traffic.send_replace(Traffic::Closed);
    }

    /// Lets so many bytes more through, then ends all connections, and returns when that is done.
    /// New ones are let through.
    pub async fn cut_after(&self, bytes: usize) {
        self.traffic.send_replace(Traffic::CutAfter(bytes));
        let mut traffic = self.traffic.subscribe();
        // It cannot end before: the sender is ours.
        traffic.wait_for(|traffic| *traffic == Traffic::Flows).await.ok();
    }
}

impl LobbydBuilder {
    /// Adds the driver of this broker, reached through a proxy.
    ///
    /// # Panics
    /// If the channel is a directory.
    #[must_use]
    pub fn on_through(self, channel: &Channel, proxy: &Proxy) -> Self {
        match channel {
            Channel::Nats(_) => self.nats_at(&format!("nats://127.0.0.1:{}", proxy.port())),
            Channel::Redis(_) => self.redis_at(proxy.port()),
            Channel::Local(_) => panic!("there is no way to a directory"),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.close();
    }
}

async fn accept(listener: TcpListener, target: u16, traffic: Arc<watch::Sender<Traffic>>) {
    while let Ok((client, _)) = listener.accept().await {
        let traffic = Arc::clone(&traffic);
        tokio::spawn(async move {
            // A connection that fails ends; that is all that its two ends need to know.
            pass_on(client, target, &traffic).await.ok();
        });
    }
}

async fn pass_on(
    client: TcpStream,
    target: u16,
    traffic: &watch::Sender<Traffic>,
) -> io::Result<()> {
    let mut ended = traffic.subscribe();
    until_it_flows(traffic).await?;
    let server = TcpStream::connect(("127.0.0.1", target)).await?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    let ((from_client, to_client), (from_server, to_server)) =
        (client.into_split(), server.into_split());
    tokio::select! {
        there = carry(from_client, to_server, traffic) => there,
        back = carry(from_server, to_client, traffic) => back,
        () = end(&mut ended) => Ok(()),
    }
}

/// Waits until the traffic is such that connections end: it is closed, or it was cut.
async fn end(traffic: &mut watch::Receiver<Traffic>) {
    let mut before = *traffic.borrow_and_update();
    while traffic.changed().await.is_ok() {
        let after = *traffic.borrow_and_update();
        let was_cut = matches!(before, Traffic::CutAfter(_)) && after == Traffic::Flows;
        if was_cut || after == Traffic::Closed {
            return;
        }
        before = after;
    }
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    traffic: &watch::Sender<Traffic>,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let read = from.read(&mut buffer).await?;
        until_it_flows(traffic).await?;
        let allowed = admit(traffic, read);
        to.write_all(&buffer[..allowed]).await?;
        if read == 0 {
            return Ok(());
        }
        if allowed < read {
            traffic.send_replace(Traffic::Flows);
            return Ok(());
        }
    }
}

async fn until_it_flows(traffic: &watch::Sender<Traffic>) -> io::Result<()> {
    let mut traffic = traffic.subscribe();
    let state = traffic.wait_for(|traffic| *traffic != Traffic::Jammed).await;
    match state.as_deref() {
        Ok(Traffic::Flows | Traffic::CutAfter(_)) => Ok(()),
        _ => Err(io::ErrorKind::ConnectionReset.into()),
    }
}

/// How many of these bytes may pass.
fn admit(traffic: &watch::Sender<Traffic>, bytes: usize) -> usize {
    let mut allowed = bytes;
    traffic.send_if_modified(|traffic| {
        if let Traffic::CutAfter(left) = traffic {
            allowed = bytes.min(*left);
            *left -= allowed;
        }
        false
    });
    allowed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LIMIT;

    /// A server that says back what it hears, and a road to it.
    async fn echo() -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        Proxy::to(port).await
    }

    async fn connected(proxy: &Proxy) -> TcpStream {
        TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap()
    }

    async fn says_back(stream: &mut TcpStream) -> bool {
        let mut answer = [0; 4];
        stream.write_all(b"ping").await.is_ok()
            && stream.read_exact(&mut answer).await.is_ok()
            && answer == *b"ping"
    }

    #[actix_rt::test]
    async fn a_jam_holds_everything_up_and_ends_no_connection() {
        let proxy = echo().await;
        let mut stream = connected(&proxy).await;
        assert!(says_back(&mut stream).await);
        proxy.jam();
        let mut newcomer = connected(&proxy).await;
        newcomer.write_all(b"x").await.unwrap();
        stream.write_all(b"ping").await.unwrap();
        let mut answer = [0; 4];
        let jammed = tokio::time::timeout(
            std::time::Duration::from_millis(100),
            stream.read_exact(&mut answer),
        )
        .await;
        assert!(jammed.is_err());
        proxy.open();
        tokio::time::timeout(LIMIT, stream.read_exact(&mut answer)).await.unwrap().unwrap();
        assert_eq!(&answer, b"ping");
    }

    #[actix_rt::test]
    async fn a_closed_road_ends_connections_until_it_is_open_again() {
        let proxy = echo().await;
        let mut stream = connected(&proxy).await;
        assert!(says_back(&mut stream).await);
        proxy.close();
        assert!(!says_back(&mut stream).await);
        assert!(!says_back(&mut connected(&proxy).await).await);
        proxy.open();
        assert!(says_back(&mut connected(&proxy).await).await);
    }

    #[actix_rt::test]
    async fn a_cut_lets_so_many_bytes_through_and_no_more() {
        let proxy = echo().await;
        let mut stream = connected(&proxy).await;
        assert!(says_back(&mut stream).await);
        // Four bytes there, two of them back.
        let cut = tokio::join!(proxy.cut_after(6), async {
            stream.write_all(b"ping").await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.ok();
            answer
        });
        assert_eq!(cut.1, b"pi");
        assert!(says_back(&mut connected(&proxy).await).await);
    }
}
