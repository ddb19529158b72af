//! A connection and the answers that come through it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use memchr::memmem;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::load::Target;

/// What is read at once, as large as fits into a processor's cache beside the others.
const BUFFER: usize = 64 << 10;

/// Length of the beginning of an answer up to its status, in bytes.
const STATUS_LINE: usize = "HTTP/1.1 200".len();

/// What a connection runs over.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send + fmt::Debug {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + fmt::Debug> Stream for S {}

/// A connection that is kept between requests.
#[derive(Debug)]
pub struct Connection {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers, less those that say how long the body is and when it was sent.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

/// What must be known of an answer to find its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// The status.
    pub status: u16,
    /// Length of the head in bytes.
    pub head: usize,
    /// Length of the body in bytes.
    pub body: usize,
}

impl Shape {
    /// Length of the whole answer in bytes.
    pub fn bytes(self) -> usize {
        self.head + self.body
    }

    /// Whether it is the same but for a per cent of its length: packed, times do not take the same
    /// room each second.
    pub(super) fn is_like(self, other: Self) -> bool {
        self.status == other.status && self.bytes().abs_diff(other.bytes()) <= other.bytes() / 100
    }
}

/// A piece of an answer.
#[derive(Debug, Clone, Copy)]
pub enum Piece<'a> {
    /// The whole head.
    Head(&'a [u8]),
    /// Some of the body.
    Body(&'a [u8]),
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        Self::open_to(&address.into()).await
    }

    /// Connects, with TLS where the target wants it.
    ///
    /// # Errors
    /// When nobody listens, or the server is not the one it should be.
    pub async fn open_to(Target { address, tls }: &Target) -> Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match tls {
            None => Box::new(stream),
            Some(config) => {
                let name = ServerName::try_from("localhost")?;
                let connector = TlsConnector::from(Arc::clone(config));
                Box::new(connector.connect(name, stream).await?)
            }
        };
        Ok(Self { stream, buffer: vec![0; BUFFER] })
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// When the connection breaks or the answer is none.
    pub async fn ask(&mut self, request: &[u8]) -> Result<Answer> {
        self.send(request).await?;
        self.answer().await
    }

    /// Sends a request.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn send(&mut self, request: &[u8]) -> Result<()> {
        self.stream.write_all(request).await.context("the connection broke")?;
        self.stream.flush().await.context("the connection broke")
    }

    /// Reads an answer and keeps all of it.
    ///
    /// # Errors
    /// When the connection breaks or the answer is none.
    pub async fn answer(&mut self) -> Result<Answer> {
        let (mut head, mut body) = (String::new(), Vec::new());
        let shape = self
            .receive(|piece| match piece {
                Piece::Head(bytes) => head = String::from_utf8_lossy(bytes).into_owned(),
                Piece::Body(bytes) => body.extend(bytes),
            })
            .await?;
        Ok(Answer { status: shape.status, headers: headers(&head), body: body.into() })
    }

    /// Reads an answer and shows its pieces as they come.
    ///
    /// # Errors
    /// When the connection breaks or the answer is none.
    pub async fn receive(&mut self, mut see: impl FnMut(Piece<'_>)) -> Result<Shape> {
        let (shape, filled) = self.head().await?;
        see(Piece::Head(&self.buffer[..shape.head]));
        see(Piece::Body(&self.buffer[shape.head..filled]));
        let mut missing = shape.bytes().checked_sub(filled).context("more came than the answer")?;
        while missing > 0 {
            let most = missing.min(BUFFER);
            let length = self.read(0, most).await?;
            see(Piece::Body(&self.buffer[..length]));
            missing -= length;
        }
        Ok(shape)
    }

    /// Sends a request after whose answer the server hangs up, and reads until it does, however the
    /// answer is sent. Returns the status.
    ///
    /// # Errors
    /// When the connection breaks or the answer is none.
    pub async fn ask_last(mut self, request: &[u8]) -> Result<u16> {
        self.send(request).await?;
        let mut start = Vec::new();
        loop {
            let read = self.stream.read(&mut self.buffer).await.context("the connection broke")?;
            if read == 0 {
                return status(&start);
            }
            let missing = STATUS_LINE.saturating_sub(start.len()).min(read);
            start.extend_from_slice(&self.buffer[..missing]);
        }
    }

    /// Reads until the head is there; tells how much of the buffer is filled then.
    async fn head(&mut self) -> Result<(Shape, usize)> {
        let mut filled = 0;
        loop {
            filled += self.read(filled, BUFFER).await?;
            if let Some(end) = memmem::find(&self.buffer[..filled], b"\r\n\r\n") {
                return Ok((shape(&self.buffer[..end + 4])?, filled));
            }
        }
    }

    async fn read(&mut self, from: usize, to: usize) -> Result<usize> {
        ensure!(from < to, "the head of the answer is too long");
        let length =
            self.stream.read(&mut self.buffer[from..to]).await.context("the connection broke")?;
        ensure!(length > 0, "the server hung up");
        Ok(length)
    }
}

fn shape(head: &[u8]) -> Result<Shape> {
    let status = status(head)?;
    let body = if status == 304 {
        0
    } else {
        content_length(head).context("the answer has no Content-Length")?
    };
    Ok(Shape { status, head: head.len(), body })
}

fn status(head: &[u8]) -> Result<u16> {
    let digits = head.get(9..STATUS_LINE).and_then(|digits| std::str::from_utf8(digits).ok());
    digits.and_then(|digits| digits.parse().ok()).context("the answer has no status")
}

fn content_length(head: &[u8]) -> Option<usize> {
    let name = b"content-length:";
    let lines = head.split(|byte| *byte == b'\n');
    let mut values = lines.filter(|line| {
        line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
    });
    std::str::from_utf8(values.next()?.get(name.len()..)?).ok()?.trim().parse().ok()
}

fn headers(head: &str) -> Vec<(String, String)> {
    let fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let fields = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
    let mut headers: Vec<_> =
        fields.filter(|(name, _)| !matches!(name.as_str(), "content-length" | "date")).collect();
    headers.sort();
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_of_an_answer_is_in_its_head() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nDate: x\r\n\r\n";
        assert_eq!(shape(head).unwrap(), Shape { status: 200, head: head.len(), body: 12 });
        let head = b"HTTP/1.1 304 Not Modified\r\netag: W/\"1\"\r\n\r\n";
        assert_eq!(shape(head).unwrap(), Shape { status: 304, head: head.len(), body: 0 });
    }

    #[test]
    fn answers_are_alike_that_differ_by_less_than_a_per_cent() {
        let shape = |status, body| Shape { status, head: 100, body };
        assert!(shape(200, 900).is_like(shape(200, 910)));
        assert!(
            !shape(200, 900).is_like(shape(200, 950)) && !shape(200, 900).is_like(shape(404, 900))
        );
    }

    #[test]
    fn an_answer_without_an_end_is_refused() {
        assert!(shape(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
        assert!(shape(b"garbage\r\n\r\n").is_err());
    }

    #[test]
    fn headers_are_in_order_and_without_length_and_date() {
        let head =
            "HTTP/1.1 200 OK\r\nVary: a\r\ncontent-length: 1\r\nDate: x\r\nETag: \"1:2\"\r\n\r\n";
        let expected = [("etag", "\"1:2\""), ("vary", "a")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(headers(head), expected);
    }
}
