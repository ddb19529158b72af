//! Every route with every parameter, header, coding and error, asked of daemons that know a fleet.

use std::time::Duration;

use super::Run;
use crate::http::{self, Request};
use crate::pair::Pair;
use crate::programs::Daemon;

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
    let paths = ["/", "/v1/discoveries", "/v1/discovery", "/v1/resolve", "/v1/prometheus/node", "/v1/labels"];
    let more = ["/v1/status", "/healthz", "/readyz", "/nowhere"];
    let methods = ["HEAD", "OPTIONS", "PUT", "PATCH", "TRACE", "get", "BREW", "CONNECT"];
    let changing = ["POST", "DELETE"].into_iter().flat_map(|method| {
        let others = paths.into_iter().chain(more).filter(|path| *path != "/v1/labels");
        others.map(move |path| Request::new(method, path, ""))
    });
    let all = paths.into_iter().chain(more).flat_map(|path| methods.map(|method| Request::new(method, path, "")));
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
    let paths = ["/v1/discoveries", "/v1/discoveries?prefixes=service:", "/v1/discoveries?labels=service:dns&pretty"];
    let more = ["/v1/prometheus/node", "/v1/resolve?label=service:web", "/v1/discovery", "/v1/status", "/nowhere"];
    let all = paths
        .into_iter()
        .chain(more)
        .flat_map(|path| accepted.map(|accepted| Request::get(path).header("Accept-Encoding", accepted)));
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
    let forwarded = [("X-Forwarded-Host", "me"), ("Forwarded", "host=me"), ("Referer", "http://evil.example/")];
    let mut requests = Vec::new();
    for host in hosts {
        for path in ["/", "/healthz", "/nowhere"] {
            requests.push(Request::get(path).header("Host", host));
        }
    }
    requests
        .extend(forwarded.map(|(name, value)| Request::get("/").header("Host", "evil.example").header(name, value)));
    requests.push(Request::get("/").header("Host", "localhost").header("Host", "evil.example"));
    let origins = ["http://127.0.0.1", "https://127.0.0.1", "http://evil.example", "null", "", "127.0.0.1", "http://"];
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
type Form = (&'static str, fn(&str) -> String);

/// Requests with the ETag that each daemon gave, and with others.
fn conditional(run: &Run, topic: &str, daemons: &Pair<Daemon>) {
    let paths = ["/", "/v1/discoveries?labels=service:web", "/v1/resolve?label=a", "/v1/prometheus/node", "/?pretty"];
    let forms: [Form; 10] = [
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
    requests.push(long("a long header", format!("GET / HTTP/1.1\r\nHost: me\r\nX: {}\r\n\r\n", "x".repeat(200_000))));
    requests.push(long("many headers", format!("GET / HTTP/1.1\r\nHost: me\r\n{}\r\n", "X: y\r\n".repeat(500))));
    requests.push(long("a long path", format!("GET /{} HTTP/1.1\r\nHost: me\r\n\r\n", "x".repeat(200_000))));
    requests.push(("TLS".into(), b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03".to_vec()));
    requests.push(("bytes".into(), b"\xff\xfe\r\n\r\n".to_vec()));
    requests.push(("bytes in a path".into(), b"GET /\xff HTTP/1.1\r\nHost: me\r\n\r\n".to_vec()));
    requests.push(("bytes in a header".into(), b"GET / HTTP/1.1\r\nHost: m\xff\r\nConnection: close\r\n\r\n".to_vec()));
    for (name, bytes) in requests {
        let seen = daemons.map(|daemon| {
            let (reply, closed) = http::exchange(daemon.address(), &bytes, SILENCE);
            http::observe(&reply, closed)
        });
        run.report.compare(topic, &format!("raw {name}"), seen);
    }
}

const PATHS: &[&str] = &[
    "/",
    "/v1/discoveries",
    "/v1/discovery",
    "/v1/discovery?pretty",
    "/v1/resolve",
    "/v1/status",
    "/v1/status?pretty",
    "/v1/status?%zz",
    "/v1/discovery?%zz",
    "/healthz",
    "/readyz",
    "/healthz?%zz",
    "/readyz?x",
    "/nowhere",
    "/v1",
    "/v1/",
    "/v1/discoveries/",
    "//v1/discoveries",
    "/v1//discoveries",
    "/V1/discoveries",
    "/v1/prometheus",
    "/v1/prometheus/",
    "/v1/prometheus/a/b",
    "/v1/labels",
    "/v1/labels/",
    "/index.html",
    "/favicon.ico",
    "/metrics",
    "/%2e%2e/etc/passwd",
    "/../",
    "/./",
    "/%",
    "/%zz",
    "/%ff",
    "/%00",
    "/a%0d%0ab",
    "/%2Fv1%2Fdiscoveries",
    "/v1/discoveries%20",
    "/a?b?c",
    "/;x",
    "/v1/d%69scoveries",
    "/v1/discoveries#fragment",
    "/v1/d\u{e9}",
    "/?",
    "/??",
    "/%F0%9F%98%80",
    "/<script>",
];

const QUERIES: &[&str] = &[
    "pretty",
    "pretty=1",
    "pretty=0",
    "pretty=false",
    "pretty=true",
    "pretty=",
    "PRETTY",
    "labels=",
    "labels=,",
    "labels=service:web",
    "labels=service:web,service:smtp",
    "labels=service:web&pretty",
    "labels=service%3Aweb",
    "labels=a",
    "labels=nothing",
    "labels=with+space",
    "labels=with%20space",
    "labels=comma,in,it",
    "labels=%F0%9F%98%80",
    "labels=%C5%BElu%C5%A5ou%C4%8Dk%C3%BD:k%C5%AF%C5%88",
    "labels=service:",
    "labels= service:web",
    "labels=:",
    "labels=service:web&labels=service:dns",
    "labels=&prefixes=service:",
    "labels=service:web&prefixes=rack:",
    "prefixes=rack:&labels=service:web",
    "prefixes=",
    "prefixes=,",
    "prefixes=service:",
    "prefixes=s",
    "prefixes=service:,s",
    "prefixes=service:w,rack:",
    "prefixes=rack:1",
    "prefixes=nothing",
    "prefixes=prometheus:node",
    "prefixes=%F0%9F",
    "prefixes=service:&pretty",
    "prefixes=a,b,c,d,e,f",
    "prefixes=%3C",
    "prefixes=service:web,service:web",
    "labels=%zz",
    "labels=%2",
    "labels=100%",
    "labels=%ff",
    "labels=%c3%28",
    "x=%",
    "%zz",
    "other=x",
    "label=service:web",
    "=",
    "&",
    "&&",
    "labels",
    "prefixes",
    "labels=a=b",
    "labels[]=a",
    "labels=a;prefixes=b",
    "labels=a%26b",
    "labels=%00",
    "labels=%0A",
    "limit=1",
    "labels=service:web%2Cservice:dns",
    "labels=-dash,null,0",
    "prefixes=%E2%80%A8",
    "l%61bels=a",
];

const RESOLVE: &[&str] = &[
    "label=service:web",
    "label=service:web&pretty",
    "label=nothing",
    "label=",
    "label",
    "",
    "pretty",
    "label=comma,in,it",
    "label=service:web&label=service:dns",
    "label=%zz",
    "label=%ff",
    "label=a",
    "label=:",
    "label=with+space",
    "labels=service:web",
    "label=%F0%9F%98%80",
    "label=service:",
    "label=rack:7",
    "label=prometheus:node",
    "LABEL=a",
];

const GROUPS: &[&str] = &[
    "node",
    "nodes",
    "db",
    "nothing",
    "a%2Fb",
    "a/b",
    "with%20space",
    "with+space",
    "%F0%9F%98%80",
    "node:",
    "node:host",
    "NODE",
    "%6eode",
    "n",
    "%ff",
    "%zz",
    "%",
    ".",
    "..",
    "%2e%2e",
    "-",
    "node%3Ahost",
    "%00",
    "node,db",
];

const RAW: &[&str] = &[
    "GET / HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.0\r\n\r\n",
    "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "GET / HTTP/0.9\r\n\r\n",
    "GET / HTTP/2.0\r\n\r\n",
    "GET / HTTP/1.2\r\n\r\n",
    "GET / http/1.1\r\n\r\n",
    "GET /\r\n\r\n",
    "GET\r\n\r\n",
    "\r\n\r\n",
    "\r\nGET /healthz HTTP/1.1\r\nHost: me\r\nConnection: close\r\n\r\n",
    "hello\r\n\r\n",
    "GET  / HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1 \r\n\r\n",
    " GET / HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\nHost: me\n\n",
    "GET / HTTP/1.1\r\nHost me\r\n\r\n",
    "GET / HTTP/1.1\r\n Host: me\r\n\r\n",
    "GET / HTTP/1.1\r\nHost : me\r\n\r\n",
    "GET / HTTP/1.1\r\n: me\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: me\r\nX: a\r\n b\r\nConnection: close\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: me\r\nX: a\0b\r\nConnection: close\r\n\r\n",
    "GET /\0 HTTP/1.1\r\nHost: me\r\n\r\n",
    "GET http://me/v1/discovery HTTP/1.1\r\nHost: me\r\nConnection: close\r\n\r\n",
    "GET http://evil.example/v1/discovery HTTP/1.1\r\nHost: me\r\nConnection: close\r\n\r\n",
    "GET https://me:1/ HTTP/1.1\r\nConnection: close\r\n\r\n",
    "GET v1/discovery HTTP/1.1\r\nHost: me\r\nConnection: close\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: me\r\nConnection: close\r\n\r\n",
    "GET * HTTP/1.1\r\nHost: me\r\nConnection: close\r\n\r\n",
    "CONNECT me:80 HTTP/1.1\r\nHost: me\r\nConnection: close\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: me\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: \r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: me\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: me\r\n\r\nGET /readyz HTTP/1.1\r\nHost: me\r\n\r\n",
    "GET /nowhere HTTP/1.1\r\nHost: me\r\n\r\nGET /healthz HTTP/1.1\r\nHost: me\r\n\r\nbad\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: me\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
    "POST /v1/labels HTTP/1.1\r\nHost: me\r\nContent-Length: -1\r\n\r\n",
    "POST /v1/labels HTTP/1.1\r\nHost: me\r\nContent-Length: x\r\n\r\n",
    "POST /v1/labels HTTP/1.1\r\nHost: me\r\nContent-Length: +1\r\n\r\n\n",
    "POST /v1/labels HTTP/1.1\r\nHost: me\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n\n",
    "POST /v1/labels HTTP/1.1\r\nHost: me\r\nContent-Length: 1\r\nContent-Length: 1\r\nConnection: close\r\n\r\n\n",
    "POST /v1/labels HTTP/1.1\r\nHost: me\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n",
    "POST /v1/labels HTTP/1.1\r\nHost: me\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n1\r\n\n\r\n0\r\n\r\n",
    "POST /v1/labels HTTP/1.1\r\nHost: me\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nxyz\r\n",
    "POST /v1/labels HTTP/1.1\r\nHost: me\r\nTransfer-Encoding: gzip\r\nConnection: close\r\n\r\n",
    "POST /v1/labels HTTP/1.1\r\nHost: me\r\nTransfer-Encoding: identity\r\nConnection: close\r\n\r\n",
    "POST /v1/labels HTTP/1.1\r\nHost: me\r\nConnection: close\r\n\r\n",
    "POST /v1/labels HTTP/1.1\r\nHost: me\r\nContent-Length: 70000\r\nExpect: 100-continue\r\n\r\n",
    "POST /v1/labels HTTP/1.1\r\nHost: me\r\nContent-Length: 1\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n\n",
    "POST /v1/labels HTTP/1.1\r\nHost: me\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    "POST /v1/labels HTTP/1.0\r\nHost: me\r\n\r\na",
];
