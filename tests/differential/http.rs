//! HTTP by hand: every byte of an answer, part by part.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use flate2::read::GzDecoder;

use crate::compare::PACKED;
use crate::observation::{Form, Observation};

/// What stands for the length of a packed body, which follows from the times in it.
pub(crate) const PACKED_LENGTH: &str = "that of the packed body";

/// How long an answer may take that ends with the connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends bytes as they are; what comes until the server closes, or is silent for this long.
/// Returns whether it closed.
pub(crate) fn exchange(address: SocketAddr, bytes: &[u8], silence: Duration) -> (Vec<u8>, bool) {
    let mut reply = Vec::new();
    let Ok(mut stream) = TcpStream::connect(address) else { return (reply, true) };
    stream.set_read_timeout(Some(silence)).ok();
    stream.set_write_timeout(Some(PATIENCE)).ok();
    // A server that refuses early closes before it has read all: its answer counts.
    stream.write_all(bytes).ok();
    let mut piece = [0; 64 * 1024];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return (reply, true),
            Ok(len) => reply.extend(&piece[..len]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return (reply, error.kind() == ErrorKind::ConnectionReset),
        }
    }
}

/// Sends a request and observes the answer, and those to the request in other forms.
pub(crate) fn ask(address: SocketAddr, request: &Request) -> Observation {
    let (reply, closed) = exchange(address, &request.bytes(address), PATIENCE);
    let Some((form, other)) = request.in_another_form() else { return observe(&reply, closed) };
    let seen = match form {
        Form::Get => {
            let (whole, _) = exchange(address, &other.bytes(address), PATIENCE);
            observe_head(&reply, closed, &whole)
        }
        Form::Encoded | Form::Compact => observe(&reply, closed),
    };
    seen.with_form(form, ask(address, &other))
}

/// The body of a simple GET, as text.
pub(crate) fn get(address: SocketAddr, path: &str) -> String {
    ask(address, &Request::get(path)).part("body").unwrap_or_default().to_owned()
}

/// A request that is well-formed.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: &str, path: &str, body: impl AsRef<[u8]>) -> Self {
        let (method, path) = (method.to_owned(), path.to_owned());
        Self { method, path, headers: Vec::new(), body: body.as_ref().to_vec() }
    }

    pub(crate) fn get(path: &str) -> Self {
        Self::new("GET", path, "")
    }

    #[must_use]
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What to call it in the report.
    pub(crate) fn name(&self) -> String {
        let mut name = format!("{} {}", self.method, self.path);
        for (header, value) in &self.headers {
            name.push_str(&format!(" {header}: {value}"));
        }
        if !self.body.is_empty() {
            let shown: String = String::from_utf8_lossy(&self.body).chars().take(60).collect();
            name.push_str(&format!(" {shown:?} ({} bytes)", self.body.len()));
        }
        name
    }

    /// The same request in another form, where there is one.
    fn in_another_form(&self) -> Option<(Form, Self)> {
        let like = |path: String| Self { path, ..self.clone() };
        if self.method == "HEAD" {
            return Some((Form::Get, Self { method: "GET".into(), ..self.clone() }));
        }
        let encoded = encoded(&self.path);
        if encoded != self.path {
            return Some((Form::Encoded, like(encoded)));
        }
        let (path, query) = self.path.split_once('?').filter(|_| self.method == "GET")?;
        let is_layout = |field: &&str| field.split('=').next() == Some("pretty");
        let rest: Vec<_> = query.split('&').filter(|field| !is_layout(field)).collect();
        let compact = like(format!("{path}?{}", rest.join("&")));
        query.split('&').any(|field| is_layout(&field)).then_some((Form::Compact, compact))
    }

    /// `Host`, `Connection` and, with a body, `Content-Length` are added unless given. The host is
    /// the address without its port, so that both daemons get the same.
    fn bytes(&self, address: SocketAddr) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        let given = |name: &str| self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        if !given("Host") {
            head.push_str(&format!("Host: {}\r\n", address.ip()));
        }
        if !given("Connection") {
            head.push_str("Connection: close\r\n");
        }
        let wants_length =
            !self.body.is_empty() || matches!(self.method.as_str(), "POST" | "DELETE");
        if wants_length && !given("Content-Length") && !given("Transfer-Encoding") {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        [head.as_bytes(), b"\r\n", &self.body].concat()
    }
}

/// A target whose raw characters are encoded; spaces end it, and are left.
fn encoded(path: &str) -> String {
    let is_raw = |byte: &u8| !byte.is_ascii() || b"\"<>\\^`{|}".contains(byte);
    let encode = |byte: u8| {
        if is_raw(&byte) { format!("%{byte:02X}") } else { char::from(byte).to_string() }
    };
    path.bytes().map(encode).collect()
}

/// The answer to HEAD, of which `whole` is the answer to GET: the length of a packed body is that
/// of the other one.
fn observe_head(reply: &[u8], closed: bool, whole: &[u8]) -> Observation {
    let length = |reply: &[u8]| {
        let text = String::from_utf8_lossy(reply);
        let line = text.lines().find(|line| line.starts_with("content-length: "))?;
        line.split(' ').nth(1).map(str::to_owned)
    };
    let mut seen = Observation::default();
    observe_one(reply, "", &mut seen);
    let packed = seen.part("header content-encoding") == Some("gzip");
    if packed && length(reply).is_some() && length(reply) == length(whole) {
        seen.set("header content-length", PACKED_LENGTH);
    }
    seen.remove_body();
    seen.with("connection", if closed { "closed" } else { "left open" })
}

/// The parts of what came over a connection: of one answer, or of several.
pub(crate) fn observe(reply: &[u8], closed: bool) -> Observation {
    let mut seen = Observation::default();
    let mut rest = reply;
    let mut number = 1;
    while !rest.is_empty() {
        let suffix = if number == 1 { String::new() } else { format!(" {number}") };
        rest = observe_one(rest, &suffix, &mut seen);
        number += 1;
    }
    seen.with("connection", if closed { "closed" } else { "left open" })
}

/// Reads one answer and returns what follows it.
fn observe_one<'a>(reply: &'a [u8], suffix: &str, seen: &mut Observation) -> &'a [u8] {
    let end = reply.windows(4).position(|window| window == b"\r\n\r\n");
    let Some((head, rest)) = end.map(|end| (&reply[..end], &reply[end + 4..])) else {
        seen.add(format!("no HTTP{suffix}"), reply);
        return &[];
    };
    let head = String::from_utf8_lossy(head);
    let (status_line, headers) = head.split_once("\r\n").unwrap_or((&head, ""));
    let headers: Vec<_> = headers.split("\r\n").filter_map(|line| line.split_once(": ")).collect();
    seen.add(format!("status line{suffix}"), status_line);
    // Sorted: the order means nothing, and actix draws another one for each run.
    let mut names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    seen.add(format!("headers{suffix}"), names.join(" "));
    let value = |wanted: &str| {
        headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| *value)
    };
    let status = status_line.split(' ').nth(1).unwrap_or_default();
    let bodiless = status.starts_with('1') || matches!(status, "204" | "304");
    let length = if bodiless { Some("0") } else { value("content-length") };
    let (body, rest) = split_body(rest, value("transfer-encoding"), length);
    let packed = value("content-encoding") == Some("gzip");
    for (place, (name, value)) in headers.iter().enumerate() {
        let name = name.to_ascii_lowercase();
        let repeated =
            headers[..place].iter().filter(|(n, _)| n.eq_ignore_ascii_case(&name)).count();
        let again = if repeated > 0 { format!(" again {repeated}") } else { String::new() };
        let fits = packed && name == "content-length" && *value == body.len().to_string();
        let value = if fits { PACKED_LENGTH } else { value };
        seen.add(format!("header {name}{again}{suffix}"), value);
    }
    if packed {
        let mut unpacked = Vec::new();
        let fine = GzDecoder::new(&body[..]).read_to_end(&mut unpacked).is_ok();
        seen.add(format!("unpacking{suffix}"), if fine { "works" } else { "fails" });
        seen.add(format!("body{suffix}"), unpacked);
        seen.add(PACKED, body);
    } else {
        seen.add(format!("body{suffix}"), body);
    }
    rest
}

/// The body, and what comes after it.
fn split_body<'a>(
    rest: &'a [u8],
    coding: Option<&str>,
    length: Option<&str>,
) -> (Vec<u8>, &'a [u8]) {
    if coding == Some("chunked") {
        return unchunk(rest);
    }
    let len = length.and_then(|length| length.parse().ok()).unwrap_or(rest.len());
    let (body, rest) = rest.split_at(rest.len().min(len));
    (body.to_vec(), rest)
}

fn unchunk(mut rest: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n");
        let size = end.and_then(|end| std::str::from_utf8(&rest[..end]).ok());
        let size = size.and_then(|size| usize::from_str_radix(size, 16).ok());
        let (Some(end), Some(size)) = (end, size) else { return (body, rest) };
        let Some(chunk) = rest.get(end + 2..end + 2 + size) else { return (body, rest) };
        body.extend(chunk);
        rest = rest.get(end + 4 + size..).unwrap_or_default();
        if size == 0 {
            return (body, rest);
        }
    }
}
