//! TLS identity: the certificate that the API shows, with its key.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::{Context, ensure};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::values::{LONGEST_FILE, Values};
use super::{ConfigError, Oddity, table};
use crate::sys::certificate::Validity;
use crate::sys::{clock, files};

/// A certificate with its key, from files that can be read again while the daemon runs.
///
/// Clones share them: when one is reloaded, all are.
#[derive(Clone)]
pub struct TlsIdentity {
    certificate: PathBuf,
    key: PathBuf,
    current: Arc<RwLock<Arc<CertifiedKey>>>,
}

impl TlsIdentity {
    /// The identity that TLS_CERT_FILE and TLS_KEY_FILE name.
    pub(super) fn from_values(values: &Values<'_>) -> Result<Option<Self>, ConfigError> {
        let certificate = values.optional(&table::TLS_CERT_FILE)?;
        let key = values.optional(&table::TLS_KEY_FILE)?;
        let Some((certificate, key)) = certificate.zip(key) else { return Ok(None) };
        let current = Arc::new(RwLock::new(Arc::new(load(&certificate, &key)?)));
        Ok(Some(Self { certificate, key, current }))
    }

    /// Reads the files again. Blocks. Connections that are open keep the certificate that they have
    /// seen.
    ///
    /// # Errors
    /// When they cannot be used; the identity then stays as it was. The message names setting and
    /// file.
    pub fn reload(&self) -> Result<(), ConfigError> {
        let fresh = Arc::new(load(&self.certificate, &self.key)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// What is odd about the certificate as it is now.
    pub fn oddity(&self) -> Option<Oddity> {
        let current = self.current();
        let hint = odd_period(&self.certificate, current.cert.first()?)?;
        Some(Oddity::new(table::TLS_CERT_FILE.info.name, hint))
    }

    fn current(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsIdentity")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

impl ResolvesServerCert for TlsIdentity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

fn load(certificate: &Path, key: &Path) -> Result<CertifiedKey, ConfigError> {
    let (cert_setting, key_setting) = (&table::TLS_CERT_FILE.info, &table::TLS_KEY_FILE.info);
    let public =
        read(certificate).map_err(|error| ConfigError::unreadable(cert_setting, &error))?;
    let private = read(key).map_err(|error| ConfigError::unreadable(key_setting, &error))?;
    let chain = chain(certificate, &public)
        .map_err(|error| ConfigError::bad_value(cert_setting, &format!("{error:#}")))?;
    let secret = PrivateKeyDer::from_pem_slice(&private).map_err(|_| {
        let why =
            format!("{} holds no private key: expected PEM without a password", key.display());
        ConfigError::bad_value(key_setting, &why)
    })?;
    CertifiedKey::from_der(chain, secret, &ring::default_provider())
        .map_err(|error| unusable(certificate, key, &error))
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    files::read_bounded(path, LONGEST_FILE)
        .with_context(|| format!("cannot read file {}", path.display()))
}

/// The certificates of a file, the server's first.
fn chain(path: &Path, pem: &[u8]) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = chain.with_context(|| format!("{} is not valid PEM", path.display()))?;
    ensure!(
        !chain.is_empty(),
        "{} holds no certificate: expected the server's certificate as PEM, then those that signed it",
        path.display()
    );
    Ok(chain)
}

fn unusable(certificate: &Path, key: &Path, error: &rustls::Error) -> ConfigError {
    let (certificate, key) = (certificate.display(), key.display());
    if let rustls::Error::InconsistentKeys(_) = error {
        let why =
            format!("{certificate} does not belong to the key in {key}: expected its own key");
        ConfigError::bad_value(&table::TLS_CERT_FILE.info, &why)
    } else if let rustls::Error::InvalidCertificate(error) = error {
        let why = format!("{certificate} cannot be used: {error:?}");
        ConfigError::bad_value(&table::TLS_CERT_FILE.info, &why)
    } else {
        ConfigError::bad_value(&table::TLS_KEY_FILE.info, &format!("{key} cannot be used: {error}"))
    }
}

/// What is odd about the period of a certificate.
fn odd_period(path: &Path, certificate: &CertificateDer<'_>) -> Option<String> {
    let Validity { begin, end } = Validity::of(certificate)?;
    let (path, now) = (path.display(), clock::unix_seconds());
    if now > end.unix_seconds {
        Some(format!("{path} expired on {}: clients will refuse it, it must be renewed", end.day))
    } else if now < begin.unix_seconds {
        Some(format!("{path} is valid from {} only: clients will refuse it until then", begin.day))
    } else {
        None
    }
}
