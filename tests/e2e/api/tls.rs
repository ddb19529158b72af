//! The API with TLS: who may speak with it, and what its files must be.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lobby_tests::{
    Certificates, LIMIT, Lobbyd, LobbydBuilder, NatsServer, Outcome, Process, Prometheus, RawPeer,
    Signal, ensure, eventually, http, lobbyctl_with, now, program,
};
use lobbyd::raise_open_files;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::cli::refusal;

fn with_tls(daemon: LobbydBuilder, certificates: &Certificates) -> LobbydBuilder {
    let (certificate, key) = certificates.server();
    daemon.set("TLS_CERT_FILE", certificate).set("TLS_KEY_FILE", key)
}

fn url(daemon: &Lobbyd, path: &str) -> String {
    format!("https://127.0.0.1:{}{path}", daemon.address().port())
}

/// What curl prints, or its exit status.
async fn curl(arguments: &[&str]) -> Result<String, Option<i32>> {
    let mut command = Command::new("curl");
    command.args(["-sS", "--max-time", "10"]).args(arguments).env_clear();
    let output = command.kill_on_drop(true).output().await.unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    if output.status.success() { Ok(printed) } else { Err(output.status.code()) }
}

/// Runs lobbyctl with these authorities.
async fn ask(daemon: &Lobbyd, authority: &Path, words: &[&str]) -> Outcome {
    let port = daemon.address().port().to_string();
    let authority = authority.to_str().unwrap();
    let environment =
        [("PROTOCOL", "https"), ("HOST", "127.0.0.1"), ("PORT", &port), ("CA_FILE", authority)];
    lobbyctl_with(&environment, words).await
}

#[actix_rt::test]
async fn curl_and_lobbyctl_speak_tls_with_it() {
    let certificates = Certificates::new();
    let daemon = with_tls(Lobbyd::named("a").labels("service:web"), &certificates).start().await;
    let authority = certificates.authority();
    let ca = authority.to_str().unwrap();
    let discovery = url(&daemon, "/v1/discovery");
    daemon.meets_over_tls(&authority).await;
    for version in [["--tlsv1.2", "--tls-max", "1.2"], ["--tlsv1.3", "--tls-max", "1.3"]] {
        let arguments = [&["--cacert", ca][..], &version, &[&discovery]].concat();
        let answer = curl(&arguments).await.unwrap();
        assert!(answer.contains(r#""hostname":"a""#), "{version:?}: {answer}");
    }
    let resolved = ask(&daemon, &authority, &["resolve", "service:web"]).await;
    assert_eq!((resolved.stdout.as_str(), resolved.status), ("a\n", Some(0)), "{resolved:?}");
    let added = ask(&daemon, &authority, &["labels", "add", "x:1"]).await;
    assert_eq!(added.status, Some(0), "{added:?}");
    assert_eq!(ask(&daemon, &authority, &["ping"]).await.status, Some(0));
    let other = Certificates::new();
    assert_eq!(ask(&daemon, &other.authority(), &["ping"]).await.status, Some(3));
}

/// Waits for the daemon's own list.
trait MeetsOverTls {
    async fn meets_over_tls(&self, authority: &Path);
}

impl MeetsOverTls for Lobbyd {
    async fn meets_over_tls(&self, authority: &Path) {
        eventually(LIMIT, async || {
            let listed = ask(self, authority, &["discoveries"]).await;
            ensure(listed.stdout.contains("service:web"), format!("{listed:?}"))
        })
        .await;
    }
}

#[actix_rt::test]
async fn prometheus_discovers_over_tls() {
    let certificates = Certificates::new();
    let labels = "prometheus:ne:host:127.0.0.1";
    let daemon = Lobbyd::named("a").labels(labels).set("TOKEN", "s3cret").set("READ_TOKEN", "r3ad");
    let daemon = with_tls(daemon, &certificates).start().await;
    let configuration = format!(
        "global: {{scrape_interval: 1h}}
scrape_configs:
- job_name: lobby
  http_sd_configs:
  - url: {}
    refresh_interval: 1s
    authorization: {{type: Bearer, credentials: r3ad}}
    tls_config: {{ca_file: {}}}
",
        url(&daemon, "/v1/prometheus/ne"),
        certificates.authority().display()
    );
    let prometheus = Prometheus::start(&configuration).await;
    prometheus.scrapes(&["http://127.0.0.1:9100/metrics"]).await;
}

#[actix_rt::test]
async fn no_version_below_1_2_is_spoken() {
    let certificates = Certificates::new();
    let daemon = with_tls(Lobbyd::named("a"), &certificates).start().await;
    let address = format!("127.0.0.1:{}", daemon.address().port());
    for (version, is_spoken) in [("-tls1", false), ("-tls1_1", false), ("-tls1_2", true)] {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-connect", &address, version, "-cipher", "DEFAULT:@SECLEVEL=0"]);
        let run = command.stdin(std::process::Stdio::null()).kill_on_drop(true).output();
        let output = tokio::time::timeout(LIMIT, run).await.unwrap().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(text.contains("Cipher is (NONE)"), !is_spoken, "{version}: {text}");
    }
}

#[actix_rt::test]
async fn a_client_without_tls_is_told_to_use_it() {
    let daemon = with_tls(Lobbyd::named("a"), &Certificates::new()).start().await;
    let answer = daemon.get("/v1/discovery").await;
    assert_eq!((answer.status, answer.text().as_str()), (400, "this port speaks TLS: use https\n"));
    let long = daemon.request("POST", "/v1/labels", &[], "x".repeat(1_000_000)).await;
    assert_eq!(long.status, 400);
}

#[actix_rt::test]
async fn sighup_reads_certificate_and_key_again() {
    let (former, renewed) = (Certificates::new(), Certificates::new());
    let daemon = with_tls(Lobbyd::named("a"), &former).start().await;
    let ping = async |certificates: &Certificates| {
        ask(&daemon, &certificates.authority(), &["ping"]).await.status
    };
    assert_eq!((ping(&former).await, ping(&renewed).await), (Some(0), Some(3)));

    let (certificate, key) = former.server();
    std::fs::copy(renewed.server().0, &certificate).unwrap();
    daemon.signal(Signal::HUP);
    let warning = daemon.logged("cannot read the certificate of the API again").await;
    assert!(warning.contains("TLS_CERT_FILE") && warning.contains("does not belong"), "{warning}");
    assert_eq!(ping(&former).await, Some(0), "the one that fits is kept");

    std::fs::copy(renewed.server().1, &key).unwrap();
    daemon.signal(Signal::HUP);
    eventually(LIMIT, async || {
        let statuses = (ping(&former).await, ping(&renewed).await);
        ensure(statuses == (Some(3), Some(0)), format!("{statuses:?}"))
    })
    .await;
}

#[actix_rt::test]
async fn a_certificate_without_its_key_is_refused_in_a_line() {
    let (own, other) = (Certificates::new(), Certificates::new());
    let (certificate, key) = own.server();
    let daemon = |certificate: &Path, key: &Path| {
        Lobbyd::named("a").set("TLS_CERT_FILE", certificate).set("TLS_KEY_FILE", key).spawn()
    };
    let line = refusal(&daemon(&certificate, &other.server().1)).await;
    assert!(line.starts_with("TLS_CERT_FILE: ") && line.contains("does not belong"), "{line}");
    let line = refusal(&daemon(&key, &key)).await;
    assert!(line.starts_with("TLS_CERT_FILE: ") && line.contains("no certificate"), "{line}");
    let line = refusal(&daemon(&certificate, &certificate)).await;
    assert!(line.starts_with("TLS_KEY_FILE: ") && line.contains("no private key"), "{line}");
    let line = refusal(&Lobbyd::named("a").set("TLS_CERT_FILE", &certificate).spawn()).await;
    assert_eq!(line, "TLS_CERT_FILE is set without TLS_KEY_FILE: both are needed");
    let missing = daemon(&certificate, Path::new("/nowhere/key"));
    assert_eq!(missing.wait(LIMIT).await.status.code(), Some(1));
    missing.logged("TLS_KEY_FILE: cannot read file /nowhere/key").await;
}

#[actix_rt::test]
async fn an_expired_certificate_and_an_open_key_are_warned_of() {
    use std::os::unix::fs::PermissionsExt;

    let certificates = Certificates::expired();
    let (_, key) = certificates.server();
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
    let daemon = with_tls(Lobbyd::named("a"), &certificates).start().await;
    daemon.logged("expired on").await;
    daemon.logged("TLS_KEY_FILE").await;
    let warnings = daemon.logs_with("a setting is odd").join("\n");
    assert!(warnings.contains("expired on 2020-02-03"), "{warnings}");
    assert!(warnings.contains("TLS_KEY_FILE") && warnings.contains("0600"), "{warnings}");
    assert_eq!(ask(&daemon, &certificates.authority(), &["ping"]).await.status, Some(3));
}

async fn connected(daemon: &Lobbyd, authority: &Path) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(authority).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let socket = http::connect(daemon.address()).await;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap()
}

#[actix_rt::test]
async fn idle_clients_give_way_with_tls_too() {
    raise_open_files();
    let certificates = Certificates::new();
    let few = ["sh", "-c", "ulimit -n 1024 && exec \"$@\"", "sh"].map(Into::into).to_vec();
    let daemon = with_tls(Lobbyd::named("a"), &certificates).launched_by(few).start().await;
    let (mut idle, mut silent) = (vec![], vec![]);
    for _ in 0..300 {
        idle.push(connected(&daemon, &certificates.authority()).await);
        silent
            .extend([http::connect(daemon.address()).await, http::connect(daemon.address()).await]);
    }
    assert!(daemon.open_files() < 1000, "{} files", daemon.open_files());
    // Sooner than after the 10 s in which those without a handshake lose their connections.
    let authority = certificates.authority();
    let asked = ask(&daemon, &authority, &["ping"]);
    assert_eq!(tokio::time::timeout(Duration::from_secs(8), asked).await.unwrap().status, Some(0));
}

#[actix_rt::test]
async fn a_client_that_never_begins_tls_is_cut() {
    let daemon = with_tls(Lobbyd::named("a"), &Certificates::new()).start().await;
    let mut silent = http::connect(daemon.address()).await;
    let mut half = http::connect(daemon.address()).await;
    half.write_all(b"\x16\x03\x01").await.unwrap();
    assert_eq!(http::rest(&mut silent).await, b"");
    assert_eq!(http::rest(&mut half).await, b"");
}

#[actix_rt::test]
async fn a_slow_request_within_tls_gets_408() {
    let certificates = Certificates::new();
    let daemon = with_tls(Lobbyd::named("a"), &certificates).start().await;
    let mut stream = connected(&daemon, &certificates.authority()).await;
    stream.write_all(b"GET / HTTP/1.1\r\nX: ").await.unwrap();
    let mut answer = String::new();
    let read = tokio::time::timeout(LIMIT, stream.read_to_string(&mut answer)).await.unwrap();
    assert!(read.is_ok() && answer.starts_with("HTTP/1.1 408 "), "{read:?} {answer}");
}

/// A daemon with TLS in a lobby with a peer.
struct Scene {
    daemon: Lobbyd,
    peer: RawPeer,
    certificates: Certificates,
    _nats: NatsServer,
}

impl Scene {
    async fn set(settings: &[(&str, &str)]) -> Self {
        let (nats, certificates) = (NatsServer::start().await, Certificates::new());
        let peer = RawPeer::nats(&nats).await;
        let daemon = Lobbyd::named("me").nats(&nats).set("TTL", "300");
        let daemon = settings.iter().fold(daemon, |daemon, (name, value)| daemon.set(name, *value));
        let daemon = with_tls(daemon, &certificates).start().await;
        peer.hears(1, "me", "hi").await;
        Self { daemon, peer, certificates, _nats: nats }
    }

    /// Asks for events, and returns the status and what is to come.
    async fn events(&self) -> (u16, TlsStream<TcpStream>) {
        let mut stream = connected(&self.daemon, &self.certificates.authority()).await;
        let request = b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut head = [0; "HTTP/1.1 200".len()];
        tokio::time::timeout(LIMIT, stream.read_exact(&mut head)).await.unwrap().unwrap();
        (std::str::from_utf8(&head[9..]).unwrap().parse().unwrap(), stream)
    }

    /// Starts `lobbyctl watch` with its output in a file.
    fn watch(&self, output: &Path) -> Process {
        let line = format!("exec {} watch >{}", program("lobbyctl").display(), output.display());
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &line]).env("PORT", self.daemon.address().port().to_string());
        shell.envs([("PROTOCOL", "https"), ("HOST", "127.0.0.1")]);
        shell.env("CA_FILE", self.certificates.authority());
        Process::start("lobbyctl", &mut shell)
    }
}

/// Reads until this comes.
async fn comes(stream: &mut TlsStream<TcpStream>, text: &str) {
    let mut seen = Vec::new();
    let read = async {
        while !String::from_utf8_lossy(&seen).contains(text) {
            assert!(stream.read_buf(&mut seen).await.unwrap() > 0, "the feed ends");
        }
    };
    tokio::time::timeout(LIMIT, read).await.unwrap_or_else(|_| panic!("no {text:?}"));
}

#[actix_rt::test]
async fn events_are_followed_over_tls() {
    let scene = Scene::set(&[]).await;
    let directory = TempDir::new().unwrap();
    let output = directory.path().join("output");
    let _watch = scene.watch(&output);
    let prints = async |text: &str| {
        eventually(LIMIT, async || {
            let printed = std::fs::read_to_string(&output).map_err(|error| error.to_string())?;
            ensure(printed.contains(text), printed)
        })
        .await;
    };
    let (status, mut feed) = scene.events().await;
    assert_eq!(status, 200);
    comes(&mut feed, "event: snapshot").await;
    prints("  here    me\n").await;
    scene.peer.say_hi("b", &["x:1"]).await;
    comes(&mut feed, "event: join").await;
    prints("  join    b  x:1\n").await;
    scene.peer.say_goodbye("b").await;
    comes(&mut feed, "event: leave").await;
    prints("  leave   b  goodbye  x:1\n").await;
}

#[actix_rt::test]
async fn a_reader_within_tls_that_takes_nothing_is_cut() {
    let scene = Scene::set(&[("MAX_STREAMS", "1")]).await;
    let (status, _stream) = scene.events().await;
    assert_eq!(status, 200);
    let (begun, mut round) = (now(), 0);
    // Until it is cut it is written to, more than all buffers on the way hold.
    eventually(Duration::from_secs(90), async || {
        round += 1;
        let labels: Vec<_> = (0..100).map(|n| format!("{round}:{n:0900}")).collect();
        let labels: Vec<_> = labels.iter().map(String::as_str).collect();
        if round < 300 {
            scene.peer.say_hi("b", &labels).await;
        }
        let (status, _other) = scene.events().await;
        ensure(status == 200, status)
    })
    .await;
    assert!(begun.elapsed() > Duration::from_secs(25), "cut after {:?}", begun.elapsed());
}
