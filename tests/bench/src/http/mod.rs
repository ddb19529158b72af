//! HTTP as a client speaks it: one request at a time on a connection that is kept.

pub mod connection;
pub mod load;

pub use connection::{Answer, Connection};
pub use load::Speed;

/// A `GET`, as bytes.
pub fn get(path: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    request("GET", path, headers, "")
}

/// A request, as bytes.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let headers: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length =
        if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{length}{headers}\r\n{body}")
        .into_bytes()
}
