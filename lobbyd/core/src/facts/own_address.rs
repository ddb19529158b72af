//! The own address: which of a server's addresses others reach it by.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// ADDRESS: where the own address comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressSource {
    /// The own end of the link to the broker, else of the default route.
    Auto,
    /// These addresses.
    Fixed(Vec<IpAddr>),
    /// All addresses of this interface that others can use.
    Interface(String),
}

impl AddressSource {
    /// What a text stands for; `None` if it is neither of these.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("auto") {
            return Some(Self::Auto);
        }
        let items = || text.split(',').map(str::trim).filter(|item| !item.is_empty());
        let addresses: Result<Vec<IpAddr>, _> = items().map(str::parse).collect();
        match addresses {
            Ok(addresses) => Some(addresses).filter(|found| !found.is_empty()).map(Self::Fixed),
            Err(_) => is_interface_name(text).then(|| Self::Interface(text.to_owned())),
        }
    }
}

/// Whether a text can be the name of an interface, and is not an address with a mistake in it.
fn is_interface_name(text: &str) -> bool {
    const MAX_LEN: usize = 15;
    let is_address = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let fits = |byte: u8| byte.is_ascii_graphic() && !b"/,:".contains(&byte);
    (1..=MAX_LEN).contains(&text.len()) && text.bytes().all(fits) && !is_address
}

/// Whether other machines can reach a server by this address.
pub fn is_reachable(address: IpAddr) -> bool {
    let is_link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    let is_special = address.is_loopback() || address.is_unspecified() || address.is_multicast();
    !is_link_local && !is_special
}

/// The own address with ADDRESS=auto.
#[derive(Debug, Default)]
pub struct OwnAddress {
    /// The broker's end of each link that was up, by driver; `None` while it is down.
    brokers: BTreeMap<usize, Option<SocketAddr>>,
    last: Option<IpAddr>,
}

impl OwnAddress {
    /// The link of a driver leads to this broker now, or is down.
    pub fn link_changed(&mut self, driver: usize, broker: Option<SocketAddr>) {
        self.brokers.insert(driver, broker);
    }

    /// The address now: the own end of the way to the broker, which `own_end` gives, else
    /// `default_end`, that of the default route. While all links are down, or nothing better is
    /// known, it stays as it was.
    pub fn update(
        &mut self,
        own_end: impl Fn(SocketAddr) -> Option<IpAddr>,
        default_end: impl Fn() -> Option<IpAddr>,
    ) -> Option<IpAddr> {
        let broker = self.brokers.values().flatten().next();
        if broker.is_none() && !self.brokers.is_empty() && self.last.is_some() {
            return self.last;
        }
        let reachable = |address: &IpAddr| is_reachable(*address);
        let end = broker.and_then(|broker| own_end(*broker)).filter(reachable);
        self.last = end.or_else(|| default_end().filter(reachable)).or(self.last);
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    const BROKER: &str = "10.0.0.1:4222";

    /// The address where the ends are these.
    fn update(own: &mut OwnAddress, end: &str, default: &str) -> String {
        let parse = |text: &str| text.parse().ok();
        let found = own.update(|_| parse(end), || parse(default));
        found.map(|address| address.to_string()).unwrap_or_default()
    }

    #[test]
    fn an_address_setting_is_auto_addresses_or_an_interface() {
        assert_eq!(AddressSource::parse(" Auto "), Some(AddressSource::Auto));
        let fixed = AddressSource::Fixed(vec![ip("10.0.0.7"), ip("2001:db8::1")]);
        assert_eq!(AddressSource::parse("10.0.0.7, 2001:db8::1"), Some(fixed));
        let interface = AddressSource::Interface("eth0.12".to_owned());
        assert_eq!(AddressSource::parse("eth0.12"), Some(interface));
        for bad in ["", ",", "10.0.0.300", "10.0.0.7,eth0", "a b", "far-too-long-a-name", "a/b"] {
            assert_eq!(AddressSource::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn loopback_and_link_local_addresses_reach_nobody() {
        for address in ["127.0.0.1", "::1", "169.254.1.1", "fe80::1", "0.0.0.0", "::", "ff02::1"] {
            assert!(!is_reachable(ip(address)), "{address}");
        }
        for address in ["10.0.0.7", "8.8.8.8", "2001:db8::1", "fd00::1"] {
            assert!(is_reachable(ip(address)), "{address}");
        }
    }

    #[test]
    fn the_end_of_the_link_beats_that_of_the_default_route() {
        let mut own = OwnAddress::default();
        assert_eq!(update(&mut own, "10.0.0.7", "192.168.1.7"), "192.168.1.7");
        own.link_changed(0, BROKER.parse().ok());
        assert_eq!(update(&mut own, "10.0.0.7", "192.168.1.7"), "10.0.0.7");
        assert_eq!(update(&mut own, "127.0.0.1", "192.168.1.7"), "192.168.1.7");
        assert_eq!(update(&mut own, "10.0.0.8", ""), "10.0.0.8", "it follows");
    }

    #[test]
    fn the_address_stays_while_all_links_are_down() {
        let mut own = OwnAddress::default();
        own.link_changed(0, BROKER.parse().ok());
        own.link_changed(1, None);
        assert_eq!(update(&mut own, "10.0.0.7", ""), "10.0.0.7");
        own.link_changed(0, None);
        assert_eq!(update(&mut own, "10.0.0.8", "192.168.1.7"), "10.0.0.7");
        own.link_changed(1, BROKER.parse().ok());
        assert_eq!(update(&mut own, "10.0.0.8", ""), "10.0.0.8");
        assert_eq!(update(&mut own, "", ""), "10.0.0.8", "no way there for a moment");
    }

    #[test]
    fn without_a_broker_the_address_is_that_of_the_default_route() {
        let mut own = OwnAddress::default();
        own.link_changed(0, None);
        assert_eq!(update(&mut own, "", "192.168.1.7"), "192.168.1.7");
        assert_eq!(update(&mut OwnAddress::default(), "", "127.0.0.1"), "");
    }
}
