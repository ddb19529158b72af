//! The driver: which servers to try, and under which names.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, anyhow};
use async_nats::Client;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use rustls::pki_types::ServerName;

use super::NatsSettings;
use super::connection;
use super::options::{LoginFiles, Opening, Target};
use super::url::{self, ServerUrl};
use crate::config::Secret;
use crate::link::driver::{Connection, Driver};
use crate::link::drivers::race::{LIMIT, race, until};
use crate::link::drivers::refusal::RefusalFlag;
use crate::sys::clock;
use crate::sys::file_work::FileWork;
use lobby_core::link::stats::ChannelPlace;

/// The driver of NATS.
#[derive(Debug)]
pub struct Nats {
    settings: NatsSettings,
    /// The other servers of the cluster, as named by the last one that we were connected to.
    learned: Mutex<Vec<Candidate>>,
    refusal: RefusalFlag,
    work: FileWork,
}

/// A server that can be tried.
#[derive(Debug, Clone)]
struct Candidate {
    url: ServerUrl,
    /// The names that its certificate may be for beside its own: of the server that named it.
    names: Vec<ServerName<'static>>,
}

impl Nats {
    /// A driver that is not connected yet.
    pub fn new(settings: NatsSettings) -> Self {
        let work = FileWork::on("NATS_CREDS_FILE, NATS_CA_FILE, NATS_CERT_FILE or NATS_KEY_FILE");
        Self { settings, learned: Mutex::default(), refusal: RefusalFlag::default(), work }
    }

    /// Tries the servers of NATS_URL, each with its own credentials and in random order so that a
    /// fleet spreads, then those that were learned. All of them fit into one limit, however
    /// many are silent.
    async fn open_any(&self, client_name: &str, own: Option<Bytes>) -> anyhow::Result<Connection> {
        let deadline = clock::now() + LIMIT;
        let Self { settings, refusal, work, .. } = self;
        let files = LoginFiles::new(settings, work);
        let opening = Opening { client_name, settings, files, own, refusal, deadline };
        let attempt = async |candidate: Candidate| {
            let opened = until(deadline, self.open_one(&candidate, &opening)).await;
            opened.map_err(|error| anyhow!("NATS server {}: {error:#}", candidate.url))
        };
        race(self.candidates()?, deadline, attempt).await
    }

    /// Tries every address of one server.
    async fn open_one(
        &self,
        candidate: &Candidate,
        opening: &Opening<'_>,
    ) -> anyhow::Result<Connection> {
        let (Candidate { url, names }, deadline) = (candidate, opening.deadline);
        let addresses: Vec<_> =
            tokio::net::lookup_host((url.host.as_str(), url.port)).await?.collect();
        let is_only = addresses.len() == 1;
        let attempt = async |address| {
            let target = Target { url, address, is_only, names, opening };
            until(deadline, connection::open(target)).await
        };
        let (connection, client) = race(addresses, deadline, attempt).await?;
        self.learn(candidate, &client);
        Ok(connection)
    }

    fn candidates(&self) -> anyhow::Result<Vec<Candidate>> {
        let mut servers = url::parse(&self.settings.url.expose()).context("NATS_URL")?;
        fastrand::shuffle(&mut servers);
        let mut candidates: Vec<_> =
            servers.into_iter().map(|url| Candidate { url, names: Vec::new() }).collect();
        let learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for other in learned {
            let is_known = |known: &Candidate| {
                (&known.url.host, known.url.port) == (&other.url.host, other.url.port)
            };
            if !candidates.iter().any(is_known) {
                candidates.push(other);
            }
        }
        Ok(candidates)
    }

    /// Remembers the servers that one names. They inherit its login, and the names of its
    /// certificate.
    fn learn(&self, server: &Candidate, client: &Client) {
        let info = client.server_info();
        let tls = server.url.tls || info.tls_required;
        let mut names = server.names.clone();
        if server.url.host.parse::<IpAddr>().is_err() {
            names.extend(ServerName::try_from(server.url.host.clone()));
        }
        let others = info.connect_urls.iter().filter_map(|url| url::parse(url).ok()).flatten();
        let others = others.map(|other| Candidate {
            url: ServerUrl { tls, login: server.url.login.clone(), ..other },
            names: names.clone(),
        });
        let others: Vec<_> = others.collect();
        // A server that was just started does not know the others yet.
        if !others.is_empty() {
            *self.learned.lock().unwrap_or_else(PoisonError::into_inner) = others;
        }
    }
}

impl Driver for Nats {
    fn open<'a>(
        &'a self,
        client_name: &'a str,
        own: Option<Bytes>,
    ) -> BoxFuture<'a, anyhow::Result<Connection>> {
        Box::pin(self.open_any(client_name, own))
    }

    fn place(&self) -> ChannelPlace {
        let servers = url::parse(&self.settings.url.expose()).unwrap_or_default();
        let servers: Vec<_> = servers.iter().map(ServerUrl::address).collect();
        ChannelPlace { server: Some(servers.join(",")), channel: self.settings.subject.clone() }
    }

    fn secrets(&self) -> Vec<Secret> {
        std::iter::once(&self.settings.url).chain(&self.settings.nkey_seed).cloned().collect()
    }
}
