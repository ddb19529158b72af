//! A reader of events as the HTML standard describes one (9.2.6, "Interpreting an event stream"),
//! and one of lines of JSON.

use std::collections::VecDeque;
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::eventually::LIMIT;
use crate::http::connect;

/// An open feed.
#[derive(Debug)]
pub struct Feed {
    stream: BufReader<TcpStream>,
    head: String,
    /// Text that was received and is not a whole line yet.
    text: Vec<u8>,
    lines: VecDeque<String>,
    event: FeedEvent,
    data: String,
    last_id: Option<String>,
    json_lines: bool,
}

/// An event.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FeedEvent {
    /// Its name.
    pub name: String,
    /// The id that came with it.
    pub id: Option<String>,
    /// Its data; of a line of JSON the whole line.
    pub data: Value,
}

impl Feed {
    /// Opens a feed.
    ///
    /// # Panics
    /// If the answer is not 200.
    pub async fn open(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut stream = BufReader::new(connect(address).await);
        let headers: String =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.expect("a request can be sent");
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let read = timeout(LIMIT, stream.read_line(&mut head)).await.expect("an answer");
            assert!(read.is_ok_and(|read| read > 0), "the answer ends: {head}");
        }
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let json_lines = head.contains("application/x-ndjson");
        Self {
            stream,
            head,
            text: Vec::new(),
            lines: VecDeque::new(),
            event: FeedEvent::default(),
            data: String::new(),
            last_id: None,
            json_lines,
        }
    }

    /// The head of the answer.
    pub fn head(&self) -> &str {
        &self.head
    }

    /// The id of the last event that had one.
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// The next event; none at the end of the feed.
    ///
    /// # Panics
    /// If neither comes, or the feed is malformed.
    pub async fn next(&mut self) -> Option<FeedEvent> {
        timeout(LIMIT, self.read_event()).await.expect("an event or the end of the feed")
    }

    /// The next event but for those that tell how the daemon is.
    ///
    /// # Panics
    /// If the feed ends, or nothing comes.
    pub async fn next_change(&mut self) -> FeedEvent {
        loop {
            let event = self.next().await.expect("an event");
            if !matches!(event.name.as_str(), "status" | "comment") {
                return event;
            }
        }
    }

    async fn read_event(&mut self) -> Option<FeedEvent> {
        loop {
            let Some(line) = self.lines.pop_front() else {
                self.read_chunk().await?;
                continue;
            };
            let event =
                if self.json_lines { Some(json_line(&line)) } else { self.interpret(&line) };
            if let Some(event) = event {
                self.last_id = event.id.clone().or(self.last_id.take());
                return Some(event);
            }
        }
    }

    /// Takes in a line of an event stream. A blank one ends an event.
    fn interpret(&mut self, line: &str) -> Option<FeedEvent> {
        if line.is_empty() {
            let (event, data) = (std::mem::take(&mut self.event), std::mem::take(&mut self.data));
            let json = || serde_json::from_str(&data).unwrap_or_else(|e| panic!("{e}: {data}"));
            return (!data.is_empty()).then(|| FeedEvent { data: json(), ..event });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" | "retry" => {}
            "event" => self.event.name = value.to_owned(),
            "id" => self.event.id = Some(value.to_owned()),
            "data" => self.data += value,
            _ => panic!("a field that is none: {line:?}"),
        }
        None
    }

    /// Reads a chunk of the answer (RFC 9112, section 7.1) and parts it into lines.
    async fn read_chunk(&mut self) -> Option<()> {
        let mut size = String::new();
        self.stream.read_line(&mut size).await.ok().filter(|read| *read > 0)?;
        let size = usize::from_str_radix(size.trim_end(), 16).expect("the size of a chunk");
        let mut chunk = vec![0; size + 2];
        self.stream.read_exact(&mut chunk).await.ok().filter(|_| size > 0)?;
        self.text.extend(&chunk[..size]);
        while let Some(end) = self.text.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.text.drain(..=end).take(end).collect();
            self.lines.push_back(String::from_utf8(line).expect("UTF-8"));
        }
        Some(())
    }
}

fn json_line(line: &str) -> FeedEvent {
    let data: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    let text = |field: &str| data[field].as_str().map(str::to_owned);
    FeedEvent { name: text("event").expect("the name of an event"), id: text("id"), data }
}
