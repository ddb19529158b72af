//! The sockets that DNS is answered on: UDP and TCP, on one address and port.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, UdpSocket};

use anyhow::Context;
use tracing::{info, warn};

/// How often another free port is tried for port 0 when it is not free for UDP, too.
const FREE_PORT_ATTEMPTS: usize = 10;

/// Both sockets.
#[derive(Debug)]
pub struct Sockets {
    pub(super) udp: UdpSocket,
    pub(super) tcp: TcpListener,
}

/// Binds DNS_LISTEN.
///
/// # Errors
/// When the address cannot be bound, as when the port is in use; the message names it.
pub fn bind(listen: SocketAddr) -> anyhow::Result<Sockets> {
    let sockets =
        bind_both(listen).with_context(|| format!("cannot answer DNS on DNS_LISTEN {listen}"))?;
    let address = sockets.udp.local_addr()?;
    info!(target: "lobby::dns", %address, "answering DNS");
    if !address.ip().is_loopback() {
        warn!(target: "lobby::dns", %address, "DNS knows no token: everyone who reaches this address is told names, labels and addresses of servers");
    }
    Ok(sockets)
}

fn bind_both(listen: SocketAddr) -> io::Result<Sockets> {
    let mut attempts = if listen.port() == 0 { FREE_PORT_ATTEMPTS } else { 1 };
    loop {
        attempts -= 1;
        let tcp = TcpListener::bind(listen)?;
        match UdpSocket::bind(tcp.local_addr()?) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && attempts > 0 => {}
            udp => {
                let udp = udp?;
                tcp.set_nonblocking(true)?;
                udp.set_nonblocking(true)?;
                return Ok(Sockets { udp, tcp });
            }
        }
    }
}
