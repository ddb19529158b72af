//! What is refused: one clear line, and nothing is changed.

use lobby_tests::{Answer, Lobbyd, http};
use serde_json::json;

#[track_caller]
fn assert_refused(answer: &Answer, status: u16, words: &[&str]) {
    let text = answer.text();
    assert_eq!(answer.status, status, "{text}");
    assert!(
        answer.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")),
        "{answer:?}"
    );
    assert_eq!(text.trim_end().lines().count(), 1, "{text:?}");
    assert!(words.iter().all(|word| text.contains(word)), "{text:?} does not say {words:?}");
}

#[actix_rt::test]
async fn an_unknown_route_is_404() {
    let daemon = Lobbyd::named("a").start().await;
    for path in
        ["/nothing", "/v1", "/v1/", "/v1/discoveries/", "/V1/discoveries", "/v1/prometheus/"]
    {
        assert_eq!(daemon.get(path).await.status, 404, "{path}");
    }
}

#[actix_rt::test]
async fn a_wrong_method_is_405_and_the_right_ones_are_named() {
    let daemon = Lobbyd::named("a").start().await;
    for path in ["/", "/v1/discoveries", "/v1/discovery", "/v1/resolve", "/v1/prometheus/x"] {
        let answer = daemon.request("POST", path, &[], "").await;
        assert_refused(&answer, 405, &[]);
        assert!(
            answer.header("allow").is_some_and(|methods| methods.contains("GET")),
            "{path}: {answer:?}"
        );
    }
    for method in ["OPTIONS", "PUT", "PATCH"] {
        let answer = daemon.request(method, "/v1/labels", &[], "").await;
        assert_refused(&answer, 405, &[]);
        let methods = answer.header("allow").unwrap_or_default();
        assert!(methods.contains("POST") && methods.contains("DELETE"), "{method}: {methods}");
    }
}

#[actix_rt::test]
async fn a_query_that_cannot_be_decoded_is_400() {
    let daemon = Lobbyd::named("a").start().await;
    for path in ["/?labels=%zz", "/v1/discoveries?prefixes=%f", "/v1/resolve?label=%ff"] {
        assert_refused(&daemon.get(path).await, 400, &["%"]);
    }
}

#[actix_rt::test]
async fn an_unknown_parameter_of_a_change_is_400_by_its_name() {
    let daemon = Lobbyd::named("a").start().await;
    assert_eq!(daemon.add_labels("kept:1").await.status, 200);
    for (method, query, words) in [
        ("POST", "tll=1h", &["\"tll\"", "takes ttl"][..]),
        ("POST", "ttl=1h&pretty", &["\"pretty\"", "takes ttl"]),
        ("POST", "ttl=1h&ttl=2h", &["\"ttl\"", "more than once"]),
        ("DELETE", "ttl=1h", &["\"ttl\"", "takes none"]),
        ("DELETE", "label=kept:1", &["\"label\"", "takes none"]),
        ("DELETE", "%zz", &["%"]),
    ] {
        let path = format!("/v1/labels?{query}");
        assert_refused(&daemon.request(method, &path, &[], "kept:1\nnew:1").await, 400, words);
        assert_eq!(daemon.own_labels().await, json!(["kept:1"]), "{method} {query}");
    }
    for path in ["/v1/labels?other=x", "/v1/discoveries?other=x", "/v1/status?other=x"] {
        assert_eq!(daemon.get(path).await.status, 200, "what changes nothing ignores it: {path}");
    }
    assert_eq!(daemon.request("POST", "/v1/labels?", &[], "new:1").await.status, 200);
}

#[actix_rt::test]
async fn an_invalid_label_is_400_by_its_line_and_nothing_is_applied() {
    let daemon = Lobbyd::named("a").start().await;
    let long = "x".repeat(1025);
    for bad in ["tab\tinside:1", "escape\u{1b}:1", &long] {
        let body = format!("good:1\n\n{bad}\ngood:2\n");
        assert_refused(&daemon.add_labels(&body).await, 400, &["line 3"]);
        assert_eq!(daemon.own_labels().await, json!([]));
    }
    assert!(!daemon.labels_path().join("_runtime").exists());
}

#[actix_rt::test]
async fn an_invalid_label_stops_a_removal_too() {
    let daemon = Lobbyd::named("a").start().await;
    assert_eq!(daemon.add_labels("good:1").await.status, 200);
    assert_refused(&daemon.delete_labels("good:1\nbad\u{7f}").await, 400, &["line 2"]);
    assert_eq!(daemon.own_labels().await, json!(["good:1"]));
}

#[actix_rt::test]
async fn a_body_that_is_not_utf8_is_400() {
    let daemon = Lobbyd::named("a").start().await;
    let answer = daemon.request("POST", "/v1/labels", &[], b"good:1\nbad:\xff\n").await;
    assert_refused(&answer, 400, &[]);
    assert_eq!(daemon.own_labels().await, json!([]));
}

/// A body of labels of 1,023 bytes and a line break each.
fn body_of(size: usize) -> String {
    let lines = (0..).map(|number| format!("{number:04}{}\n", "x".repeat(1019)));
    let body: String = lines.take(size.div_ceil(1024)).collect();
    body[..size].to_owned()
}

#[actix_rt::test]
async fn a_body_of_64_kib_is_taken_and_one_byte_more_is_413() {
    let daemon = Lobbyd::named("a").start().await;
    assert_refused(&daemon.add_labels(&body_of(64 * 1024 + 1)).await, 413, &[]);
    assert_eq!(daemon.own_labels().await, json!([]));
    assert_eq!(daemon.add_labels(&body_of(64 * 1024)).await.status, 200);
    assert_eq!(daemon.own_labels().await.as_array().unwrap().len(), 64);
}

#[actix_rt::test]
async fn a_body_of_unknown_length_is_limited_too() {
    let daemon = Lobbyd::named("a").start().await;
    let chunk = body_of(64 * 1024 + 1);
    let chunked = format!("{:x}\r\n{chunk}\r\n0\r\n\r\n", chunk.len());
    let answer = daemon.request(
        "POST",
        "/v1/labels",
        &[("Transfer-Encoding", "chunked"), ("Host", "localhost")],
        chunked,
    );
    assert_refused(&answer.await, 413, &[]);
    assert_eq!(daemon.own_labels().await, json!([]));
}

#[actix_rt::test]
async fn labels_that_peers_would_refuse_are_400() {
    let daemon = Lobbyd::named("a").labels("env:1").start().await;
    let labels = |from: usize, to: usize| {
        (from..to).map(|number| format!("n:{number}\n")).collect::<String>()
    };
    assert_eq!(daemon.add_labels(&labels(0, 1000)).await.status, 200);
    assert_refused(&daemon.add_labels(&labels(1000, 1024)).await, 400, &["1024"]);
    assert_eq!(daemon.own_labels().await.as_array().unwrap().len(), 1001);
    assert_eq!(daemon.add_labels(&labels(1000, 1023)).await.status, 200);
    assert_eq!(daemon.own_labels().await.as_array().unwrap().len(), 1024);
}

#[actix_rt::test]
async fn labels_that_make_the_own_packet_too_large_are_400() {
    let daemon = Lobbyd::named("a").start().await;
    let mut accepted = 0;
    for round in 0..5 {
        let body: String =
            (0..60).map(|number| format!("{round}{number:03}{}\n", "x".repeat(1019))).collect();
        let answer = daemon.add_labels(&body).await;
        if answer.status != 200 {
            assert_refused(&answer, 400, &[]);
            break;
        }
        accepted += 60;
    }
    assert_eq!(accepted, 240, "240 labels of 1 KiB fit into 256 KiB, 300 do not");
    assert_eq!(daemon.own_labels().await.as_array().unwrap().len(), accepted);
}

#[actix_rt::test]
async fn a_label_that_cannot_be_stored_is_500_and_not_published() {
    let daemon = Lobbyd::named("a").labels("env:1").start().await;
    std::fs::create_dir(daemon.labels_path().join("_runtime")).unwrap();
    let answer = daemon.add_labels("lost:1").await;
    assert_refused(&answer, 500, &["_runtime"]);
    assert_eq!(daemon.own_labels().await, json!(["env:1"]));
    daemon.knows(json!({"a": ["env:1"]})).await;
}

#[actix_rt::test]
async fn a_labels_directory_that_cannot_be_made_is_500() {
    let daemon = Lobbyd::named("a");
    let file = daemon.labels_path().join("file");
    std::fs::write(&file, "").unwrap();
    let daemon = daemon.set("LABELS_PATH", file.join("labels")).labels("env:1").start().await;
    assert_refused(&daemon.add_labels("lost:1").await, 500, &["labels"]);
    assert_eq!(daemon.own_labels().await, json!(["env:1"]));
}

#[actix_rt::test]
async fn requests_that_are_not_http_hurt_nobody() {
    let daemon = Lobbyd::named("a").start().await;
    let overlong = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(200_000));
    for garbage in ["GARBAGE\r\n\r\n", "\0\u{1}\u{2}\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", &overlong]
    {
        let reply = http::exchange(daemon.address(), garbage.as_bytes()).await.unwrap();
        assert!(!reply.starts_with(b"HTTP/1.1 2"), "{:?}", String::from_utf8_lossy(&reply));
        assert_eq!(daemon.get("/v1/discovery").await.status, 200);
    }
}

#[actix_rt::test]
async fn clients_that_never_finish_their_request_keep_nobody_waiting() {
    use tokio::io::AsyncWriteExt;
    let daemon = Lobbyd::named("a").start().await;
    let mut slow = vec![];
    for _ in 0..50 {
        let mut stream = http::connect(daemon.address()).await;
        stream
            .write_all(
                b"POST /v1/labels HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf",
            )
            .await
            .unwrap();
        slow.push(stream);
    }
    assert_eq!(daemon.add_labels("quick:1").await.status, 200);
    assert_eq!(daemon.own_labels().await, json!(["quick:1"]));
}
