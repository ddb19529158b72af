use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use awc::Connector;
use awc::http::Uri;
use awc::http::header::{AUTHORIZATION, HeaderValue, USER_AGENT};

use super::connect::Endpoint;
use super::{Client, tls};
use crate::Error;

/// How the daemon is spoken to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protocol {
    /// In the clear, as lobbyd itself does.
    #[default]
    Http,
    /// Through TLS, as a reverse proxy in front of lobbyd does.
    Https,
}

impl Protocol {
    /// The URL of a daemon; an IPv6 address gets its brackets.
    pub fn base_url(self, host: &str, port: u16) -> String {
        let scheme = match self {
            Self::Http => "http",
            Self::Https => "https",
        };
        match host.parse::<Ipv6Addr>() {
            Ok(address) => format!("{scheme}://[{address}]:{port}"),
            Err(_) => format!("{scheme}://{host}:{port}"),
        }
    }

    /// The port of a URL that names none.
    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl FromStr for Protocol {
    type Err = Error;

    /// Reads `http` or `https`, in any case.
    fn from_str(text: &str) -> Result<Self, Error> {
        match text.to_ascii_lowercase().as_str() {
            "http" => Ok(Self::Http),
            "https" => Ok(Self::Https),
            _ => Err(Error::Invalid(format!("protocol {text:?} is neither http nor https"))),
        }
    }
}

/// Settings of a [`Client`].
#[must_use = "call build to get the client"]
pub struct ClientBuilder {
    base_url: String,
    token: Option<String>,
    timeout: Duration,
    ca_file: Option<PathBuf>,
}

impl ClientBuilder {
    pub(super) fn new(base_url: &str) -> Self {
        Self {
            base_url: base_url.to_owned(),
            token: None,
            timeout: Duration::from_secs(10),
            ca_file: None,
        }
    }

    /// The API token, TOKEN of lobbyd; none by default.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// How long a call may take from its start to the last byte of its answer; 10 seconds by
    /// default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Regular file with the PEM certificates to trust for `https`, instead of those of the system
    /// (or of the variable SSL_CERT_FILE).
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(path.into());
        self
    }

    /// Makes the client; nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the URL, the token or the certificate file cannot be used.
    pub fn build(self) -> Result<Client, Error> {
        let (protocol, endpoint, base_url) = checked(&self.base_url)?;
        let mut connector = Connector::new().timeout(self.timeout).handshake_timeout(self.timeout);
        if protocol == Protocol::Https {
            connector = connector.rustls_0_23(Arc::new(tls::config(self.ca_file.as_deref())?));
        }
        // The client's own time-out covers the whole call.
        let mut http =
            awc::Client::builder().connector(connector).disable_timeout().disable_redirects();
        http = http
            .add_default_header((USER_AGENT, concat!("lobby-client/", env!("CARGO_PKG_VERSION"))));
        if let Some(token) = &self.token {
            http = http.add_default_header((AUTHORIZATION, authorization(token)?));
        }
        Ok(Client { http: http.finish(), endpoint, base_url, timeout: self.timeout })
    }
}

fn authorization(token: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_maybe_shared(format!("Token {token}")).map_err(|_| {
        Error::Invalid("the token holds a control character, which cannot be sent".to_owned())
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Protocol, endpoint and URL without a slash at its end. A path is kept: a reverse proxy may want
/// one.
fn checked(base_url: &str) -> Result<(Protocol, Endpoint, String), Error> {
    if base_url.contains('@') {
        return Err(Error::Invalid(
            "the URL of the daemon must not hold a user or a password; use a token".to_owned(),
        ));
    }
    let bad = |cause: &str| Error::Invalid(format!("the URL {base_url:?} cannot be used: {cause}"));
    let uri: Uri = base_url.parse().map_err(|_| bad("it is not a valid URL"))?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(bad("it must begin with http:// or https://"));
    };
    let protocol: Protocol =
        scheme.parse().map_err(|_| bad("it must begin with http:// or https://"))?;
    if uri.query().is_some() {
        return Err(bad("it must not hold a query"));
    }
    let endpoint =
        Endpoint::of(&uri, protocol.default_port()).ok_or_else(|| bad("it has no host"))?;
    let base_url = format!("{scheme}://{authority}{}", uri.path().trim_end_matches('/'));
    Ok((protocol, endpoint, base_url))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(base_url: &str) -> String {
        checked(base_url).unwrap_err().to_string()
    }

    #[test]
    fn a_url_is_made_of_protocol_host_and_port() {
        assert_eq!(Protocol::Http.base_url("127.0.0.1", 1313), "http://127.0.0.1:1313");
        assert_eq!(Protocol::Https.base_url("::1", 1), "https://[::1]:1");
        assert_eq!(Protocol::Https.base_url("[::1]", 1), "https://[::1]:1");
    }

    #[test]
    fn the_protocol_is_read_in_any_case() {
        assert_eq!("HTTPS".parse(), Ok(Protocol::Https));
        assert!("ftp".parse::<Protocol>().unwrap_err().to_string().contains("\"ftp\""));
    }

    #[test]
    fn a_slash_at_the_end_is_dropped_and_a_path_is_kept() {
        assert_eq!(checked("http://h:1/").unwrap().2, "http://h:1");
        assert_eq!(checked("https://h/lobby/").unwrap().2, "https://h/lobby");
    }

    #[test]
    fn a_url_without_a_port_means_that_of_its_protocol() {
        let endpoint = |url: &str| checked(url).unwrap().1;
        let of = |url: &'static str| Endpoint::of(&Uri::from_static(url), 0).unwrap();
        assert_eq!(endpoint("http://h/lobby"), of("http://h:80"));
        assert_eq!(endpoint("https://[::1]"), of("https://[::1]:443"));
        assert_eq!(endpoint("https://[::1]:7"), of("https://[::1]:7"));
    }

    #[test]
    fn a_url_that_cannot_be_used_is_refused_with_the_reason() {
        assert!(refusal("127.0.0.1:1313").contains("must begin with http://"));
        assert!(refusal("ftp://h").contains("must begin with http://"));
        assert!(refusal("http://h/?a=b").contains("query"));
        assert!(refusal("http://a b/").contains("not a valid URL"));
        assert!(!refusal("http://u:s3cret@h").contains("s3cret"));
    }

    #[test]
    fn a_token_that_no_header_can_carry_is_refused_unshown() {
        let error = Client::builder("http://h").token("s3cret\n").build().unwrap_err();
        assert_eq!(
            error,
            Error::Invalid("the token holds a control character, which cannot be sent".into())
        );
    }

    #[test]
    fn an_unusable_certificate_file_stops_the_build_of_a_client() {
        let empty = tempfile::NamedTempFile::new().unwrap();
        let error = Client::builder("https://h").ca_file(empty.path()).build().unwrap_err();
        assert!(error.to_string().ends_with("it holds no PEM certificate"), "{error}");
    }
}
