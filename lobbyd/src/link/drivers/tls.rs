//! TLS to a broker: its settings as a configuration of rustls.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use lobby_client::tls::{CertificateCheck, in_words};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};

use crate::config::LONGEST_FILE;
use crate::sys::files;

/// How long the reading of all files of a driver may take: less than the limit of its addresses, so
/// that it can be told.
pub(super) const READ_LIMIT: Duration = Duration::from_secs(2);

/// A file that a setting names.
#[derive(Debug, Clone)]
pub(super) struct NamedFile {
    pub(super) setting: &'static str,
    pub(super) path: PathBuf,
}

impl NamedFile {
    pub(super) fn new(setting: &'static str, path: &Path) -> Self {
        Self { setting, path: path.to_owned() }
    }

    /// The content, read now as it may have changed. Blocks.
    ///
    /// # Errors
    /// Why it cannot be read; the message names setting and file.
    pub(super) fn read(&self) -> anyhow::Result<Vec<u8>> {
        let Self { setting, path } = self;
        files::read_bounded(path, LONGEST_FILE)
            .with_context(|| format!("{setting}: cannot read {}", path.display()))
    }

    fn certificates(&self) -> anyhow::Result<Vec<CertificateDer<'static>>> {
        let Self { setting, path } = self;
        let certificates: Result<Vec<_>, _> =
            CertificateDer::pem_slice_iter(&self.read()?).collect();
        let certificates = certificates
            .with_context(|| format!("{setting}: {} is not valid PEM", path.display()))?;
        ensure!(
            !certificates.is_empty(),
            "{setting}: {} holds no certificate in PEM form",
            path.display()
        );
        Ok(certificates)
    }

    fn private_key(&self) -> anyhow::Result<PrivateKeyDer<'static>> {
        let Self { setting, path } = self;
        let key = PrivateKeyDer::from_pem_slice(&self.read()?).ok();
        key.with_context(|| {
            format!("{setting}: {} holds no private key in PEM form", path.display())
        })
    }
}

/// The files of a connection with TLS.
#[derive(Debug, Clone, Default)]
pub(super) struct TlsFiles {
    /// Authorities; without it those of the system.
    pub(super) authority: Option<NamedFile>,
    /// Client certificate and its key.
    pub(super) client: Option<(NamedFile, NamedFile)>,
}

/// What the files of a connection with TLS hold.
#[derive(Debug)]
pub(super) struct TlsMaterial {
    roots: RootCertStore,
    /// The certificates that were named as authorities.
    named: Vec<CertificateDer<'static>>,
    client: Option<Arc<CertifiedKey>>,
}

impl TlsFiles {
    /// Reads all of them. Blocks.
    ///
    /// # Errors
    /// What is wrong with a file; the message names setting and file.
    pub(super) fn read(&self) -> anyhow::Result<TlsMaterial> {
        let (roots, named) = match &self.authority {
            Some(file) => own_roots(file)?,
            None => (system_roots()?, Vec::new()),
        };
        let client = self.client.as_ref().map(|(certificate, key)| certified(certificate, key));
        Ok(TlsMaterial { roots, named, client: client.transpose()? })
    }
}

impl TlsMaterial {
    /// A configuration made of it. The server may show a certificate for the name that is connected
    /// to, or for one of `names`.
    ///
    /// # Errors
    /// When there is no authority.
    pub(super) fn config(&self, names: Vec<ServerName<'static>>) -> anyhow::Result<ClientConfig> {
        let provider = Arc::new(ring::default_provider());
        let check = CertificateCheck::new(
            self.roots.clone(),
            self.named.clone(),
            names,
            Arc::clone(&provider),
        )?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(check));
        Ok(match &self.client {
            Some(client) => builder
                .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(client)))),
            None => builder.with_no_client_auth(),
        })
    }
}

/// A client certificate with its key, which must belong to it.
fn certified(certificate: &NamedFile, key: &NamedFile) -> anyhow::Result<Arc<CertifiedKey>> {
    let (chain, private) = (certificate.certificates()?, key.private_key()?);
    let certified = CertifiedKey::from_der(chain, private, &ring::default_provider());
    certified.map(Arc::new).map_err(|error| unusable(certificate, key, &error))
}

fn own_roots(file: &NamedFile) -> anyhow::Result<(RootCertStore, Vec<CertificateDer<'static>>)> {
    let (certificates, mut roots) = (file.certificates()?, RootCertStore::empty());
    for certificate in &certificates {
        let NamedFile { setting, path } = file;
        let added = roots.add(certificate.clone());
        added.map_err(|error| {
            anyhow!("{setting}: {} cannot be used: {}", path.display(), in_words(&error))
        })?;
    }
    Ok((roots, certificates))
}

/// One unreadable certificate among many does no harm; none at all does.
fn system_roots() -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let hint = "install the package ca-certificates or name a file of authorities";
    ensure!(!roots.is_empty(), "the system has no certificates to check the server with: {hint}");
    Ok(roots)
}

fn unusable(certificate: &NamedFile, key: &NamedFile, error: &rustls::Error) -> anyhow::Error {
    let reason = match error {
        rustls::Error::InconsistentKeys(_) => {
            format!("it does not belong to the key in {}", key.path.display())
        }
        error => in_words(error),
    };
    anyhow!("{}: {} cannot be used: {reason}", certificate.setting, certificate.path.display())
}
