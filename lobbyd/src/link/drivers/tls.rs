//! Certificate files, checked here because the brokers' clients do not say which file was at fault.

use std::path::Path;

use anyhow::Context;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The content of a file with at least one certificate in PEM form.
///
/// # Errors
/// When the file cannot be read or is something else; the message names setting and file.
pub(super) async fn certificates(setting: &str, path: &Path) -> anyhow::Result<Vec<u8>> {
    let pem = read(setting, path).await?;
    CertificateDer::from_pem_slice(&pem)
        .with_context(|| format!("{setting}: {} holds no certificate in PEM form", path.display()))?;
    Ok(pem)
}

/// Makes sure that a file holds a private key in PEM form.
///
/// # Errors
/// When the file cannot be read or is something else; the message names setting and file.
pub(super) async fn check_private_key(setting: &str, path: &Path) -> anyhow::Result<()> {
    let pem = read(setting, path).await?;
    PrivateKeyDer::from_pem_slice(&pem)
        .ok()
        .with_context(|| format!("{setting}: {} holds no private key in PEM form", path.display()))?;
    Ok(())
}

async fn read(setting: &str, path: &Path) -> anyhow::Result<Vec<u8>> {
    tokio::fs::read(path).await.with_context(|| format!("{setting}: cannot read {}", path.display()))
}
