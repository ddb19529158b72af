//! Every route with every parameter, header, coding and error, asked of daemons that know a fleet.

mod texts;

use std::time::Duration;

use super::Run;
use crate::http::{self, Request};
use crate::observation::Form;
use crate::pair::Pair;
use crate::programs::Daemon;
use texts::{GROUPS, PATHS, QUERIES, RAW, RESOLVE};

/// How long a malformed request may stay without an answer until that counts as none.
const SILENCE: Duration = Duration::from_millis(300);

pub(crate) fn all(run: &Run, topic: &str, daemons: &Pair<Daemon>) {
    let ask = |request: &Request| {
        let seen = daemons.map(|daemon| http::ask(daemon.address(), request));
        run.report.compare(topic, &request.name(), seen);
    };
    paths().iter().for_each(|path| ask(&Request::get(path)));
    methods().iter().for_each(&ask);
    codings().iter().for_each(&ask);
    browsers().iter().for_each(&ask);
    conditional(run, topic, daemons);
    malformed(run, topic, daemons);
}

/// Paths and queries of GET.
fn paths() -> Vec<String> {
    let mut paths: Vec<String> = PATHS.iter().map(|path| (*path).to_owned()).collect();
    for query in QUERIES {
        for path in ["/", "/v1/discoveries"] {
            paths.push(format!("{path}?{query}"));
        }
    }
    paths.extend(RESOLVE.iter().map(|query| format!("/v1/resolve?{query}")));
    for group in GROUPS {
        paths.extend(["", "?pretty", "?%zz"].map(|query| format!("/v1/prometheus/{group}{query}")));
    }
    paths.push(format!("/{}", "a".repeat(5_000)));
    paths.push(format!("/v1/discoveries?labels={}", "service:web,".repeat(400)));
    paths.push(format!("/v1/resolve?label={}", "x".repeat(3_000)));
    paths
}

fn methods() -> Vec<Request> {
    let paths = [
        "/",
        "/v1/discoveries",
        "/v1/discovery",
        "/v1/resolve",
        "/v1/prometheus/node",
        "/v1/labels",
    ];
    let more = ["/v1/status", "/healthz", "/readyz", "/nowhere"];
    let methods = ["HEAD", "OPTIONS", "PUT", "PATCH", "TRACE", "get", "BREW", "CONNECT"];
    let changing = ["POST", "DELETE"].into_iter().flat_map(|method| {
        let others = paths.into_iter().chain(more).filter(|path| *path != "/v1/labels");
        others.map(move |path| Request::new(method, path, ""))
    });
    let all = paths
        .into_iter()
        .chain(more)
        .flat_map(|path| methods.map(|method| Request::new(method, path, "")));
    all.chain(changing).chain([Request::get("/v1/labels")]).collect()
}

fn codings() -> Vec<Request> {
    let accepted = [
        "gzip",
        "identity",
        "*",
        "gzip;q=0",
        "gzip;q=0.5",
        "*;q=0",
        "identity;q=0",
        "br",
        "deflate, gzip;q=0.1, *;q=0",
        "GZIP",
        "x-gzip",
        "",
        "gzip;q=2",
        "gzip, br",
        "identity, gzip",
        "*, gzip;q=0",
        "nonsense;;;",
    ];
    let paths = [
        "/v1/discoveries",
        "/v1/discoveries?prefixes=service:",
        "/v1/discoveries?labels=service:dns&pretty",
    ];
    let more = [
        "/v1/prometheus/node",
        "/v1/resolve?label=service:web",
        "/v1/discovery",
        "/v1/status",
        "/nowhere",
    ];
    let all = paths.into_iter().chain(more).flat_map(|path| {
        accepted.map(|accepted| Request::get(path).header("Accept-Encoding", accepted))
    });
    let twice = Request::get("/").header("Accept-Encoding", "br").header("Accept-Encoding", "gzip");
    let head = Request::new("HEAD", "/", "").header("Accept-Encoding", "gzip");
    all.chain([twice, head]).collect()
}

fn browsers() -> Vec<Request> {
    let hosts = [
        "127.0.0.1",
        "127.0.0.1:1",
        "localhost",
        "LOCALHOST:80",
        "localhost.",
        "me",
        "ME",
        "me.",
        "me:1313",
        "[::1]",
        "[::1]:1313",
        "::1",
        "10.1.2.3",
        "evil.example",
        "me.evil.example",
        "localhost.evil.example",
        "",
        "127.0.0.1.",
        "1.2.3",
        "0x7f.1",
        "[::1",
        "127.0.0.1:port",
        "evil.example\"<x>",
        "a b",
    ];
    let forwarded =
        [("X-Forwarded-Host", "me"), ("Forwarded", "host=me"), ("Referer", "http://evil.example/")];
    let mut requests = Vec::new();
    for host in hosts {
        for path in ["/", "/healthz", "/nowhere"] {
            requests.push(Request::get(path).header("Host", host));
        }
    }
    requests.extend(
        forwarded.map(|(name, value)| {
            Request::get("/").header("Host", "evil.example").header(name, value)
        }),
    );
    requests.push(Request::get("/").header("Host", "localhost").header("Host", "evil.example"));
    let origins = [
        "http://127.0.0.1",
        "https://127.0.0.1",
        "http://evil.example",
        "null",
        "",
        "127.0.0.1",
        "http://",
    ];
    let sites = ["same-origin", "none", "same-site", "cross-site", "", "SAME-ORIGIN"];
    for method in ["GET", "HEAD", "OPTIONS", "POST", "DELETE", "PUT"] {
        for path in ["/v1/labels", "/", "/nowhere"] {
            let request = Request::new(method, path, "");
            requests.extend(origins.map(|origin| request.clone().header("Origin", origin)));
            requests.extend(sites.map(|site| request.clone().header("Sec-Fetch-Site", site)));
        }
    }
    requests
}

/// What is made of an ETag.
type TagForm = (&'static str, fn(&str) -> String);

/// Requests with the ETag that each daemon gave, and with others.
fn conditional(run: &Run, topic: &str, daemons: &Pair<Daemon>) {
    let paths = [
        "/",
        "/v1/discoveries?labels=service:web",
        "/v1/resolve?label=a",
        "/v1/prometheus/node",
        "/?pretty",
    ];
    let forms: [TagForm; 10] = [
        ("as given", |tag| tag.to_owned()),
        ("strong", |tag| tag.trim_start_matches("W/").to_owned()),
        ("in a list", |tag| format!("\"a\", {tag} , W/\"b\"")),
        ("any", |_| "*".to_owned()),
        ("another", |_| "W/\"0000000000000000-1-1\"".to_owned()),
        ("empty", |_| String::new()),
        ("without quotes", |tag| tag.replace('"', "")),
        ("in capitals", str::to_uppercase),
        ("malformed", |_| "W/\"".to_owned()),
        ("any in a list", |_| "\"a\", *".to_owned()),
    ];
    for path in paths.into_iter().chain(["/v1/status", "/v1/discovery", "/healthz", "/nowhere"]) {
        for (name, form) in forms {
            for method in ["GET", "HEAD"] {
                let seen = daemons.map(|daemon| {
                    let tag = http::ask(daemon.address(), &Request::get("/"));
                    let tag = form(tag.part("header etag").unwrap_or_default());
                    let request = Request::new(method, path, "").header("If-None-Match", &tag);
                    http::ask(daemon.address(), &request.header("Accept-Encoding", "gzip"))
                });
                run.report.compare(topic, &format!("{method} {path} If-None-Match: {name}"), seen);
            }
        }
    }
}

fn malformed(run: &Run, topic: &str, daemons: &Pair<Daemon>) {
    let mut requests: Vec<(String, Vec<u8>)> =
        RAW.iter().map(|raw| (raw.escape_debug().to_string(), raw.as_bytes().to_vec())).collect();
    let long = |name: &str, head: String| (name.to_owned(), head.into_bytes());
    requests.push(long(
        "a long header",
        format!("GET / HTTP/1.1\r\nHost: me\r\nX: {}\r\n\r\n", "x".repeat(200_000)),
    ));
    requests.push(long(
        "many headers",
        format!("GET / HTTP/1.1\r\nHost: me\r\n{}\r\n", "X: y\r\n".repeat(500)),
    ));
    requests.push(long(
        "a long path",
        format!("GET /{} HTTP/1.1\r\nHost: me\r\n\r\n", "x".repeat(200_000)),
    ));
    requests.push(("TLS".into(), b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03".to_vec()));
    requests.push(("bytes".into(), b"\xff\xfe\r\n\r\n".to_vec()));
    requests.push((
        "bytes in a header".into(),
        b"GET / HTTP/1.1\r\nHost: m\xff\r\nConnection: close\r\n\r\n".to_vec(),
    ));
    for (name, bytes) in requests {
        let seen = daemons.map(|daemon| {
            let (reply, closed) = http::exchange(daemon.address(), &bytes, SILENCE);
            http::observe(&reply, closed)
        });
        run.report.compare(topic, &format!("raw {name}"), seen);
    }
    let seen = daemons.map(|daemon| {
        let ask = |target: &[u8]| {
            let request = [b"GET /", target, b" HTTP/1.1\r\nHost: me\r\n\r\n"].concat();
            let (reply, closed) = http::exchange(daemon.address(), &request, SILENCE);
            http::observe(&reply, closed)
        };
        ask(b"\xff").with_form(Form::Encoded, ask(b"%FF"))
    });
    run.report.compare(topic, "raw bytes in a path", seen);
}
