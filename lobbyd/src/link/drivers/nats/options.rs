//! Options of the NATS client: it connects once, never again, and with the credentials there are.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use async_nats::{ConnectOptions, ReconnectToServer, ServerAddr};
use bytes::Bytes;
use rustls::pki_types::ServerName;
use tokio::sync::OnceCell;

use super::NatsSettings;
use super::own_login::OwnLogin;
use super::url::{Login, ServerUrl};
use crate::link::drivers::refusal::RefusalFlag;
use crate::link::drivers::tls::{NamedFile, READ_LIMIT, TlsFiles, TlsMaterial};
use crate::sys::clock;
use crate::sys::file_work::FileWork;

/// A server that is silent for two to three of these is dead; another one of its cluster then takes
/// over within five seconds, also on a busy machine. With the client's default the link would be
/// deaf for minutes.
const LONGEST_PING_INTERVAL: Duration = Duration::from_millis(1200);
/// Time that is left for finding out why an address did not answer.
const DIAGNOSIS: Duration = Duration::from_millis(800);
/// Most commands that wait in the client for the connection.
const CLIENT_CAPACITY: usize = 128;
/// The client handles at most 128 reads of this size in one turn, too few bytes to overflow its
/// queue (65,536 messages) before we empty it.
const READ_BUFFER: u16 = 8192;

/// A port where nothing can listen.
const NOWHERE: &str = "nats://127.0.0.1:0";

/// An opening of the link: what all servers that are tried have in common.
pub(super) struct Opening<'a> {
    /// Tells the server who connects.
    pub(super) client_name: &'a str,
    pub(super) settings: &'a NatsSettings,
    pub(super) files: LoginFiles<'a>,
    /// The newest own packet.
    pub(super) own: Option<Bytes>,
    pub(super) refusal: &'a RefusalFlag,
    /// When the attempts are given up.
    pub(super) deadline: Instant,
}

/// One address of a server, and everything that is needed to connect to it.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) url: &'a ServerUrl,
    pub(super) address: SocketAddr,
    /// Whether it is the only address of the server.
    pub(super) is_only: bool,
    /// Names that its certificate may be for, beside the host of the URL.
    pub(super) names: &'a [ServerName<'static>],
    pub(super) opening: &'a Opening<'a>,
}

/// Options for exactly one connection to one address, and the pool to connect to with them. A
/// server that is silent is given up before the silence limit ends.
///
/// async-nats cannot be told not to reconnect: its limit counts the first connection too, and
/// starts anew after it. So the client is sent to the server the first time and to nowhere when
/// that connection is lost; failing there once ends it for good.
pub(super) fn once(target: Target<'_>) -> anyhow::Result<(ConnectOptions, Vec<ServerAddr>)> {
    let Target { url, address, is_only, opening, .. } = target;
    // Its name, where that is enough, is shown to a server with TLS.
    let server: ServerAddr = if is_only { url.address() } else { url.at(address) }.parse()?;
    let pool = vec![server, NOWHERE.parse()?];
    let turns = pool.clone();
    let lost = AtomicBool::new(false);
    let options = ConnectOptions::new()
        .max_reconnects(1)
        .reconnect_to_server_callback(move |_, _| {
            let addr = turns[usize::from(lost.swap(true, Ordering::Relaxed))].clone();
            std::future::ready(Some(ReconnectToServer { addr, delay: Some(Duration::ZERO) }))
        })
        .ignore_discovered_servers()
        .ping_interval((opening.settings.silence_limit / 4).min(LONGEST_PING_INTERVAL))
        .connection_timeout(
            opening.deadline.saturating_duration_since(clock::now()).saturating_sub(DIAGNOSIS),
        )
        .client_capacity(CLIENT_CAPACITY)
        .read_buffer_capacity(READ_BUFFER);
    Ok((options, pool))
}

/// The files of the settings, read afresh for each opening of the link as they may have changed,
/// and once for all servers that are tried then.
pub(super) struct LoginFiles<'a> {
    settings: &'a NatsSettings,
    work: &'a FileWork,
    creds: OnceCell<String>,
    tls: OnceCell<TlsMaterial>,
}

impl<'a> LoginFiles<'a> {
    /// None of them is read before it is needed.
    pub(super) fn new(settings: &'a NatsSettings, work: &'a FileWork) -> Self {
        Self { settings, work, creds: OnceCell::new(), tls: OnceCell::new() }
    }

    async fn creds(&self, path: &Path) -> anyhow::Result<&str> {
        let file = NamedFile::new("NATS_CREDS_FILE", path);
        let read = move || {
            let text = String::from_utf8(file.read()?);
            text.with_context(|| format!("NATS_CREDS_FILE: cannot use {}", file.path.display()))
        };
        let creds = self.creds.get_or_try_init(|| self.work.run(READ_LIMIT, read)).await?;
        Ok(creds.as_str())
    }

    /// Whether they are such that the server must speak TLS.
    fn imply_tls(&self) -> bool {
        self.settings.ca_file.is_some() || self.settings.client_certificate.is_some()
    }

    async fn tls(&self) -> anyhow::Result<&TlsMaterial> {
        let NatsSettings { ca_file, client_certificate, .. } = self.settings;
        let files = TlsFiles {
            authority: ca_file.as_deref().map(|path| NamedFile::new("NATS_CA_FILE", path)),
            client: client_certificate.as_ref().map(|(certificate, key)| {
                let certificate = NamedFile::new("NATS_CERT_FILE", certificate);
                (certificate, NamedFile::new("NATS_KEY_FILE", key))
            }),
        };
        self.tls.get_or_try_init(|| self.work.run(READ_LIMIT, move || files.read())).await
    }
}

/// The login that the server tells of connections of this daemon.
///
/// # Errors
/// When NATS_CREDS_FILE cannot be read.
pub(super) async fn own_login(opening: &Opening<'_>) -> anyhow::Result<OwnLogin> {
    let Opening { settings, files, .. } = opening;
    let creds = match &settings.creds_file {
        Some(path) => Some(files.creds(path).await?),
        None => None,
    };
    Ok(OwnLogin::of(settings, creds))
}

/// Adds the credentials and the certificates.
///
/// # Errors
/// When a file cannot be read or holds something else; the message names it.
pub(super) async fn authenticated(
    mut options: ConnectOptions,
    target: Target<'_>,
) -> anyhow::Result<ConnectOptions> {
    let (settings, files) = (target.opening.settings, &target.opening.files);
    options = match target.url.login.clone() {
        Some(Login::Token(token)) => options.token(token),
        Some(Login::User { name, password }) => options.user_and_password(name, password),
        None => options,
    };
    if let Some(seed) = &settings.nkey_seed {
        options = options.nkey(seed.expose().trim().to_owned());
    }
    if let Some(path) = &settings.creds_file {
        let named = || format!("NATS_CREDS_FILE: cannot use {}", path.display());
        options = options.credentials(files.creds(path).await?).with_context(named)?;
    }
    with_certificates(options, target).await
}

/// An authority or a client certificate implies TLS, so a server that offers none is refused.
async fn with_certificates(
    options: ConnectOptions,
    target: Target<'_>,
) -> anyhow::Result<ConnectOptions> {
    let Target { url, is_only, names, opening, .. } = target;
    let required = url.tls || opening.files.imply_tls();
    if !required && is_only {
        // If the server wants TLS all the same, the client checks it as usual.
        return Ok(options);
    }
    let own = ServerName::try_from(url.host.clone())?;
    let names = names.iter().cloned().chain([own]).collect();
    match opening.files.tls().await.and_then(|material| material.config(names)) {
        Ok(config) => Ok(options.tls_client_config(config).require_tls(required)),
        Err(_) if !required => Ok(options),
        Err(error) => Err(error),
    }
}
