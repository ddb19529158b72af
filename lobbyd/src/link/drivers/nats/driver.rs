//! The driver: which servers to try, and in which order.

use std::sync::{Mutex, PoisonError};

use anyhow::{Context, bail};
use async_nats::Client;
use futures_util::future::BoxFuture;

use super::NatsSettings;
use super::connection;
use super::url::{self, ServerUrl};
use crate::config::Secret;
use crate::link::driver::{Connection, Driver};

/// The driver of NATS.
#[derive(Debug)]
pub struct Nats {
    settings: NatsSettings,
    /// The other servers of the cluster, as named by the last one that we were connected to.
    learned: Mutex<Vec<ServerUrl>>,
}

impl Nats {
    /// A driver that is not connected yet.
    pub fn new(settings: NatsSettings) -> Self {
        Self { settings, learned: Mutex::default() }
    }

    /// Tries one server after the other: first those of NATS_URL, each with its own credentials, in random order so that a fleet spreads.
    async fn open_any(&self, client_name: &str) -> anyhow::Result<Connection> {
        let mut failures = Vec::new();
        for server in self.candidates()? {
            match connection::open(&self.settings, &server, client_name).await {
                Ok((connection, client)) => {
                    self.learn(&server, &client);
                    return Ok(connection);
                }
                Err(error) => failures.push(format!("NATS server {server}: {error:#}")),
            }
        }
        bail!("{}", failures.join("; "))
    }

    fn candidates(&self) -> anyhow::Result<Vec<ServerUrl>> {
        let mut servers = url::parse(&self.settings.url.expose()).context("NATS_URL")?;
        fastrand::shuffle(&mut servers);
        let learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner).clone();
        servers.extend(learned);
        Ok(servers)
    }

    fn learn(&self, server: &ServerUrl, client: &Client) {
        let urls = client.server_info().connect_urls;
        let others = urls.iter().filter_map(|url| url::parse(url).ok()).flatten();
        let others = others.map(|other| ServerUrl { tls: server.tls, login: server.login.clone(), ..other });
        *self.learned.lock().unwrap_or_else(PoisonError::into_inner) = others.collect();
    }
}

impl Driver for Nats {
    fn open<'a>(&'a self, client_name: &'a str) -> BoxFuture<'a, anyhow::Result<Connection>> {
        Box::pin(self.open_any(client_name))
    }

    fn secrets(&self) -> Vec<Secret> {
        std::iter::once(&self.settings.url).chain(&self.settings.nkey_seed).cloned().collect()
    }
}
