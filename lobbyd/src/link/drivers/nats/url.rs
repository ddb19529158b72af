//! What NATS_URL says. async-nats ignores the credentials in a URL and refuses a list, both of
//! which lobby 1.x accepts.

use std::fmt;
use std::net::SocketAddr;

use anyhow::{Context, bail, ensure};
use percent_encoding::percent_decode_str;

use crate::config::kinds;

const DEFAULT_PORT: u16 = 4222;

/// One server of NATS_URL. Its `Debug` and `Display` show no credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl {
    /// Whether TLS is demanded (`tls://`); a server reached by `nats://` may still ask for it.
    pub tls: bool,
    /// A name or an IP address, IPv6 without brackets.
    pub host: String,
    /// The port; 4222 where the URL names none.
    pub port: u16,
    /// What to log in with.
    pub login: Option<Login>,
}

/// The part of a URL before the `@`, decoded.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    /// `token@`.
    Token(String),
    /// `user:password@`.
    User {
        /// User name.
        name: String,
        /// Password.
        password: String,
    },
}

impl ServerUrl {
    /// The URL without credentials.
    pub fn address(&self) -> String {
        format!("{}://{self}", self.scheme())
    }

    /// The URL of one address of the server, in the form that async-nats understands, without
    /// credentials.
    pub(super) fn at(&self, address: SocketAddr) -> String {
        format!("{}://{address}", self.scheme())
    }

    fn scheme(&self) -> &'static str {
        if self.tls { "tls" } else { "nats" }
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address())
    }
}

/// Reads a list of servers: comma separated, each
/// `[nats://|tls://][user:password@|token@]host[:port]`, credentials percent-encoded where they
/// hold one of `%`, `,` or, in a user name, `:`.
///
/// # Errors
/// Which server of the list is wrong and what would be right. No part of the text is shown, as it
/// may be part of a password.
pub fn parse(list: &str) -> anyhow::Result<Vec<ServerUrl>> {
    let urls = list.split(',').map(str::trim).enumerate().filter(|(_, url)| !url.is_empty());
    let servers: anyhow::Result<Vec<_>> = urls
        .map(|(index, url)| parse_one(url).with_context(|| format!("server {}", index + 1)))
        .collect();
    let servers = servers?;
    ensure!(
        !servers.is_empty(),
        "no server is named: expected nats:// or tls:// URLs, comma separated"
    );
    Ok(servers)
}

fn parse_one(url: &str) -> anyhow::Result<ServerUrl> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("nats", url));
    let tls = match scheme.to_ascii_lowercase().as_str() {
        "nats" => false,
        "tls" => true,
        _ => bail!("the scheme is neither nats:// nor tls://"),
    };
    let (login, address) = rest.rsplit_once('@').unwrap_or(("", rest));
    let (host, port) = parse_address(address.strip_suffix('/').unwrap_or(address))?;
    Ok(ServerUrl { tls, host, port, login: parse_login(login)? })
}

fn parse_login(login: &str) -> anyhow::Result<Option<Login>> {
    Ok(match login.split_once(':') {
        None if login.is_empty() => None,
        None => Some(Login::Token(decode(login)?)),
        Some((name, password)) => {
            Some(Login::User { name: decode(name)?, password: decode(password)? })
        }
    })
}

fn decode(text: &str) -> anyhow::Result<String> {
    let decoded = percent_decode_str(text).decode_utf8();
    Ok(decoded.ok().context("the percent-encoded credentials are not UTF-8")?.into_owned())
}

fn parse_address(address: &str) -> anyhow::Result<(String, u16)> {
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            rest.split_once(']').context("the bracket of the IPv6 address is not closed")?
        }
        None => address.split_at(address.find(':').unwrap_or(address.len())),
    };
    let host_is_right = if address.starts_with('[') { is_ipv6(host) } else { is_name(host) };
    ensure!(host_is_right, "the host is neither a name nor an IP address (IPv6 in brackets)");
    let port = match port.strip_prefix(':') {
        Some(digits) => digits.parse().ok().filter(|port| *port != 0),
        None => port.is_empty().then_some(DEFAULT_PORT),
    };
    Ok((host.to_owned(), port.context("the port is not a number from 1 to 65535")?))
}

fn is_ipv6(host: &str) -> bool {
    host.parse::<std::net::Ipv6Addr>().is_ok()
}

fn is_name(host: &str) -> bool {
    kinds::is_name(host)
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(tls: bool, host: &str, port: u16, login: Option<Login>) -> ServerUrl {
        ServerUrl { tls, host: host.to_owned(), port, login }
    }

    fn user(name: &str, password: &str) -> Option<Login> {
        Some(Login::User { name: name.to_owned(), password: password.to_owned() })
    }

    fn refusal(list: &str) -> String {
        format!("{:#}", parse(list).unwrap_err())
    }

    #[test]
    fn scheme_and_port_may_be_left_out() {
        let expected = [server(false, "broker", 4222, None)];
        for url in
            ["broker", "broker:4222", "nats://broker", "NATS://broker:4222/", " nats://broker "]
        {
            assert_eq!(parse(url).unwrap(), expected, "{url}");
        }
        assert_eq!(parse("tls://10.0.0.1:1").unwrap(), [server(true, "10.0.0.1", 1, None)]);
    }

    #[test]
    fn a_list_keeps_its_order_and_each_server_its_credentials() {
        let list = "nats://a:1@one, tls://tok@two:5, ,three";
        let token = Some(Login::Token("tok".to_owned()));
        let expected = [
            server(false, "one", 4222, user("a", "1")),
            server(true, "two", 5, token),
            server(false, "three", 4222, None),
        ];
        assert_eq!(parse(list).unwrap(), expected);
    }

    #[test]
    fn credentials_are_decoded_and_may_hold_an_at_sign_or_slash() {
        assert_eq!(
            parse("nats://u%3A:p%2C%40%25@h").unwrap(),
            [server(false, "h", 4222, user("u:", "p,@%"))]
        );
        assert_eq!(
            parse("nats://u:p@s/s:w@h:7").unwrap(),
            [server(false, "h", 7, user("u", "p@s/s:w"))]
        );
        assert_eq!(parse("nats://u:@h").unwrap(), [server(false, "h", 4222, user("u", ""))]);
        assert_eq!(parse("nats://@h").unwrap(), [server(false, "h", 4222, None)]);
    }

    #[test]
    fn ipv6_addresses_stand_in_brackets() {
        assert_eq!(parse("nats://[::1]").unwrap(), [server(false, "::1", 4222, None)]);
        let with_all = parse("tls://u:p@[2a03::1]:4333").unwrap();
        assert_eq!(with_all, [server(true, "2a03::1", 4333, user("u", "p"))]);
        assert_eq!(with_all[0].address(), "tls://[2a03::1]:4333");
    }

    #[test]
    fn what_is_wrong_is_named_by_its_place() {
        assert_eq!(refusal("a,http://b"), "server 2: the scheme is neither nats:// nor tls://");
        assert_eq!(refusal("a:b"), "server 1: the port is not a number from 1 to 65535");
        for list in ["a:0", "a:65536", "a:", "[::1]4222"] {
            assert!(refusal(list).contains("the port is not"), "{list}");
        }
        for list in
            ["nats://", "::1", "a b", "a/path", "[1.2.3.4]", "nats://u:p@", "a..b", "-a.", "a-"]
        {
            assert!(refusal(list).contains("the host is neither"), "{list}");
        }
        assert!(refusal("[::1").contains("not closed"));
        assert!(refusal("u:%ff@a").contains("not UTF-8"));
        assert_eq!(
            refusal(" , "),
            "no server is named: expected nats:// or tls:// URLs, comma separated"
        );
    }

    #[test]
    fn neither_errors_nor_debug_output_show_credentials() {
        for list in [
            "nats://user:sec,ret@host",
            "nats://user:secret@host:port",
            "ftp://user:secret@h",
            "u:secret%ff@h",
        ] {
            let text = refusal(list);
            assert!(!text.contains("sec") && !text.contains("ret@"), "{text}");
        }
        assert_eq!(
            format!("{:?}", parse("nats://user:secret@host").unwrap()),
            "[nats://host:4222]"
        );
    }
}
