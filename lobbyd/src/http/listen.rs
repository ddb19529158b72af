//! The listen sockets, on every address of HOST.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::time::Duration;

use anyhow::Context;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind as bind_socket, listen, socket_with, sockopt,
};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::config::ApiSettings;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 2048;

/// Longest wait for the addresses of a name.
const RESOLVE_LIMIT: Duration = Duration::from_secs(15);

/// How often another free port is tried for PORT=0 when it is not free on all addresses.
const FREE_PORT_ATTEMPTS: usize = 10;

/// Binds the listen addresses, HOST and PORT: all addresses of a name.
///
/// # Errors
/// When one of them cannot be bound, as when the port is in use; the message names it.
pub async fn bind(settings: &ApiSettings) -> anyhow::Result<Vec<TcpListener>> {
    let (host, port) = (&settings.host, settings.port);
    let bound = async { bind_all(&addresses(host).await?, port) }.await;
    let listeners = bound.with_context(|| format!("cannot listen on HOST {host} PORT {port}"))?;
    for listener in &listeners {
        let address = listener.local_addr()?;
        info!(target: "lobby::api", %address, tls = settings.tls.is_some(), "listening");
        if settings.token.is_none() && !address.ip().is_loopback() {
            warn!(target: "lobby::api", %address, "the API is open to everyone who reaches this address: set a TOKEN");
        }
    }
    Ok(listeners)
}

/// The addresses of a host, each once. The resolver may be slow: it is asked on another thread.
async fn addresses(host: &str) -> anyhow::Result<Vec<IpAddr>> {
    if let Ok(address) = host.trim_matches(['[', ']']).parse() {
        return Ok(vec![address]);
    }
    let name = (host.to_owned(), 0);
    let answer = timeout(RESOLVE_LIMIT, spawn_blocking(move || name.to_socket_addrs())).await;
    let silent = || format!("the resolver does not answer within {} s", RESOLVE_LIMIT.as_secs());
    let mut addresses = Vec::new();
    for address in answer.with_context(silent)??? {
        if !addresses.contains(&address.ip()) {
            addresses.push(address.ip());
        }
    }
    Ok(addresses)
}

fn bind_all(addresses: &[IpAddr], port: u16) -> anyhow::Result<Vec<TcpListener>> {
    let mut attempts = if port == 0 { FREE_PORT_ATTEMPTS } else { 1 };
    loop {
        attempts -= 1;
        match bind_on_one_port(addresses, port) {
            Err((_, error)) if error.kind() == ErrorKind::AddrInUse && attempts > 0 => {}
            Err((address, error)) => return Err(error).with_context(|| address.to_string()),
            Ok(listeners) => return Ok(listeners),
        }
    }
}

/// Binds all addresses that this machine has, at least one. With port 0 the first one takes a free
/// port, the others the same.
fn bind_on_one_port(
    addresses: &[IpAddr],
    port: u16,
) -> Result<Vec<TcpListener>, (SocketAddr, io::Error)> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    let mut missing = None;
    for address in addresses {
        let taken = listeners.first().and_then(|first| first.local_addr().ok());
        let address = SocketAddr::new(*address, taken.map_or(port, |taken| taken.port()));
        match bind_one(address) {
            Ok(listener) => listeners.push(listener),
            Err(error) if is_missing(&error) => missing = Some((address, error)),
            Err(error) => return Err((address, error)),
        }
    }
    match missing {
        Some(missing) if listeners.is_empty() => Err(missing),
        Some((address, error)) => {
            info!(target: "lobby::api", %address, %error, "an address of HOST is not of this machine");
            Ok(listeners)
        }
        None => Ok(listeners),
    }
}

/// Binds one address. As in lobby 1.x the unspecified address, of either kind, means IPv4 and IPv6.
fn bind_one(address: SocketAddr) -> io::Result<TcpListener> {
    if address.ip() == Ipv4Addr::UNSPECIFIED {
        let both = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), address.port());
        match bind_one(both) {
            // A machine without IPv6.
            Err(error) if is_missing(&error) => {}
            bound => return bound,
        }
    }
    let (stream, close_on_exec) = (SocketType::STREAM, SocketFlags::CLOEXEC);
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, stream, close_on_exec, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.ip() == Ipv6Addr::UNSPECIFIED {
        sockopt::set_ipv6_v6only(&socket, false)?;
    }
    bind_socket(&socket, &address)?;
    listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

/// Whether the machine does not have an address, or addresses of its kind.
fn is_missing(error: &io::Error) -> bool {
    [Errno::ADDRNOTAVAIL, Errno::AFNOSUPPORT]
        .map(|errno| Some(errno.raw_os_error()))
        .contains(&error.raw_os_error())
}
