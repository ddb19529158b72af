//! HTTP by hand, so that tests see and say exactly what is on the connection.

use std::io;
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::eventually::LIMIT;

/// What a server answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    headers: Vec<(String, String)>,
    /// Body, as sent.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in answer {}: {}", self.status, self.text()))
    }

    /// The answer to a HEAD request has no body, whatever its head says.
    fn parse(method: &str, bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).ok()?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(n, v)| (n.into(), v.into()))
            .collect();
        let mut answer = Self { status, headers, body: bytes[end + 4..].to_vec() };
        if method != "HEAD" && answer.header("transfer-encoding") == Some("chunked") {
            answer.body = unchunk(&answer.body)?;
        }
        Some(answer)
    }
}

/// Sends one request and waits for the whole answer. `Host` and `Content-Length` are added unless
/// given.
///
/// # Panics
/// If no complete answer comes.
pub async fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl AsRef<[u8]>,
) -> Answer {
    try_send(address, method, path, headers, body).await.unwrap_or_else(|fault| panic!("{fault}"))
}

/// As [`send`], to a server that may be gone.
///
/// # Errors
/// Why no complete answer came.
pub async fn try_send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl AsRef<[u8]>,
) -> Result<Answer, String> {
    let body = body.as_ref();
    let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    let (host, length) = (address.to_string(), body.len().to_string());
    let given = |name: &str| headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
    let added = [("Host", host.as_str()), ("Content-Length", length.as_str())];
    let added = added.iter().filter(|(name, _)| !given(name) && !given("Transfer-Encoding"));
    for (name, value) in headers.iter().chain(added) {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    let bytes = [request.as_bytes(), b"\r\n", body].concat();
    let reply = exchange(address, &bytes).await;
    let reply =
        reply.map_err(|error| format!("{method} {path}: cannot connect to {address}: {error}"))?;
    let no_answer =
        || format!("{method} {path}: no HTTP answer: {:?}", String::from_utf8_lossy(&reply));
    Answer::parse(method, &reply).ok_or_else(no_answer)
}

/// Asks for something whose answer may go on for ever. Returns the status, and the connection on
/// which the rest of the answer comes.
///
/// # Panics
/// If no answer begins.
pub async fn begin(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> (u16, TcpStream) {
    let mut stream = connect(address).await;
    let given = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("Host"));
    let host = if given { String::new() } else { format!("Host: {address}\r\n") };
    let headers: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!("{method} {path} HTTP/1.1\r\n{host}Content-Length: 0\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.expect("a request can be sent");
    let mut head = [0; "HTTP/1.1 200".len()];
    let read = tokio::time::timeout(LIMIT, stream.read_exact(&mut head)).await;
    read.expect("an answer in time").expect("an answer");
    let status = std::str::from_utf8(&head[9..]).ok().and_then(|status| status.parse().ok());
    (status.expect("a status"), stream)
}

/// Sends bytes as they are and reads until the server closes; what came by then also if the server
/// cut the connection.
///
/// # Errors
/// Nobody listens.
///
/// # Panics
/// If the server neither answers nor closes.
pub async fn exchange(address: SocketAddr, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    // A server that refuses early closes before it has read all: its answer counts, not the failed
    // write.
    stream.write_all(bytes).await.ok();
    Ok(rest(&mut stream).await)
}

/// Opens a connection.
///
/// # Panics
/// If nobody listens.
pub async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address)
        .await
        .unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"))
}

/// All that is still to come on a connection.
///
/// # Panics
/// If the server does not close it.
pub async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut reply = Vec::new();
    let end = tokio::time::timeout(LIMIT, stream.read_to_end(&mut reply)).await;
    assert!(
        end.is_ok(),
        "the server does not close; so far: {:?}",
        String::from_utf8_lossy(&reply)
    );
    reply
}

fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?, 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend(rest.get(end + 2..end + 2 + size)?);
        rest = rest.get(end + 4 + size..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_headers_and_body_are_told_apart() {
        let answer = Answer::parse(
            "GET",
            b"HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\n\r\nno\r\n\r\n",
        )
        .unwrap();
        assert_eq!(
            (answer.status, answer.header("allow"), answer.text().as_str()),
            (405, Some("GET"), "no\r\n\r\n")
        );
    }

    #[test]
    fn chunks_are_put_together() {
        let reply =
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
        assert_eq!(Answer::parse("GET", reply).unwrap().text(), "abcd");
    }

    #[test]
    fn half_an_answer_is_none() {
        assert!(Answer::parse("GET", b"HTTP/1.1 200 OK\r\n").is_none());
        assert!(
            Answer::parse("GET", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nab")
                .is_none()
        );
    }
}
