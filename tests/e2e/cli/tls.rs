//! A daemon behind a reverse proxy that speaks TLS.

use std::path::Path;
use std::sync::Arc;

use lobby_tests::{Certificates, Lobbyd, Outcome, lobbyctl_with};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A proxy that takes TLS off what goes to a daemon; it ends when this value is dropped.
struct TlsProxy {
    port: u16,
    accepting: JoinHandle<()>,
}

impl TlsProxy {
    async fn to(daemon: &Lobbyd, certificates: &Certificates) -> Self {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (acceptor, target) = (acceptor(certificates), daemon.address());
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let mut client = acceptor.accept(client).await?;
                    let mut server = TcpStream::connect(target).await?;
                    tokio::io::copy_bidirectional(&mut client, &mut server).await
                });
            }
        });
        Self { port, accepting }
    }

    /// Asks through it for the daemon's own server, trusting the authority in a file.
    async fn discovery(&self, host: &str, authority: &Path) -> Outcome {
        let (port, authority) = (self.port.to_string(), authority.display().to_string());
        let environment =
            [("PROTOCOL", "https"), ("HOST", host), ("PORT", &port), ("CA_FILE", &authority)];
        lobbyctl_with(&environment, &["discovery"]).await
    }
}

impl Drop for TlsProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn acceptor(certificates: &Certificates) -> TlsAcceptor {
    let (certificate, key) = certificates.server();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_file(certificate).unwrap()],
            PrivateKeyDer::from_pem_file(key).unwrap(),
        );
    TlsAcceptor::from(Arc::new(config.unwrap()))
}

#[actix_rt::test]
async fn a_self_signed_authority_is_accepted_where_it_is_named() {
    let daemon = Lobbyd::named("a").start().await;
    let certificates = Certificates::self_signed();
    let proxy = TlsProxy::to(&daemon, &certificates).await;
    for host in ["127.0.0.1", "localhost"] {
        let outcome = proxy.discovery(host, &certificates.authority()).await;
        assert_eq!(
            (outcome.status, outcome.stdout.as_str(), outcome.stderr.as_str()),
            (Some(0), "Hostname:\n  a\n", "")
        );
    }
}

#[actix_rt::test]
async fn a_self_signed_authority_that_is_not_named_is_told() {
    let daemon = Lobbyd::named("a").start().await;
    let proxy = TlsProxy::to(&daemon, &Certificates::self_signed()).await;
    let outcome = proxy.discovery("127.0.0.1", &Certificates::self_signed().authority()).await;
    let advice = "name that very certificate as the authority, or give the server one that is not";
    assert_eq!(outcome.status, Some(3), "{}", outcome.stderr);
    assert!(outcome.stderr.contains(advice), "{}", outcome.stderr);
}

#[actix_rt::test]
async fn a_named_self_signed_authority_serves_its_own_names_only() {
    let daemon = Lobbyd::named("a").start().await;
    let certificates = Certificates::self_signed();
    let proxy = TlsProxy::to(&daemon, &certificates).await;
    // It listens there too, and its certificate is for 127.0.0.1 and localhost.
    let outcome = proxy.discovery("127.0.0.2", &certificates.authority()).await;
    assert_eq!((outcome.status, outcome.stdout.as_str()), (Some(3), ""), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("not valid for name"), "{}", outcome.stderr);
}
