//! Transport: a client's socket in its pool, with or without TLS around it.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_rt::net::TcpStream;
use rustix::net::sockopt::set_tcp_user_timeout;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::http::connection::pool::{ConnectionPool, Membership};

/// How long a client may take nothing of what is sent to it. Then it is cut, and what was made for
/// it freed.
const WRITE_LIMIT: Duration = Duration::from_secs(30);

/// First byte of a connection with TLS.
const HANDSHAKE: u8 = 0x16;

/// The answer to a client that sends anything else to a port with TLS.
const WITHOUT_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 32\r\n\
    content-type: text/plain; charset=utf-8\r\nconnection: close\r\n\r\n\
    this port speaks TLS: use https\n";

/// The socket of a connection in a pool. While the pool closes the connection it reads the end.
#[derive(Debug)]
pub(super) struct PooledSocket {
    socket: TcpStream,
    membership: Membership,
}

/// What carries the bytes of a connection.
#[derive(Debug)]
pub(super) enum Transport {
    Plain(PooledSocket),
    Tls(Box<TlsStream<PooledSocket>>),
}

impl PooledSocket {
    /// A socket that was just accepted, and joins a pool.
    pub(super) fn new(socket: TcpStream, pool: &Rc<ConnectionPool>) -> Self {
        // Off, each answer in pieces would wait for the peer's delayed acknowledgement.
        socket.set_nodelay(true).ok();
        // The kernel counts also while the client's window is closed. Where it refuses, a client
        // that does not read stays.
        set_tcp_user_timeout(&socket, u32::try_from(WRITE_LIMIT.as_millis()).unwrap_or(u32::MAX))
            .ok();
        Self { socket, membership: pool.join() }
    }

    /// The first byte of what the client sends, which stays to be read; `None` at the end.
    async fn first_byte(&mut self) -> io::Result<Option<u8>> {
        let mut byte = [0];
        let mut buffer = ReadBuf::new(&mut byte);
        let peeked = poll_fn(|context| {
            if self.membership.is_closing() {
                return Poll::Ready(Ok(0));
            }
            let peeked = self.socket.poll_peek(context, &mut buffer);
            if peeked.is_pending() {
                self.membership.wake_to_close(context);
            }
            peeked
        });
        Ok((peeked.await? > 0).then_some(byte[0]))
    }

    /// Tells a client that does not speak TLS what this port speaks. What it sends is read first:
    /// a socket that is closed with bytes unread takes the answer back.
    async fn refuse(mut self) -> io::Result<()> {
        let mut request = [0; 8192];
        if self.read(&mut request).await? == 0 {
            return Ok(());
        }
        self.write_all(WITHOUT_TLS).await?;
        self.shutdown().await?;
        while self.read(&mut request).await? > 0 {}
        Ok(())
    }
}

impl Transport {
    /// Begins TLS on a socket.
    ///
    /// # Errors
    /// When the client does not speak TLS, or none that is accepted.
    pub(super) async fn with_tls(
        mut socket: PooledSocket,
        config: Arc<ServerConfig>,
    ) -> io::Result<Self> {
        match socket.first_byte().await? {
            Some(HANDSHAKE) => {
                let stream = TlsAcceptor::from(config).accept(socket).await?;
                Ok(Self::Tls(Box::new(stream)))
            }
            Some(_) => {
                socket.refuse().await?;
                Err(io::ErrorKind::InvalidData.into())
            }
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// The place of the connection in its pool.
    pub(super) fn membership(&self) -> &Membership {
        match self {
            Self::Plain(socket) => &socket.membership,
            Self::Tls(stream) => &stream.get_ref().0.membership,
        }
    }
}

impl AsyncRead for PooledSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.membership.is_closing() {
            return Poll::Ready(Ok(()));
        }
        if Pin::new(&mut self.socket).poll_read(context, buffer)?.is_pending() {
            self.membership.wake_to_close(context);
            return Poll::Pending;
        }
        self.membership.touch();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for PooledSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.socket).poll_write(context, bytes))?;
        self.membership.touch();
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
