//! Finds out what answers at an address where a client did not find its server.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Time for the answer. The failure that is to be explained has taken most of the time there was.
const LIMIT: Duration = Duration::from_millis(700);

/// A line that makes servers of most protocols answer.
const HELLO: &[u8] = b"PING\r\n\r\n";

/// The beginning of what a server says to a plain connection; nothing if it says nothing.
pub(super) async fn first_words(address: SocketAddr) -> Vec<u8> {
    let answer = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(HELLO).await?;
        let mut beginning = vec![0; 16];
        let len = stream.read(&mut beginning).await?;
        beginning.truncate(len);
        std::io::Result::Ok(beginning)
    };
    timeout(LIMIT, answer).await.ok().and_then(Result::ok).unwrap_or_default()
}
