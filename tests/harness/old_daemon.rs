//! A daemon of before labels that end: what it is asked, and what it answers to that.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Its own server, with a label.
const OWN: &str = r#"{"hostname":"old","labels":["drain"],"last_check":0}"#;

/// A daemon that takes labels and does not list them.
#[derive(Debug)]
pub struct OldDaemon {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl OldDaemon {
    /// Starts it. `refusal` is the status of a question that it does not know.
    ///
    /// # Panics
    /// If no port is free.
    pub async fn start(refusal: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let log = Arc::clone(&requests);
        actix_rt::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Who goes away before its answer misses it.
                answer(stream, refusal, &log).await.ok();
            }
        });
        Self { address, requests }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The requests that change something so far: method, path and body.
    pub fn changes(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.iter().filter(|request| !request.starts_with("GET ")).cloned().collect()
    }
}

async fn answer(
    mut stream: TcpStream,
    refusal: u16,
    log: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let request = read(&mut stream).await?;
    let (line, body) = (request.lines().next(), request.split("\r\n\r\n").nth(1));
    let words: Vec<_> = line.unwrap_or_default().split(' ').collect();
    let (method, path) = (words[0], *words.get(1).unwrap_or(&""));
    let (status, text) = match (method, path) {
        ("GET", "/v1/discovery") => (200, OWN),
        ("POST" | "DELETE", _) => (200, "OK"),
        _ => (refusal, "not known"),
    };
    let body = body.unwrap_or_default();
    log.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{method} {path} {body}"));
    let length = text.len();
    let head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}");
    stream.write_all(format!("{head}\r\n\r\n{text}").as_bytes()).await
}

/// Reads the head of a request, and as much of a body as it names.
async fn read(stream: &mut TcpStream) -> std::io::Result<String> {
    let (mut request, mut portion) = (String::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut portion).await?;
        request += &String::from_utf8_lossy(&portion[..read]);
        if let Some((head, body)) = request.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length = length.and_then(|length| length.parse().ok()).unwrap_or(0);
            if body.len() >= length {
                return Ok(request);
            }
        }
        if read == 0 {
            return Ok(request);
        }
    }
}
