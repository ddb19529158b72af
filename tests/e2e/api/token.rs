//! Who may use the API when TOKEN is set, and that it is never given away.

use lobby_tests::{Answer, Lobbyd, free_port, http, lobbyctl, lobbyctl_with};
use serde_json::json;

const ROUTES: [(&str, &str); 8] = [
    ("GET", "/"),
    ("GET", "/v1/discoveries"),
    ("GET", "/v1/discovery"),
    ("GET", "/v1/resolve?label=x"),
    ("GET", "/v1/prometheus/x"),
    ("POST", "/v1/labels"),
    ("DELETE", "/v1/labels"),
    ("GET", "/nothing"),
];

async fn ask(daemon: &Lobbyd, (method, path): (&str, &str), authorization: &str) -> Answer {
    daemon.request(method, path, &[("Authorization", authorization)], "").await
}

#[actix_rt::test]
async fn every_route_is_closed_without_the_token() {
    let daemon = Lobbyd::named("a").set("TOKEN", "s3cret").start().await;
    for (method, path) in ROUTES {
        let answer = daemon.request(method, path, &[], "label:1").await;
        assert_eq!(answer.status, 403, "{method} {path}");
        assert!(answer.header("www-authenticate").is_some(), "{method} {path}: {answer:?}");
    }
}

#[actix_rt::test]
async fn the_health_routes_alone_need_no_token() {
    let daemon = Lobbyd::named("a").set("TOKEN", "s3cret").start().await;
    assert_eq!(daemon.get("/healthz").await.status, 200);
    assert!([200, 503].contains(&daemon.get("/readyz").await.status));
    assert_eq!(daemon.get("/v1/status").await.status, 403);
}

#[actix_rt::test]
async fn every_route_is_open_to_each_spelling_of_the_token() {
    let daemon = Lobbyd::named("a").set("TOKEN", "s3cret").start().await;
    for authorization in ["Token s3cret", "s3cret", "Bearer s3cret"] {
        for route in ROUTES {
            let expected = if route.1 == "/nothing" { 404 } else { 200 };
            assert_eq!(
                ask(&daemon, route, authorization).await.status,
                expected,
                "{route:?} with {authorization}"
            );
        }
    }
}

#[actix_rt::test]
async fn a_wrong_token_opens_nothing() {
    let daemon = Lobbyd::named("a").set("TOKEN", "s3cret").start().await;
    let wrong = [
        "",
        "Token",
        "Token ",
        "Token wrong",
        "wrong",
        "Bearer s3cret2",
        "s3cre",
        "S3CRET",
        "Basic s3cret",
        "Token s3cret x",
    ];
    for authorization in wrong {
        let answer = ask(&daemon, ("GET", "/v1/discovery"), authorization).await;
        assert_eq!(answer.status, 403, "{authorization:?}");
        assert!(!answer.text().contains("s3cret"), "{}", answer.text());
    }
    let refused =
        daemon.request("POST", "/v1/labels", &[("Authorization", "wrong")], "label:1").await;
    assert_eq!(refused.status, 403);
    let labels = ask(&daemon, ("GET", "/v1/discovery"), "s3cret").await.json();
    assert_eq!(labels["labels"], json!([]));
}

#[actix_rt::test]
async fn a_token_in_the_query_is_no_token() {
    let daemon = Lobbyd::named("a").set("TOKEN", "s3cret").start().await;
    assert_eq!(daemon.get("/v1/discovery?token=s3cret").await.status, 403);
}

#[actix_rt::test]
async fn without_token_any_authorization_is_ignored() {
    for token in [None, Some("")] {
        let daemon = Lobbyd::named("a");
        let daemon = if let Some(token) = token { daemon.set("TOKEN", token) } else { daemon };
        let daemon = daemon.start().await;
        assert_eq!(ask(&daemon, ("GET", "/v1/discovery"), "Token anything").await.status, 200);
        assert_eq!(daemon.get("/v1/discovery").await.status, 200);
    }
}

#[actix_rt::test]
async fn the_token_may_come_from_a_file_that_ends_in_a_line_break() {
    let daemon = Lobbyd::named("a");
    let file = daemon.labels_path().with_file_name("token");
    std::fs::write(&file, "s3cret\n").unwrap();
    let daemon = daemon.set("TOKEN_FILE", &file).start().await;
    assert_eq!(ask(&daemon, ("GET", "/v1/discovery"), "Token s3cret").await.status, 200);
    assert_eq!(daemon.get("/v1/discovery").await.status, 403);
}

/// Requests that hold the token and are none.
fn malformed(token: &str) -> Vec<String> {
    let authorization =
        format!("Host: localhost\r\nConnection: close\r\nAuthorization: Token {token}\r\n");
    vec![
        format!("GET / HTTP/9.9\r\n{authorization}\r\n"),
        format!("GET /{token} HTTP\r\n\r\n"),
        format!("{token} / HTTP/1.1\r\n{authorization}\r\n"),
        format!("GET / HTTP/1.1\r\n{authorization}Host: localhost\r\n\r\n"),
        format!("GET / HTTP/1.1\r\n{authorization}X: \0\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nAuthorization: Token {token}\0\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nContent-Length: x\r\n{authorization}\r\n"),
        format!("POST /v1/labels HTTP/1.1\r\nTransfer-Encoding: x\r\n{authorization}\r\n"),
        format!(
            "POST /v1/labels HTTP/1.1\r\nTransfer-Encoding: chunked\r\n{authorization}\r\n{token}\r\n"
        ),
        format!("GET / HTTP/1.1\r\n{authorization}{}\r\n", "X: y\r\n".repeat(200)),
    ]
}

/// Levels at which lobby, and the libraries that see the token, say all they have to say.
const LOUDEST: [&str; 2] =
    ["trace", "trace,actix_http=trace,actix_web=trace,actix_router=trace,actix_server=trace"];

#[actix_rt::test]
async fn the_token_is_in_no_log_whatever_the_level_and_the_request() {
    for level in LOUDEST {
        let daemon =
            Lobbyd::named("a").set("TOKEN", "s3cret").set("LOG_LEVEL", level).start().await;
        for route in ROUTES {
            for authorization in ["Token s3cret", "s3cret", "Bearer s3cretx", "Basic s3cret"] {
                let expected = !matches!(authorization, "Token s3cret" | "s3cret");
                assert_eq!(
                    ask(&daemon, route, authorization).await.status == 403,
                    expected,
                    "{route:?}"
                );
            }
        }
        for request in malformed("s3cret") {
            let answer = http::exchange(daemon.address(), request.as_bytes()).await.unwrap();
            assert!(
                answer.starts_with(b"HTTP/1.1 4"),
                "{request:?}: {:?}",
                String::from_utf8_lossy(&answer)
            );
        }
        daemon.signal(lobby_tests::Signal::TERM);
        daemon.wait(lobby_tests::LIMIT).await;
        let leaks = daemon.logs_with("s3cret");
        assert!(!daemon.logs().is_empty() && leaks.is_empty(), "{level}: {leaks:?}");
    }
}

#[actix_rt::test]
async fn a_read_token_opens_all_routes_that_change_nothing() {
    let daemon = Lobbyd::named("a").set("TOKEN", "s3cret").set("READ_TOKEN", "r3ad").start().await;
    for route in ROUTES {
        let answer = ask(&daemon, route, "Bearer r3ad").await;
        let (expected, text) = match route {
            ("GET", "/nothing") => (404, "nothing at"),
            ("GET", _) => (200, ""),
            _ => (403, "send TOKEN instead of READ_TOKEN"),
        };
        assert_eq!(answer.status, expected, "{route:?}");
        assert!(answer.text().contains(text), "{route:?}: {}", answer.text());
    }
    assert_eq!(ask(&daemon, ("POST", "/v1/labels"), "Bearer s3cret").await.status, 200);
}

#[actix_rt::test]
async fn lobbyctl_says_that_a_read_token_may_only_read() {
    let daemon = Lobbyd::named("a").set("TOKEN", "s3cret").set("READ_TOKEN", "r3ad").start().await;
    assert_eq!(lobbyctl(&daemon, &["--token", "r3ad", "resolve", "x"]).await.status, Some(0));
    let refused = lobbyctl(&daemon, &["--token", "r3ad", "labels", "add", "x:1"]).await;
    assert_eq!(refused.status, Some(4));
    assert!(refused.stderr.contains("--token: this token may only read"), "{}", refused.stderr);
}

#[actix_rt::test]
async fn ping_needs_no_token_and_no_broker() {
    let daemon = Lobbyd::named("a").set("TOKEN", "s3cret").redis_at(free_port()).start().await;
    let well = lobbyctl(&daemon, &["ping"]).await;
    assert_eq!((well.status, well.stderr.as_str()), (Some(0), ""), "{well:?}");
    assert_eq!(lobbyctl(&daemon, &["--port", "9", "ping"]).await.status, Some(3));
}

#[actix_rt::test]
async fn longer_names_of_variables_are_read_by_both_programs() {
    let daemon = Lobbyd::named("a").set("LOBBY_TOKEN", "s3cret").set("LOBBY_PORT", "tcp://b:1");
    let daemon = daemon.set("TOKEN", "other").start().await;
    daemon.logged("TOKEN and LOBBY_TOKEN are both set: LOBBY_TOKEN counts").await;
    daemon.logged("LOBBY_PORT is passed over").await;
    let port = daemon.address().port().to_string();
    let environment = [("LOBBY_PORT", port.as_str()), ("LOBBY_TOKEN", "s3cret"), ("PORT", "9")];
    let asked = lobbyctl_with(&environment, &["discovery"]).await;
    assert_eq!(asked.status, Some(0), "{asked:?}");
    let warning = "warning: the variables PORT and LOBBY_PORT are both set: LOBBY_PORT counts\n";
    assert_eq!(asked.stderr, warning);
}
