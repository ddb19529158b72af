//! The addresses of a daemon, and why it cannot be reached, in words that say what to do.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use awc::error::ConnectError;
use awc::http::Uri;
use tokio::net::lookup_host;

use super::unreachable;
use crate::{Error, tls};

/// Where a daemon listens: an address or a name that has several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    host: String,
    port: u16,
}

impl Endpoint {
    /// The endpoint in a URL, if it has a host. Without a port it is that of the protocol.
    pub(super) fn of(url: &Uri, default_port: u16) -> Option<Self> {
        let host = url.host()?.trim_start_matches('[').trim_end_matches(']');
        Some(Self { host: host.to_owned(), port: url.port_u16().unwrap_or(default_port) })
    }

    /// Its addresses, in the order of the system; a name is looked up now, as they may change.
    ///
    /// # Errors
    /// Why the name has none.
    pub(super) async fn addresses(&self) -> Result<Vec<SocketAddr>, String> {
        let found = lookup_host((self.host.as_str(), self.port)).await;
        let found: Vec<_> =
            found.map_err(|error| format!("the host name cannot be resolved: {error}"))?.collect();
        if found.is_empty() { Err("the host name has no address".to_owned()) } else { Ok(found) }
    }
}

/// The one error that tells of several attempts, each of which could not reach the daemon. What
/// all of them say is said once.
pub(super) fn all_failed(url: &str, failures: &[(SocketAddr, Error)]) -> Error {
    let cause = |error: &Error| match error {
        Error::Unreachable { cause, .. } => cause.clone(),
        error => error.to_string(),
    };
    let causes: BTreeSet<_> = failures.iter().map(|(_, error)| cause(error)).collect();
    match causes.first() {
        Some(only) if causes.len() == 1 => unreachable(url, only),
        _ => {
            let each =
                failures.iter().map(|(address, error)| format!("{address}: {}", cause(error)));
            unreachable(url, &each.collect::<Vec<_>>().join("; "))
        }
    }
}

/// What a failed attempt to connect means.
pub(super) fn explained(error: &ConnectError) -> String {
    match error {
        ConnectError::Io(error) => io_error(error),
        other => other.to_string(),
    }
}

fn io_error(error: &io::Error) -> String {
    match (error.kind(), tls::explained(error)) {
        (ErrorKind::ConnectionRefused, _) => {
            "connection refused: is lobbyd running there?".to_owned()
        }
        (ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable, _) => {
            "there is no way to this address".to_owned()
        }
        (_, Some(words)) if words == tls::NOT_SPOKEN => format!("{words}: use http"),
        (_, Some(words)) => words,
        (_, None) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(address: &str, cause: &str) -> (SocketAddr, Error) {
        (address.parse().unwrap(), unreachable("http://h", cause))
    }

    #[test]
    fn what_all_addresses_say_is_said_once() {
        let alike = [failure("127.0.0.1:1", "refused"), failure("127.0.0.2:1", "refused")];
        assert_eq!(all_failed("http://h", &alike).to_string(), "cannot reach http://h: refused");
    }

    #[test]
    fn what_addresses_say_differently_is_said_for_each() {
        let different = [failure("127.0.0.1:1", "refused"), failure("[::1]:1", "no way")];
        assert_eq!(
            all_failed("http://h", &different).to_string(),
            "cannot reach http://h: 127.0.0.1:1: refused; [::1]:1: no way"
        );
    }

    #[actix_rt::test]
    async fn a_name_that_cannot_be_resolved_is_told() {
        let endpoint = Endpoint { host: "no such name".to_owned(), port: 1 };
        let cause = endpoint.addresses().await.unwrap_err();
        assert!(cause.starts_with("the host name cannot be resolved: "), "{cause}");
    }
}
