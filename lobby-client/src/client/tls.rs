//! TLS for `https`, with ring and over HTTP/1.1 only.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::Error;
use crate::files::read_bounded;
use crate::tls::{CertificateCheck, in_words};

/// Greatest size of a certificate file, in bytes.
const LONGEST_FILE: usize = 4 << 20;

/// A configuration that trusts the certificates of the system, or those of a file instead.
pub(super) fn config(ca_file: Option<&Path>) -> Result<ClientConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let (roots, named) = match ca_file {
        Some(path) => own_roots(path)?,
        None => (system_roots()?, Vec::new()),
    };
    let bad = |error: &dyn Display| Error::Invalid(format!("TLS cannot be set up: {error}"));
    let check = CertificateCheck::new(roots, named, Vec::new(), Arc::clone(&provider))
        .map_err(|error| bad(&error))?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| bad(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(check))
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

/// The certificates of a file, as authorities and as they are.
fn own_roots(path: &Path) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), Error> {
    let bad = |cause: &dyn Display| {
        Error::Invalid(format!("certificate file {} cannot be used: {cause}", path.display()))
    };
    let pem = read_bounded(path, LONGEST_FILE).map_err(|error| bad(&error))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates.map_err(|error| bad(&error))?;
    let mut roots = RootCertStore::empty();
    for certificate in &certificates {
        roots.add(certificate.clone()).map_err(|error| bad(&in_words(&error)))?;
    }
    if roots.is_empty() {
        Err(bad(&"it holds no PEM certificate"))
    } else {
        Ok((roots, certificates))
    }
}
