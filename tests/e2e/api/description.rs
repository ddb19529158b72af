//! `/openapi.yaml` and the routes are the same, both ways.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;

use lobby_tests::{Lobbyd, http};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];

/// The methods of each path, as the file has them: two spaces before a path, four before a method.
fn described(file: &str) -> BTreeMap<String, BTreeSet<String>> {
    let (mut paths, mut path) = (BTreeMap::<_, BTreeSet<_>>::new(), String::new());
    let lines = file.lines().skip_while(|line| *line != "paths:").skip(1);
    for line in lines.take_while(|line| line.is_empty() || line.starts_with(' ')) {
        let Some(word) = line.strip_suffix(':') else { continue };
        if let Some(name) = word.strip_prefix("  ").filter(|name| name.starts_with('/')) {
            path = name.to_owned();
            paths.entry(path.clone()).or_default();
        } else if let Some(method) = word.strip_prefix("    ").map(str::to_uppercase)
            && METHODS.contains(&method.as_str())
        {
            paths.entry(path.clone()).or_default().insert(method);
        }
    }
    paths
}

/// The paths that the source of the routes names.
fn routed() -> BTreeSet<String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../lobbyd/src/http/routes.rs");
    let source = std::fs::read_to_string(source).unwrap();
    let texts = source.split('"').skip(1).step_by(2);
    texts.filter(|text| text.starts_with('/')).map(str::to_owned).collect()
}

/// The status of the answer, which may go on for ever.
async fn status(address: SocketAddr, method: &str, path: &str) -> u16 {
    let mut stream = http::connect(address).await;
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; "HTTP/1.1 200".len()];
    stream.read_exact(&mut head).await.unwrap();
    std::str::from_utf8(&head[9..]).unwrap().parse().unwrap()
}

#[actix_rt::test]
async fn every_route_is_described_and_no_other() {
    let daemon = Lobbyd::named("a").labels("prometheus:node").start().await;
    let described = described(&daemon.get("/openapi.yaml").await.text());
    assert_eq!(described.keys().cloned().collect::<BTreeSet<_>>(), routed());
    for (path, methods) in described {
        let path = path.replace("{name}", "node");
        for method in METHODS {
            let status = status(daemon.address(), method, &path).await;
            let is_there = methods.contains(method);
            assert_eq!(status == 405, !is_there, "{method} {path}: {status}");
            assert_ne!(status, 404, "{method} {path}");
        }
    }
}

#[actix_rt::test]
async fn the_description_is_of_this_version_and_needs_no_token() {
    let daemon = Lobbyd::named("a").set("TOKEN", "secret").start().await;
    let answer = daemon.get("/openapi.yaml").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/yaml")));
    let version = format!("\n  version: {}\n", env!("CARGO_PKG_VERSION"));
    assert!(answer.text().contains(&version), "{version}");
    assert_eq!(daemon.get("/v1/discoveries").await.status, 403);
}

#[test]
fn a_route_that_is_not_described_is_found() {
    let file = "paths:\n  /a:\n    get:\n      tags: [x]\n    parameters:\n  /b/{name}:\n    post:\ncomponents:\n  /c:\n";
    let paths = described(file);
    assert_eq!(paths.keys().collect::<Vec<_>>(), ["/a", "/b/{name}"]);
    assert_eq!(paths["/a"], BTreeSet::from(["GET".to_owned()]));
}
