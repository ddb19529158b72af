//! The check of a server's certificate and the words for what fails, shared by everything of lobby
//! that connects with TLS.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{VerifierBuilderError, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// The name of webpki's error for a certificate of an authority that a server shows as its own.
const AUTHORITY_AS_SERVER: &str = "CaUsedAsEndEntity";

/// What is said of a server that answers, but not in TLS.
pub const NOT_SPOKEN: &str = "it does not speak TLS";

/// A check as usual, with two additions: a certificate that is its own authority (`openssl req
/// -x509` makes such) is accepted where that very certificate was named as the authority, and a
/// server may be known by other names.
#[derive(Debug)]
pub struct CertificateCheck {
    usual: Arc<WebPkiServerVerifier>,
    named: Vec<CertificateDer<'static>>,
    names: Vec<ServerName<'static>>,
}

impl CertificateCheck {
    /// A check against these authorities. `named` are those that the user named; `names` are
    /// accepted beside the name that is connected to.
    ///
    /// # Errors
    /// When there is no authority.
    pub fn new(
        roots: RootCertStore,
        named: Vec<CertificateDer<'static>>,
        names: Vec<ServerName<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, VerifierBuilderError> {
        let usual =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
        Ok(Self { usual, named, names })
    }

    fn check(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.usual.verify_server_cert(certificate, intermediates, name, ocsp, now) {
            // The period of validity was checked before.
            Err(error)
                if is_authority_as_server(&error)
                    && self.named.iter().any(|named| named == certificate) =>
            {
                verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            outcome => outcome,
        }
    }
}

/// Whether a server was refused because its certificate is that of an authority.
fn is_authority_as_server(error: &Error) -> bool {
    matches!(error, Error::InvalidCertificate(CertificateError::Other(_)))
        && format!("{error:?}").contains(AUTHORITY_AS_SERVER)
}

impl ServerCertVerifier for CertificateCheck {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let mut outcome = self.check(certificate, intermediates, name, ocsp, now);
        for name in &self.names {
            if outcome.is_ok() {
                break;
            }
            outcome = self.check(certificate, intermediates, name, ocsp, now);
        }
        outcome
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}

/// What went wrong, and where it is known what to do about it.
pub fn in_words(error: &Error) -> String {
    if is_authority_as_server(error) {
        "the server's certificate is that of an authority (CA:TRUE): name that very certificate \
         as the authority, or give the server one that is not"
            .to_owned()
    } else if matches!(error, Error::InvalidMessage(_)) {
        NOT_SPOKEN.to_owned()
    } else if format!("{error:?}").contains("UnsupportedCertVersion") {
        "the certificate is of X.509 version 1: expected version 3".to_owned()
    } else {
        error.to_string()
    }
}

/// The words for a failure of TLS, if the error came from it.
pub fn explained(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let inside = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let error: &(dyn std::error::Error + 'static) = match inside {
            Some(inside) => inside,
            None => error,
        };
        if let Some(error) = error.downcast_ref::<Error>() {
            return Some(in_words(error));
        }
        cause = error.source();
    }
    None
}
