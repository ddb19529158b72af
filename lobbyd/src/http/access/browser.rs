//! Browser rules: a web page must not use the API through the browser of the person who opened it.
//!
//! Programs send none of the headers that browsers cannot be kept from sending, so they notice
//! nothing of these rules.

use std::net::{IpAddr, Ipv6Addr};

use actix_web::http::Method;
use actix_web::http::header::{HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};

use crate::http::errors::ApiError;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Refuses a request that changes something and was made by a page of another site.
///
/// # Errors
/// [`ApiError::Forbidden`] names the header that gives the other site away.
pub(super) fn check_source(method: &Method, headers: &HeaderMap) -> Result<(), ApiError> {
    let host = headers.get(HOST).and_then(text);
    if method.is_safe() {
        Ok(())
    } else if !headers.get_all(ORIGIN).all(|origin| is_same_origin(text(origin), host)) {
        Err(foreign("Origin"))
    } else if !headers
        .get_all(SEC_FETCH_SITE)
        .all(|site| matches!(site.as_bytes(), b"same-origin" | b"none"))
    {
        Err(foreign("Sec-Fetch-Site"))
    } else {
        Ok(())
    }
}

/// Refuses a request made under a host name that is not this server's: a foreign name may have been
/// pointed at this server to make its page same-origin with the API (DNS rebinding). An address
/// cannot be, nor can `localhost`.
///
/// `is_own` says whether a name, without port and closing dot, is this server's. Only `Host`
/// counts, for that is what a page cannot set. A request without one (HTTP/1.0) is from no browser.
///
/// # Errors
/// [`ApiError::Forbidden`] names the host.
pub(super) fn check_host(
    headers: &HeaderMap,
    is_own: impl Fn(&str) -> bool,
) -> Result<(), ApiError> {
    let fits = |host: &str| {
        is_address(host) || name_of(host).is_some_and(|name| is_localhost(name) || is_own(name))
    };
    let mut hosts = headers.get_all(HOST);
    hosts.find(|host| !text(host).is_some_and(fits)).map_or(Ok(()), |host| Err(unknown_host(host)))
}

fn foreign(header: &str) -> ApiError {
    ApiError::Forbidden(format!(
        "{header} shows that a page of another site sent this: only programs and this server's own pages may"
    ))
}

fn unknown_host(host: &HeaderValue) -> ApiError {
    ApiError::Forbidden(format!(
        "host {:?} is not a name of this server: use its IP address, localhost or its own name, or protect it with a TOKEN",
        String::from_utf8_lossy(host.as_bytes())
    ))
}

fn text(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok()
}

/// The scheme is not compared: behind a proxy that ends TLS it differs.
fn is_same_origin(origin: Option<&str>, host: Option<&str>) -> bool {
    let authority =
        origin.and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    authority.zip(host).is_some_and(|(authority, host)| authority.eq_ignore_ascii_case(host))
}

/// Whether it is `ADDRESS`, `ADDRESS:PORT`, `[ADDRESS]` or `[ADDRESS]:PORT`.
fn is_address(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => {
            address.parse::<Ipv6Addr>().is_ok() && (port.is_empty() || port.starts_with(':'))
        }
        None => {
            host.parse::<IpAddr>().is_ok()
                || name_of(host).is_some_and(|name| name.parse::<IpAddr>().is_ok())
        }
    }
}

/// The host without its port and without the dot that may close a full name; `None` if there is
/// none.
fn name_of(host: &str) -> Option<&str> {
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    Some(name.strip_suffix('.').unwrap_or(name)).filter(|name| !name.is_empty())
}

fn is_localhost(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    fn may_post(pairs: &[(&'static str, &'static str)]) -> bool {
        check_source(&Method::POST, &headers(pairs)).is_ok()
    }

    fn may_ask(host: &'static str) -> bool {
        check_host(&headers(&[("host", host)]), |name| name == "srv1").is_ok()
    }

    const AT: (&str, &str) = ("host", "srv1:1313");

    #[test]
    fn a_program_sends_no_browser_headers_and_may_change_things() {
        assert!(may_post(&[AT]));
        assert!(may_post(&[]));
    }

    #[test]
    fn a_page_of_this_server_may_change_things() {
        assert!(may_post(&[AT, ("origin", "http://srv1:1313"), ("sec-fetch-site", "same-origin")]));
        assert!(may_post(&[AT, ("origin", "https://SRV1:1313")]));
        assert!(may_post(&[AT, ("sec-fetch-site", "none")]));
        assert!(may_post(&[("host", "[::1]:1313"), ("origin", "http://[::1]:1313")]));
    }

    #[test]
    fn a_page_of_another_site_may_not_change_things() {
        for origin in [
            "http://evil.example",
            "http://srv1",
            "http://srv1:8080",
            "null",
            "",
            "http://evil.example/srv1:1313",
        ] {
            assert!(!may_post(&[AT, ("origin", origin)]), "{origin}");
        }
        for site in ["cross-site", "same-site", "", "Same-Origin"] {
            assert!(!may_post(&[AT, ("sec-fetch-site", site)]), "{site}");
        }
        assert!(!may_post(&[AT, ("origin", "http://srv1:1313"), ("sec-fetch-site", "cross-site")]));
        assert!(!may_post(&[
            AT,
            ("origin", "http://srv1:1313"),
            ("origin", "http://evil.example")
        ]));
        assert!(!may_post(&[("origin", "http://srv1:1313")]));
    }

    #[test]
    fn every_method_is_checked_but_those_that_only_read() {
        let evil = headers(&[AT, ("origin", "http://evil.example")]);
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            assert!(check_source(&method, &evil).is_err(), "{method}");
        }
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            assert!(check_source(&method, &evil).is_ok(), "{method}");
        }
    }

    #[test]
    fn addresses_localhost_and_own_names_are_hosts_of_this_server() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:1313",
            "[::1]",
            "[2a03::1]:1313",
            "::1",
            "localhost",
            "LocalHost.:1313",
            "srv1",
            "srv1.:80",
        ] {
            assert!(may_ask(host), "{host}");
        }
        assert!(check_host(&headers(&[]), |_| false).is_ok());
    }

    #[test]
    fn any_other_host_is_refused() {
        for host in [
            "evil.example",
            "evil.example:1313",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "[::1].evil.example",
            "",
            ":80",
            "[x]",
        ] {
            assert!(!may_ask(host), "{host}");
        }
        assert!(
            check_host(&headers(&[("host", "127.0.0.1"), ("host", "evil.example")]), |_| false)
                .is_err()
        );
    }

    #[test]
    fn a_refusal_names_the_host_and_the_ways_in() {
        let refusal = check_host(&headers(&[("host", "evil.example:80")]), |_| false)
            .unwrap_err()
            .to_string();
        assert!(
            refusal.starts_with(
                "host \"evil.example:80\" is not a name of this server: use its IP address"
            ),
            "{refusal}"
        );
    }
}
