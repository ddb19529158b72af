//! TLS for `https`, with ring and over HTTP/1.1 only.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::Error;

/// The certificates of the system, or those of a file instead.
pub(super) fn config(ca_file: Option<&Path>) -> Result<ClientConfig, Error> {
    let roots = match ca_file {
        Some(path) => own_roots(path)?,
        None => system_roots()?,
    };
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Invalid(format!("TLS cannot be set up: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // HTTP/2 is nothing lobby needs, and the version that awc has is open to RUSTSEC-2026-0258.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// One unreadable certificate among many does no harm; none at all does.
fn system_roots() -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        let hint = "install the package ca-certificates or name a certificate file";
        return Err(Error::Invalid(format!(
            "the system has no certificates to check https with: {hint}"
        )));
    }
    Ok(roots)
}

fn own_roots(path: &Path) -> Result<RootCertStore, Error> {
    let bad = |cause: &dyn std::fmt::Display| {
        Error::Invalid(format!("certificate file {} cannot be used: {cause}", path.display()))
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| bad(&error))? {
        roots.add(certificate.map_err(|error| bad(&error))?).map_err(|error| bad(&error))?;
    }
    if roots.is_empty() { Err(bad(&"it holds no PEM certificate")) } else { Ok(roots) }
}
