//! Access: a daemon with a TOKEN, and one with names of its own.

use std::path::Path;

use rustix::process::Signal;

use super::{Run, lobbyctl};
use crate::http::{self, Request};
use crate::programs::{LIMIT, listening_only, settings, start, start_with};
use crate::waiting::eventually;

const TOPIC: &str = "access: token";

pub(crate) fn all(run: &Run) {
    let local = settings(&[("DRIVER", "Local"), ("TOKEN", "s3cret-token"), ("LABELS", "a:1")]);
    let daemons = start(&run.programs, &[listening_only(), local].concat());
    for daemon in daemons.both() {
        eventually(LIMIT, || (http::get(daemon.address(), "/readyz") == "ready\n").then_some(()));
    }
    for request in with_token() {
        let seen = daemons.map(|daemon| http::ask(daemon.address(), &request));
        run.report.compare(TOPIC, &request.name(), seen);
    }
    lobbyctl::with_token(run, "lobbyctl: token", &daemons);
    names(run);
    token_file(run);
}

/// A token in a file that changes: SIGHUP makes the new one count.
fn token_file(run: &Run) {
    let topic = "access: token file";
    let own = settings(&[("DRIVER", "Local"), ("TOKEN_FILE", "token")]);
    let write = |home: &Path, text: &str| {
        std::fs::write(home.join("token"), text).expect("it can be written");
    };
    let daemons = start_with(&run.programs, &[listening_only(), own].concat(), &|home| {
        write(home, "first\n");
    });
    let try_both = |case: &str| {
        for token in ["first", "second", "third"] {
            let request =
                Request::get("/v1/discovery").header("Authorization", &format!("Token {token}"));
            let seen = daemons.map(|daemon| http::ask(daemon.address(), &request));
            run.report.compare(topic, &format!("{case}: {}", request.name()), seen);
        }
    };
    try_both("at the start");
    for (case, text, counts) in [
        ("changed", "second\r\n", "second"),
        ("emptied", "", "second"),
        ("again", "third", "third"),
    ] {
        for daemon in daemons.both() {
            write(daemon.home(), text);
            daemon.signal(Signal::HUP);
            let request =
                Request::get("/v1/discovery").header("Authorization", &format!("Token {counts}"));
            let is_in = || {
                http::ask(daemon.address(), &request).part("status line") == Some("HTTP/1.1 200 OK")
            };
            eventually(LIMIT, || is_in().then_some(()));
        }
        try_both(case);
    }
}

fn with_token() -> Vec<Request> {
    let values = [
        "Token s3cret-token",
        "Bearer s3cret-token",
        "s3cret-token",
        "token s3cret-token",
        "BEARER  s3cret-token",
        "Token s3cret",
        "Token",
        "Token ",
        "",
        "Basic s3cret-token",
        "Basic czNjcmV0",
        "s3cret",
        "Token S3CRET-TOKEN",
        "Token  s3cret-token ",
        "Token s3cret-token, Bearer x",
        "Bearer\ts3cret-token",
        "Tokens3cret-token",
    ];
    let paths = [
        "/",
        "/v1/discovery",
        "/v1/status",
        "/healthz",
        "/readyz",
        "/nowhere",
        "/v1/labels",
        "/healthz/",
    ];
    let mut requests = Vec::new();
    for path in paths {
        requests
            .extend(["GET", "HEAD", "OPTIONS", "PUT"].map(|method| Request::new(method, path, "")));
        requests.extend(values.map(|value| Request::get(path).header("Authorization", value)));
    }
    for method in ["POST", "DELETE"] {
        let request = Request::new(method, "/v1/labels", "x:1\n");
        requests.push(request.clone());
        requests.push(request.clone().header("Authorization", "Token wrong"));
        requests.push(request.clone().header("Authorization", "Token s3cret-token"));
        let with_token = request.header("Authorization", "Token s3cret-token");
        requests.push(with_token.clone().header("Origin", "http://evil.example"));
        requests.push(with_token.clone().header("Sec-Fetch-Site", "cross-site"));
        requests.push(with_token.header("Origin", "http://127.0.0.1"));
    }
    let twice = Request::get("/").header("Authorization", "Token wrong");
    requests.push(twice.header("Authorization", "Token s3cret-token"));
    for host in ["evil.example", "me", ""] {
        requests.push(Request::get("/").header("Host", host));
        requests.push(
            Request::get("/").header("Host", host).header("Authorization", "Token s3cret-token"),
        );
        requests.push(Request::get("/healthz").header("Host", host));
    }
    requests
}

/// Names that a daemon without TOKEN answers to: HOSTNAME and a name in HOST.
fn names(run: &Run) {
    let named =
        settings(&[("DRIVER", "Local"), ("HOST", "localhost"), ("HOSTNAME", "srv1.example.com")]);
    let daemons = start(&run.programs, &[listening_only(), named].concat());
    let hosts = [
        "srv1.example.com",
        "srv1",
        "SRV1.EXAMPLE.COM.",
        "example.com",
        "srv1.example.org",
        "localhost",
        "srv2",
    ];
    for host in hosts {
        for method in ["GET", "POST"] {
            let path = if method == "GET" { "/v1/discovery" } else { "/v1/labels" };
            let request = Request::new(method, path, "").header("Host", host);
            let seen = daemons.map(|daemon| http::ask(daemon.address(), &request));
            run.report.compare("access: names", &request.name(), seen);
        }
    }
}
