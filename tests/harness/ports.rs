//! Ports that nobody else takes.

use std::net::TcpStream;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports that the kernel hands out to outgoing connections (from 32,768): there, a port
/// that is free now may be taken before a server is restarted on it, and a client that retries
/// could even connect to itself.
const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A loopback port that is free, and that no other call in this process gets. Other processes start
/// elsewhere in the range.
///
/// # Panics
/// When a whole range of ports is taken.
pub fn free_port() -> u16 {
    let start = u16::try_from(std::process::id().wrapping_mul(97) % u32::from(COUNT))
        .expect("less than COUNT");
    let mut candidates = (0..COUNT).map(|_| {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        FIRST + (start + step) % COUNT
    });
    // Not by listening there: a child that another thread starts just then would keep the listener
    // open until its exec.
    let free = candidates.find(|port| TcpStream::connect(("127.0.0.1", *port)).is_err());
    free.expect("one of 20,000 ports is free")
}
