//! The addresses of this machine, as the kernel's routes and interfaces say. Nothing is sent.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use nix::ifaddrs::getifaddrs;

/// Addresses that no machine has (RFC 5737 and 3849): the way to them is the default route.
const ELSEWHERE: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
];

/// Any port: a socket without packets reaches none.
const ANY_PORT: u16 = 9;

/// The own end of the way to an address; `None` if there is no way.
pub fn own_end(peer: SocketAddr) -> Option<IpAddr> {
    let any = if peer.is_ipv4() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED)
    } else {
        IpAddr::V6(Ipv6Addr::UNSPECIFIED)
    };
    // The kernel chooses the address for this socket as it does for connections.
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(peer).ok()?;
    Some(socket.local_addr().ok()?.ip().to_canonical())
}

/// The own end of the default route, of IPv4 if there is one.
pub fn default_end() -> Option<IpAddr> {
    ELSEWHERE.into_iter().find_map(|address| own_end(SocketAddr::new(address, ANY_PORT)))
}

/// The names of the interfaces.
pub fn interfaces() -> BTreeSet<String> {
    let interfaces = getifaddrs().into_iter().flatten();
    interfaces.map(|interface| interface.interface_name).collect()
}

/// The addresses of an interface, those of IPv4 first; none if there is no such interface.
pub fn of_interface(name: &str) -> Vec<IpAddr> {
    let interfaces = getifaddrs().into_iter().flatten();
    let mut addresses: Vec<_> = interfaces
        .filter(|interface| interface.interface_name == name)
        .filter_map(|interface| {
            let address = interface.address?;
            let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
        })
        .collect();
    addresses.sort_unstable();
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_the_own_machine_ends_at_loopback() {
        assert_eq!(own_end("127.0.0.1:9".parse().unwrap()), Some(Ipv4Addr::LOCALHOST.into()));
    }

    #[test]
    fn an_interface_has_its_addresses_and_an_unknown_one_none() {
        assert!(of_interface("lo").contains(&Ipv4Addr::LOCALHOST.into()));
        assert!(of_interface("no-such-one").is_empty());
        assert!(interfaces().contains("lo"));
    }
}
