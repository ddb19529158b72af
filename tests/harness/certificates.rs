//! Certificates made for one test.

use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, date_time_ymd,
};
use tempfile::TempDir;

/// An authority with a certificate for a server on loopback and one for a client, as PEM files.
#[derive(Debug)]
pub struct Certificates(TempDir);

impl Certificates {
    /// Makes all of them afresh, so two of these do not trust each other.
    ///
    /// # Panics
    /// If they cannot be made or written.
    pub fn new() -> Self {
        Self::of_server(&["localhost", "127.0.0.1"])
    }

    /// Makes all of them afresh, with these names in the server's certificate.
    ///
    /// # Panics
    /// If they cannot be made or written.
    pub fn of_server(names: &[&str]) -> Self {
        let files = Self(TempDir::new().expect("a temporary directory can be made"));
        let authority = authority();
        files.write("ca.pem", &authority.pem());
        files.issue("server", names, ExtendedKeyUsagePurpose::ServerAuth, &authority);
        files.issue("client", &["lobbyd"], ExtendedKeyUsagePurpose::ClientAuth, &authority);
        files
    }

    /// Makes a certificate of a server that is its own authority, as `openssl req -x509` does.
    ///
    /// # Panics
    /// If it cannot be made or written.
    pub fn self_signed() -> Self {
        let files = Self(TempDir::new().expect("a temporary directory can be made"));
        let mut params = params_of(&["localhost", "127.0.0.1"], "server");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.self_signed(&key).expect("a certificate can be signed");
        files.write("server.pem", &certificate.pem());
        files.write("ca.pem", &certificate.pem());
        files.write("server.key", &key.serialize_pem());
        files
    }

    /// Makes all of them afresh; that of the server was valid until 2020-02-03.
    ///
    /// # Panics
    /// If they cannot be made or written.
    pub fn expired() -> Self {
        let files = Self(TempDir::new().expect("a temporary directory can be made"));
        let authority = authority();
        files.write("ca.pem", &authority.pem());
        let mut params = params_of(&["localhost", "127.0.0.1"], "server");
        params.not_after = date_time_ymd(2020, 2, 3);
        files.sign("server", &params, &authority);
        files
    }

    /// A certificate of X.509 version 1, as `openssl x509 -req` makes it without extensions, and
    /// its key.
    ///
    /// # Panics
    /// If openssl cannot make it.
    pub fn version_1(&self) -> (PathBuf, PathBuf) {
        let (certificate, key) = self.pair("version-1");
        let request = self.0.path().join("version-1.csr");
        openssl(
            &["req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=lobbyd"],
            &[("-keyout", &key), ("-out", &request)],
        );
        openssl(
            &["x509", "-req", "-days", "30"],
            &[("-in", &request), ("-signkey", &key), ("-out", &certificate)],
        );
        (certificate, key)
    }

    /// The authority's certificate.
    pub fn authority(&self) -> PathBuf {
        self.0.path().join("ca.pem")
    }

    /// Certificate and key of a server called `localhost` or `127.0.0.1`.
    pub fn server(&self) -> (PathBuf, PathBuf) {
        self.pair("server")
    }

    /// Certificate and key of a client.
    pub fn client(&self) -> (PathBuf, PathBuf) {
        self.pair("client")
    }

    /// The `tls` block of a nats-server that shows its certificate and, if so wanted, demands one
    /// of the client.
    pub fn nats_config(&self, demand: bool) -> String {
        let (cert, key) = self.server();
        let [cert, key, ca] = [cert, key, self.authority()].map(|path| path.display().to_string());
        format!(
            "tls {{ cert_file: \"{cert}\", key_file: \"{key}\", ca_file: \"{ca}\", verify: {demand} }}"
        )
    }

    fn issue(
        &self,
        name: &str,
        names: &[&str],
        purpose: ExtendedKeyUsagePurpose,
        authority: &Authority,
    ) {
        let mut params = params_of(names, name);
        params.extended_key_usages = vec![purpose];
        self.sign(name, &params, authority);
    }

    fn sign(&self, name: &str, params: &CertificateParams, authority: &Authority) {
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.signed_by(&key, authority).expect("a certificate can be signed");
        self.write(&format!("{name}.pem"), &certificate.pem());
        self.write(&format!("{name}.key"), &key.serialize_pem());
    }

    fn pair(&self, name: &str) -> (PathBuf, PathBuf) {
        (self.0.path().join(format!("{name}.pem")), self.0.path().join(format!("{name}.key")))
    }

    fn write(&self, name: &str, pem: &str) {
        std::fs::write(self.0.path().join(name), pem).expect("a temporary file can be written");
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}

fn params_of(names: &[&str], common_name: &str) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("the names are valid");
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

fn openssl(words: &[&str], files: &[(&str, &Path)]) {
    let mut command = Command::new("openssl");
    command.args(words);
    for (option, file) in files {
        command.arg(option).arg(file);
    }
    let output = command.output().expect("openssl is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "lobby test authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key can be made");
    CertifiedIssuer::self_signed(params, key).expect("a certificate can be signed")
}
