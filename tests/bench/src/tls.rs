//! TLS for the load generator, and the limit of handshakes: a bare rustls server.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result};
use lobby_tests::Certificates;
use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::AsyncReadExt;
use tokio_rustls::TlsAcceptor;

use crate::process::Running;

/// How many threads the bare server has, as lobbyd on the machine that is measured.
const WORKERS: usize = 2;

/// A client that trusts this authority and makes each handshake in full.
///
/// # Errors
/// When the file cannot be used.
pub fn client_config(authority: &Path) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(authority)? {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// A running bare server, as lobbyd a process of its own.
#[derive(Debug)]
pub struct BareServer {
    /// Where it listens.
    pub address: SocketAddr,
    _process: Running,
}

impl BareServer {
    /// Starts one with the certificate of the server.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(certificates: &Certificates) -> Result<Self> {
        let (certificate, key) = certificates.server();
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("handshakes").args([certificate, key]).stdout(Stdio::piped());
        let mut process = Running::start(&mut command)?;
        let mut line = String::new();
        let stdout = process.child().stdout.take().context("the output is piped")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let port = line.trim().parse().context("the bare server says its port")?;
        Ok(Self { address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), _process: process })
    }
}

/// What the child does: takes connections, makes handshakes and waits for the end, until killed.
///
/// # Errors
/// When the files cannot be read or there is no socket.
pub fn serve(certificate: &Path, key: &Path) -> Result<()> {
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(key)?)?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    rustix::net::listen(&listener, 2048)?;
    listener.set_nonblocking(true)?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?.port())?;
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| {
            let (listener, acceptor) = (listener.try_clone()?, acceptor.clone());
            Ok(thread::spawn(move || work(listener, &acceptor)))
        })
        .collect::<Result<_>>()?;
    for worker in workers {
        worker.join().map_err(|_| anyhow::anyhow!("a worker failed"))??;
    }
    Ok(())
}

fn work(listener: TcpListener, acceptor: &TlsAcceptor) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (socket, _) = listener.accept().await?;
            socket.set_nodelay(true)?;
            let accepting = acceptor.accept(socket);
            tokio::spawn(async {
                let mut stream = accepting.await?;
                stream.read_u8().await
            });
        }
    })
}
