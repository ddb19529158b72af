//! Client stream: the connection of a client as the HTTP parser sees it.

use std::borrow::Cow;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_rt::net::TcpStream;
use bytes::{Buf, Bytes};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use tokio_util::sync::CancellationToken;

use crate::http::connection::pool::ConnectionPool;
use crate::http::connection::refusal;
use crate::http::connection::request_head::RequestHeads;
use crate::http::connection::transport::{PooledSocket, Transport};

/// How long a client may take over the head of a request, and over beginning TLS.
pub(in crate::http) const HEAD_LIMIT: Duration = Duration::from_secs(10);

/// The end of what a client sends: it has closed its connection, or must be parted from it. A
/// request that is answered at once is finished all the same, one that waits is not.
#[derive(Debug, Clone, Default)]
pub(in crate::http) struct ClientGone(CancellationToken);

impl ClientGone {
    /// Waits until the client has gone.
    pub(in crate::http) async fn wait(&self) {
        self.0.cancelled().await;
    }
}

/// The stream of a client's connection. Raw characters of request targets are escaped on the way
/// in, refusals of the parser get a text on the way out.
#[derive(Debug)]
pub(in crate::http) struct ClientStream {
    transport: Transport,
    heads: RequestHeads,
    /// Runs while a head is being read. The parser has a limit for the first one only.
    head_limit: Option<Pin<Box<Sleep>>>,
    /// What was read and is still to be given to the parser.
    escaped: Bytes,
    /// What is still to be written in the place of a refusal.
    refusal: Bytes,
    gone: ClientGone,
}

impl ClientStream {
    /// Where requests of this connection learn that their client has gone.
    pub(in crate::http) fn gone(&self) -> ClientGone {
        self.gone.clone()
    }

    /// The stream of a connection that was just accepted, and joins a pool; with TLS once the
    /// client has agreed on it.
    ///
    /// # Errors
    /// When it does not.
    pub(in crate::http) async fn accept(
        socket: TcpStream,
        pool: &Rc<ConnectionPool>,
        tls: Option<Arc<ServerConfig>>,
    ) -> io::Result<Self> {
        let socket = PooledSocket::new(socket, pool);
        let transport = match tls {
            // Boxed: connections without TLS would keep room for it as long as they last.
            Some(config) => Box::pin(Transport::with_tls(socket, config)).await?,
            None => Transport::Plain(socket),
        };
        let (escaped, refusal, gone) = (Bytes::new(), Bytes::new(), ClientGone::default());
        let heads = RequestHeads::default();
        Ok(Self { transport, heads, head_limit: None, escaped, refusal, gone })
    }

    /// Gives the parser as much of what was read as it has room for.
    fn hand_over(&mut self, buffer: &mut ReadBuf<'_>) {
        let len = self.escaped.len().min(buffer.remaining());
        buffer.put_slice(&self.escaped[..len]);
        self.escaped.advance(len);
    }

    /// Starts the time of a head that has begun, and stops that of one that is there.
    fn time_head(&mut self) {
        if self.heads.is_in_later_head() {
            self.head_limit.get_or_insert_with(|| Box::pin(sleep(HEAD_LIMIT)));
        } else {
            self.head_limit = None;
        }
    }

    /// Ready when a head is late; it is refused.
    fn poll_late_head(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(limit) = &mut self.head_limit else { return Poll::Pending };
        ready!(limit.as_mut().poll(context));
        self.head_limit = None;
        self.refusal = refusal::late().into();
        Poll::Ready(())
    }

    /// Writes what is to be written in the place of a refusal.
    fn poll_refusal(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.refusal.is_empty() {
            let written = ready!(Pin::new(&mut self.transport).poll_write(context, &self.refusal))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.refusal.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.escaped.is_empty() {
            self.hand_over(buffer);
            return Poll::Ready(Ok(()));
        }
        if self.transport.membership().is_closing() {
            // The end of what the client sends: its request is finished, and the connection closed.
            self.gone.0.cancel();
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let Poll::Ready(read) = Pin::new(&mut self.transport).poll_read(context, buffer) else {
            // A head that is late is the end of what the client sends.
            return self.poll_late_head(context).map(Ok);
        };
        if read.is_err() || buffer.filled().len() == before {
            self.gone.0.cancel();
        }
        read?;
        if let Cow::Owned(escaped) = self.heads.escape(&buffer.filled()[before..]) {
            buffer.set_filled(before);
            self.escaped = escaped.into();
            self.hand_over(buffer);
        }
        self.time_head();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_refusal(context))?;
        if let Some(refusal) = refusal::with_text(bytes, self.heads.fault()) {
            self.refusal = refusal.into();
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.transport).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_refusal(context))?;
        Pin::new(&mut self.transport).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_refusal(context))?;
        Pin::new(&mut self.transport).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    #[actix_web::test]
    async fn what_tls_needs_to_begin_is_not_kept_with_a_connection() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let pool = ConnectionPool::of_this_thread(1);
        // The room for it is part of the connection's task as long as the connection lasts.
        let room = size_of_val(&ClientStream::accept(socket, &pool, None));
        assert!(room < 1024, "{room} bytes");
    }
}
