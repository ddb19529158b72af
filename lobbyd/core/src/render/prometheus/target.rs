//! Targets: addresses that Prometheus takes, made of a host and a port.

use std::net::Ipv6Addr;

/// The port of a host that carries none itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Port {
    /// `port:-`
    Nothing,
    /// A port from 1 to 65535.
    Number(u16),
}

impl Port {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text == "-" {
            return Some(Self::Nothing);
        }
        // The number parser would take a plus sign as well.
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|&port| digits && port != 0).map(Self::Number)
    }
}

/// The target for a host; `None` if the host is empty or holds what no address can.
///
/// A host that carries a port, whatever it is, stays as it is: a mistake in it shows as a target
/// that is down, as with lobby 1.x.
pub(crate) fn address(host: &str, port: Port) -> Option<String> {
    if !is_usable(host) {
        return None;
    }
    let Port::Number(port) = port else { return Some(host.to_owned()) };
    Some(match shape(host) {
        Shape::Bare => format!("{host}:{port}"),
        Shape::BareIpv6 => format!("[{host}]:{port}"),
        Shape::WithPort => host.to_owned(),
    })
}

fn is_usable(host: &str) -> bool {
    let nameless =
        host.is_empty() || host.starts_with(':') && !is_ipv6(host) || host.starts_with("[]");
    !nameless && !host.contains(|c: char| c == '/' || c.is_whitespace())
}

enum Shape {
    /// A name, an IPv4 address or an IPv6 address in brackets.
    Bare,
    BareIpv6,
    WithPort,
}

fn shape(host: &str) -> Shape {
    if is_ipv6(host) {
        Shape::BareIpv6
    } else if host.starts_with('[') && host.ends_with(']') || !host.contains(':') {
        Shape::Bare
    } else {
        Shape::WithPort
    }
}

/// Whether it is an IPv6 address, with or without a zone (`fe80::1%eth0`).
fn is_ipv6(host: &str) -> bool {
    let address = host.split_once('%').map_or(host, |(address, _)| address);
    address.parse::<Ipv6Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(port: &str, host: &str) -> Option<String> {
        address(host, Port::parse(port).unwrap())
    }

    #[test]
    fn a_host_without_a_port_gets_one() {
        for (host, target) in [
            ("10.0.0.1", "10.0.0.1:9200"),
            ("srv1.example.com", "srv1.example.com:9200"),
            ("2a03::1", "[2a03::1]:9200"),
            ("::1", "[::1]:9200"),
            ("fe80::1%eth0", "[fe80::1%eth0]:9200"),
            ("[2a03::1]", "[2a03::1]:9200"),
        ] {
            assert_eq!(with("9200", host).as_deref(), Some(target));
        }
    }

    #[test]
    fn a_host_with_a_port_keeps_it() {
        for host in ["10.0.0.1:1", "srv1:1234", "[2a03::1]:9100", "srv1:http", "srv1:"] {
            assert_eq!(with("9200", host).as_deref(), Some(host));
        }
    }

    #[test]
    fn port_dash_leaves_every_host_as_it_is() {
        for host in ["10.0.0.1", "srv1:1234", "2a03::1", "[2a03::1]", "::1"] {
            assert_eq!(with("-", host).as_deref(), Some(host));
        }
    }

    #[test]
    fn nothing_a_path_and_white_space_are_no_targets() {
        for host in ["", ":9100", "[]", "[]:9100", "a/b", "http://a", "a b", "a\u{a0}b"] {
            assert_eq!(with("9200", host), None, "{host:?}");
            assert_eq!(with("-", host), None, "{host:?}");
        }
    }

    #[test]
    fn a_port_is_1_to_65535_or_a_dash() {
        assert_eq!(Port::parse("-"), Some(Port::Nothing));
        assert_eq!(Port::parse("1"), Some(Port::Number(1)));
        assert_eq!(Port::parse("65535"), Some(Port::Number(65535)));
        for bad in ["", "0", "65536", "+80", "-1", "http", "80 "] {
            assert_eq!(Port::parse(bad), None, "{bad:?}");
        }
    }
}
