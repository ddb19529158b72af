//! TLS: what it costs beside the same without, and beside a bare server with the same certificate.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use lobby_tests::Certificates;
use rustls::ClientConfig;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::clock;
use crate::environment::Environment;
use crate::figures::{Goal, REPETITIONS, Row, Samples, Unit};
use crate::http::load::{self, CONNECTIONS, Target};
use crate::http::{Connection, get};
use crate::lobbyd::Start;
use crate::process::Running;
use crate::tls::{self, BareServer};

/// The question, which has one name for an answer.
const PATH: &str = "/v1/resolve?label=service:web";

/// Time for a daemon to answer after its start.
const START_LIMIT: Duration = Duration::from_secs(10);

/// How long handshakes are counted, and on how many threads of the client.
const WINDOW: Duration = Duration::from_secs(1);
const THREADS: usize = 2;

/// A daemon that is the only one in its lobby.
struct Daemon {
    process: Running,
    target: Target,
    _directory: TempDir,
}

/// `GET /v1/resolve` on kept connections, then handshakes.
pub(super) async fn tls(environment: &mut Environment) -> Result<Vec<Row>> {
    let certificates = Certificates::new();
    let client = tls::client_config(&certificates.authority())?;
    let daemon = Daemon::start(environment, Some((&certificates, client.clone()))).await?;
    let plain = Daemon::start(environment, None).await?;
    let bare = BareServer::start(&certificates)?;
    let request: Arc<[u8]> = get(PATH, &[]).into();
    let (mut kept, mut limits) = (Samples::default(), Samples::default());
    let (mut handshakes, mut most) = (Samples::default(), Samples::default());
    for _ in 0..REPETITIONS {
        kept.push(load::measure(&daemon.process, &daemon.target, &request, 200).await?.requests);
        limits.push(load::measure(&plain.process, &plain.target, &request, 200).await?.requests);
        handshakes.push(count_handshakes(daemon.target.address, &client).await?);
        most.push(count_handshakes(bare.address, &client).await?);
    }
    let goal = || Goal::AtLeast(0.70);
    let kept_row =
        Row::new("GET /v1/resolve over TLS, limit: without TLS", Unit::Rate).goal(goal());
    let row = Row::new("TLS handshakes, limit: a bare rustls server", Unit::Rate).goal(goal());
    Ok(vec![kept_row.measured(kept, limits), row.measured(handshakes, most)])
}

impl Daemon {
    async fn start(
        environment: &Environment,
        tls: Option<(&Certificates, Arc<ClientConfig>)>,
    ) -> Result<Self> {
        let directory = TempDir::new()?;
        let log = environment.directory.join("lobbyd-tls.log");
        let mut start = Start::new(&environment.program, &log, "tls")
            .set("DRIVER", "Local")
            .set("LOCAL_PATH", directory.path().join("packets"))
            .set("LABELS_PATH", directory.path())
            .set("LABELS", "service:web");
        if let Some((certificates, _)) = &tls {
            let (certificate, key) = certificates.server();
            start = start.set("TLS_CERT_FILE", certificate).set("TLS_KEY_FILE", key);
        }
        let (mut command, address) = start.command()?;
        let target = Target { address, tls: tls.map(|(_, client)| client) };
        let daemon = Self { process: Running::start(&mut command)?, target, _directory: directory };
        daemon.wait_until_it_answers().await?;
        Ok(daemon)
    }

    async fn wait_until_it_answers(&self) -> Result<()> {
        let deadline = clock::now() + START_LIMIT;
        let answers = async || {
            let mut connection = Connection::open_to(&self.target).await?;
            connection.ask(&get(PATH, &[])).await
        };
        while !answers().await.is_ok_and(|answer| answer.body.starts_with(b"[\"tls\"]")) {
            if clock::now() > deadline {
                bail!("lobbyd does not answer");
            }
            clock::pause(Duration::from_millis(5)).await;
        }
        Ok(())
    }
}

/// Full handshakes a second, each on a connection of its own.
async fn count_handshakes(address: SocketAddr, client: &Arc<ClientConfig>) -> Result<f64> {
    let (count, stopped) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (count, stopped) = (Arc::clone(&count), Arc::clone(&stopped));
            let target = Target { address, tls: Some(Arc::clone(client)) };
            tokio::task::spawn_blocking(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
                runtime.block_on(shake_hands(target, count, stopped))
            })
        })
        .collect();
    clock::pause(WINDOW / 4).await;
    let (begin, before) = (clock::now(), count.load(Ordering::Relaxed));
    clock::pause(WINDOW).await;
    let (length, shaken) = (begin.elapsed(), count.load(Ordering::Relaxed) - before);
    stopped.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.await.context("the load generator failed")??;
    }
    Ok(shaken as f64 / length.as_secs_f64())
}

async fn shake_hands(
    target: Target,
    count: Arc<AtomicU64>,
    stopped: Arc<AtomicBool>,
) -> Result<()> {
    let connections = (0..CONNECTIONS / THREADS).map(|_| {
        let (target, count, stopped) = (target.clone(), Arc::clone(&count), Arc::clone(&stopped));
        async move {
            while !stopped.load(Ordering::Relaxed) {
                Connection::open_to(&target).await?;
                count.fetch_add(1, Ordering::Relaxed);
            }
            anyhow::Ok(())
        }
    });
    let mut connections: JoinSet<_> = connections.collect();
    while let Some(ended) = connections.join_next().await {
        ended??;
    }
    Ok(())
}

/// `GET /metrics`, which must cost the same whatever the size of the fleet.
pub(super) async fn metrics(environment: &mut Environment) -> Result<Vec<Row>> {
    const MOST: f64 = 1.2;
    let (small, large) = (environment.lobby(100).await?, environment.lobby(10_000).await?);
    let request: Arc<[u8]> = get("/metrics", &[]).into();
    let row = Row::new("GET /metrics, limit: the same of 100 hosts", Unit::Rate).hosts(10_000);
    let row = row.goal(Goal::AtLeast(1.0 / MOST));
    Ok(vec![super::compare::large_against_small(row, &large, &small, &request).await?])
}
