//! The client against a socket that gives one prepared answer and keeps what it was asked.

use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

/// The answer of lobby 1.x to a wrong token, byte for byte.
const ORIGINAL_403: &str = "HTTP/1.1 403 Forbidden\r\nContent-Type: application/json; charset=UTF-8\r\nContent-Length: 32\r\n\r\n{\n \"message\": \"access denied\"\n}\n";

fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// Reads one request, head and body, and answers it.
async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &str) -> String {
    let mut request = Vec::new();
    while !is_whole(&request) {
        assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0, "the client hung up");
    }
    stream.write_all(answer.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    String::from_utf8(request).unwrap()
}

fn is_whole(request: &[u8]) -> bool {
    let Some((head, body)) = std::str::from_utf8(request).unwrap().split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

/// What a call gives when it is answered so, and the request it made.
async fn call<T>(answer: &str, ask: impl AsyncFnOnce(Client) -> T) -> (T, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let client = Client::builder(&url).token("s3cret").build().unwrap();
    let served = async { serve(listener.accept().await.unwrap().0, answer).await };
    tokio::join!(ask(client), served)
}

async fn refusal(answer: &str) -> Error {
    call(answer, async |client: Client| client.resolve("a:1").await).await.0.unwrap_err()
}

fn label(text: &str) -> Label {
    Label::parse(text).unwrap()
}

#[actix_rt::test]
async fn a_filter_travels_in_the_query_and_the_token_in_the_header() {
    let body =
        "[\n  {\n    \"hostname\": \"n1\",\n    \"labels\": null,\n    \"last_check\": 7\n  }\n]\n";
    let filter = Filter::Prefixes(vec!["service:".into(), "a b".into()]);
    let (servers, request) =
        call(&answer("200 OK", body), async |client: Client| client.discoveries(&filter).await)
            .await;
    let expected =
        Discovery { last_check: 7, ..Discovery::new(HostName::parse("n1").unwrap(), vec![]) };
    assert_eq!(servers.unwrap(), [expected]);
    assert!(
        request.starts_with("GET /v1/discoveries?prefixes=service:,a%20b HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(
        request.to_ascii_lowercase().contains("\r\nauthorization: token s3cret\r\n"),
        "{request}"
    );
}

#[actix_rt::test]
async fn a_selector_is_checked_again_as_old_daemons_give_everybody() {
    let body = answer("200 OK", r#"[{"hostname":"a","labels":["x y"]},{"hostname":"b"}]"#);
    let selector: Selector = "'x y', @hostname=~'[ab]'".parse().unwrap();
    let (names, request) = call(&body, async |client: Client| client.names(&selector).await).await;
    assert_eq!(names.unwrap(), [HostName::parse("a").unwrap()]);
    let path = "/v1/discoveries?selector=%27x%20y%27%20and%20%40hostname%3D~%27%5Bab%5D%27";
    assert!(request.starts_with(&format!("GET {path} HTTP/1.1\r\n")), "{request}");
}

#[actix_rt::test]
async fn a_warm_list_is_asked_for_beside_any_filter() {
    for (filter, path) in [
        (Filter::All, "/v1/discoveries?warm"),
        (Filter::Labels(vec!["a:1".to_owned()]), "/v1/discoveries?labels=a:1&warm"),
    ] {
        let asked = async |client: Client| client.warm_discoveries(&filter).await;
        let (servers, request) = call(&answer("200 OK", "[]"), asked).await;
        assert_eq!(servers, Ok(vec![]));
        assert!(request.starts_with(&format!("GET {path} HTTP/1.1\r\n")), "{request}");
    }
}

#[actix_rt::test]
async fn labels_travel_in_the_body_one_a_line_without_a_blank_one() {
    let labels = [label("public_ip4:1.2.3.4,5"), label("b:č")];
    let (added, request) =
        call(&answer("200 OK", "OK"), async |client: Client| client.add_labels(&labels).await)
            .await;
    assert_eq!(added, Ok(()));
    assert!(request.starts_with("POST /v1/labels HTTP/1.1\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\npublic_ip4:1.2.3.4,5\nb:č"), "{request}");
    let (_, request) =
        call(&answer("200 OK", "OK"), async |client: Client| client.delete_labels(&labels).await)
            .await;
    assert!(request.starts_with("DELETE /v1/labels HTTP/1.1\r\n"), "{request}");
}

#[actix_rt::test]
async fn prometheus_groups_are_typed() {
    let body = r#"[{"Targets":["h:9100"],"Labels":{"location":"prague"}}]"#;
    let (groups, request) = call(&answer("200 OK", body), async |client: Client| {
        client.prometheus("node:exporter").await
    })
    .await;
    let groups = groups.unwrap();
    assert_eq!(
        (groups[0].targets.as_slice(), &*groups[0].labels["location"]),
        (&["h:9100".to_owned()][..], "prague")
    );
    assert!(request.starts_with("GET /v1/prometheus/node:exporter HTTP/1.1\r\n"), "{request}");
}

#[actix_rt::test]
async fn a_403_is_about_the_token_only_when_it_says_so() {
    let ours = "HTTP/1.1 403 Forbidden\r\nWWW-Authenticate: Token\r\nContent-Length: 13\r\n\r\nwrong token.\n";
    assert!(
        matches!(refusal(ours).await, Error::Unauthorised { text, .. } if text == "wrong token.")
    );
    assert!(
        matches!(refusal(ORIGINAL_403).await, Error::Unauthorised { text, .. } if text == "access denied")
    );
    let browser = answer("403 Forbidden", "requests of other sites are refused\n");
    assert!(matches!(refusal(&browser).await, Error::Refused { status: 403, .. }));
}

#[actix_rt::test]
async fn any_status_but_200_is_a_refusal() {
    for status in ["204 No Content", "201 Created", "302 Found", "500 Internal Server Error"] {
        let code = status[..3].parse::<u16>().unwrap();
        let head = format!(
            "HTTP/1.1 {status}\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
        );
        let error = refusal(&head).await;
        assert!(matches!(&error, Error::Refused { status, .. } if *status == code), "{error}");
    }
}

#[actix_rt::test]
async fn a_refusal_is_one_line_with_url_status_and_text() {
    let text = refusal(&answer("400 Bad Request", "line 1:\r\n \x1b[31mred\n")).await.to_string();
    assert!(text.starts_with("http://127.0.0.1:"), "{text}");
    assert!(text.ends_with("/v1/resolve?label=a:1 answered 400: line 1: [31mred"), "{text}");
}

#[actix_rt::test]
async fn what_is_no_answer_of_a_daemon_is_malformed() {
    assert!(matches!(refusal(&answer("200 OK", "<html>")).await, Error::Malformed { .. }));
    assert!(matches!(refusal("INFO {\"server_id\":\"nats\"}\r\n").await, Error::Malformed { .. }));
}

/// What a call gives when the connection ends, or is reset, behind this part of an answer.
async fn cut_off(part: &str, is_reset: bool) -> Error {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let served = async {
        let mut stream = listener.accept().await.unwrap().0;
        if is_reset {
            // What was not read when a socket is closed resets its connection.
            stream.readable().await.unwrap();
            stream.write_all(part.as_bytes()).await.unwrap();
        } else {
            serve(stream, part).await;
        }
    };
    tokio::join!(client.resolve("a:1"), served).0.unwrap_err()
}

#[actix_rt::test]
async fn a_refusal_without_a_text_is_no_answer_that_was_cut_off() {
    let refused = "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert!(matches!(refusal(refused).await, Error::Refused { status: 404, .. }));
}

#[actix_rt::test]
async fn an_answer_that_is_cut_off_anywhere_is_unreachable() {
    let parts = [
        "",
        "HTTP/1.1 2",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[\"a\",",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[\"a\",\r\n",
        "HTTP/1.1 400 Bad Request\r\nContent-Length: 9\r\n\r\nline",
    ];
    for (part, is_reset) in parts.into_iter().flat_map(|part| [(part, false), (part, true)]) {
        let error = cut_off(part, is_reset).await;
        assert!(matches!(error, Error::Unreachable { .. }), "{part:?} {is_reset}: {error}");
    }
}

#[actix_rt::test]
async fn a_closed_port_is_unreachable_and_the_text_says_why() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let text = Client::new(&url).unwrap().discovery().await.unwrap_err().to_string();
    assert!(text.starts_with(&format!("cannot reach {url}/v1/discovery: ")), "{text}");
    assert!(text.contains("refused"), "{text}");
}

#[actix_rt::test]
async fn a_daemon_that_is_silent_is_given_up_after_the_time_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let client = Client::builder(&url).timeout(Duration::from_millis(20)).build().unwrap();
    let error = client.discovery().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot reach {url}/v1/discovery: no answer within 20ms")
    );
}

#[actix_rt::test]
async fn an_ipv6_address_is_reached() {
    let listener = TcpListener::bind("[::1]:0").await.unwrap();
    let url = Protocol::Http.base_url("::1", listener.local_addr().unwrap().port());
    let client = Client::new(&url).unwrap();
    let served =
        async { serve(listener.accept().await.unwrap().0, &answer("200 OK", "[\"a\"]")).await };
    let (names, request) = tokio::join!(client.resolve("a:1"), served);
    assert_eq!(names.unwrap(), [HostName::parse("a").unwrap()]);
    assert!(request.to_ascii_lowercase().contains("\r\nhost: [::1]:"), "{request}");
}

/// A server certificate for localhost that is its own authority, and the server's side of TLS with
/// it.
fn certified() -> (String, TlsAcceptor) {
    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(own.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (own.cert.pem(), TlsAcceptor::from(Arc::new(config)))
}

#[actix_rt::test]
async fn https_trusts_the_given_authority_and_stays_with_http_1() {
    let (pem, acceptor) = certified();
    let ca_file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&ca_file, pem).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let client = Client::builder(&url).ca_file(ca_file.path()).build().unwrap();
    let served = async {
        let stream = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
        serve(stream, &answer("200 OK", "[]")).await
    };
    let (names, request) = tokio::join!(client.resolve("a:1"), served);
    assert_eq!(names, Ok(vec![]));
    assert!(request.starts_with("GET /v1/resolve?label=a:1 HTTP/1.1\r\n"), "{request}");
}

#[actix_rt::test]
async fn https_to_a_server_with_an_unknown_certificate_is_unreachable() {
    let (_, acceptor) = certified();
    let (other, _) = certified();
    let ca_file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&ca_file, other).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let client = Client::builder(&url).ca_file(ca_file.path()).build().unwrap();
    let served = async { acceptor.accept(listener.accept().await.unwrap().0).await.is_ok() };
    let (error, accepted) = tokio::join!(client.discovery(), served);
    assert!(
        matches!(&error, Err(Error::Unreachable { cause, .. }) if cause.contains("certificate")),
        "{error:?}"
    );
    assert!(!accepted);
}

#[test]
fn a_certificate_file_that_is_not_a_file_is_refused_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    mknodat(CWD, at("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    std::fs::write(at("huge"), vec![b'#'; (4 << 20) + 1]).unwrap();
    for (path, why) in [
        (at("fifo"), "is a FIFO, not a regular file"),
        ("/dev/zero".into(), "is a device, not a regular file"),
        (directory.path().to_owned(), "is a directory, not a regular file"),
        (at("huge"), "is larger than 4194304 bytes"),
        (at("missing"), "No such file or directory (os error 2)"),
    ] {
        let Err(error) = Client::builder("https://localhost").ca_file(&path).build() else {
            panic!("{} is taken", path.display())
        };
        let expected = format!("certificate file {} cannot be used: {why}", path.display());
        assert!(error.to_string().ends_with(&expected), "{error}");
    }
}
