//! Why a daemon cannot be reached, in words that say what to do.

use std::error::Error;
use std::io::{self, ErrorKind};

use awc::error::ConnectError;

/// What a failed attempt to connect means.
pub(super) fn explained(error: &ConnectError) -> String {
    match error {
        ConnectError::Io(error) => io_error(error),
        ConnectError::Resolver(error) => format!("the host name cannot be resolved: {error}"),
        ConnectError::NoRecords => "the host name has no address".to_owned(),
        other => other.to_string(),
    }
}

fn io_error(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => "connection refused: is lobbyd running there?".to_owned(),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
            "there is no way to this address".to_owned()
        }
        _ => tls_error(error),
    }
}

/// TLS errors come wrapped several times; the innermost one speaks of the server.
fn tls_error(error: &(dyn Error + 'static)) -> String {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let tls = error.downcast_ref::<rustls::Error>();
        if let Some(rustls::Error::InvalidMessage(_)) = tls {
            return "it does not speak TLS: use http".to_owned();
        }
        if let Some(io) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            cause = Some(io);
        } else {
            cause = error.source();
        }
    }
    error.to_string()
}
