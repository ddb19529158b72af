//! Options of the NATS client: it connects once, never again, and with the credentials there are.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use async_nats::{ConnectOptions, ReconnectToServer, ServerAddr};

use super::NatsSettings;
use super::url::{Login, ServerUrl};
use crate::link::drivers::tls;

/// A server that is silent for two to three of these is dead. With the client's default the link would be deaf for minutes.
const LONGEST_PING_INTERVAL: Duration = Duration::from_secs(5);
/// Time for one address of the server to answer.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// Most commands that wait in the client for the connection.
const CLIENT_CAPACITY: usize = 128;
/// The client handles at most 128 reads of this size in one turn, too few bytes to overflow its queue (65,536 messages) before we empty it.
const READ_BUFFER: u16 = 8192;

/// A port where nothing can listen.
const NOWHERE: &str = "nats://127.0.0.1:0";

/// Options for exactly one connection to one server, and the pool to connect to with them. A server that is silent is given up before
/// `silence_limit` ends.
///
/// async-nats cannot be told not to reconnect: its limit counts the first connection too, and starts anew after it. So the client
/// is sent to the server the first time and to nowhere when that connection is lost; failing there once ends it for good.
pub(super) fn once(server: ServerAddr, silence_limit: Duration) -> anyhow::Result<(ConnectOptions, Vec<ServerAddr>)> {
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
        .ping_interval((silence_limit / 4).min(LONGEST_PING_INTERVAL))
        .connection_timeout(CONNECT_LIMIT)
        .client_capacity(CLIENT_CAPACITY)
        .read_buffer_capacity(READ_BUFFER);
    Ok((options, pool))
}

/// Adds whatever there is to log in with, read afresh as it may have changed, and the certificates.
///
/// # Errors
/// When a file cannot be read or holds something else; the message names it.
pub(super) async fn authenticated(
    mut options: ConnectOptions,
    settings: &NatsSettings,
    server: &ServerUrl,
) -> anyhow::Result<ConnectOptions> {
    options = match server.login.clone() {
        Some(Login::Token(token)) => options.token(token),
        Some(Login::User { name, password }) => options.user_and_password(name, password),
        None => options,
    };
    if let Some(seed) = &settings.nkey_seed {
        options = options.nkey(seed.expose().trim().to_owned());
    }
    if let Some(path) = &settings.creds_file {
        let named = || format!("NATS_CREDS_FILE: cannot use {}", path.display());
        options = options.credentials_file(path).await.with_context(named)?;
    }
    with_certificates(options, settings).await
}

/// An authority or a client certificate implies TLS, so a server that offers none is refused.
async fn with_certificates(mut options: ConnectOptions, settings: &NatsSettings) -> anyhow::Result<ConnectOptions> {
    if let Some(path) = &settings.ca_file {
        tls::certificates("NATS_CA_FILE", path).await?;
        options = options.add_root_certificates(path.clone()).require_tls(true);
    }
    if let Some((certificate, key)) = &settings.client_certificate {
        tls::certificates("NATS_CERT_FILE", certificate).await?;
        tls::check_private_key("NATS_KEY_FILE", key).await?;
        options = options.add_client_certificate(certificate.clone(), key.clone()).require_tls(true);
    }
    Ok(options)
}
