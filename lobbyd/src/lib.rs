//! The daemon of lobby as a library, so that its parts can be tested alone.

pub mod app;
pub mod callback;
pub mod config;
pub mod healthz;
pub mod http;
pub mod labels;
pub mod link;
pub mod logging;
pub mod registry;
pub mod sys;

use tracing::{info, warn};

use app::Lobby;
use config::{DriverSettings, Settings};
use labels::local_host::LocalHost;
use sys::limits;
use sys::signals::{Signal, Signals};

/// Runs the daemon until a signal ends it.
///
/// # Errors
/// What keeps it from starting, before anything was announced.
pub async fn run(settings: Settings) -> anyhow::Result<()> {
    limits::raise_open_files();
    let mut signals = Signals::listen()?;
    let server = LocalHost::new(settings.local.clone());
    let hostname = server.hostname()?;
    let listener = settings.api.as_ref().map(http::bind).transpose()?;
    let drivers = settings.drivers.iter().map(DriverSettings::name).collect::<Vec<_>>().join(",");
    let labels_path = settings.local.labels_path.display().to_string();
    info!(version = env!("CARGO_PKG_VERSION"), host = hostname.as_str(), drivers, labels_path, "lobbyd starts");
    let lobby = Lobby::start(settings, server, &hostname, listener).await?;
    while signals.next().await == Signal::Reload {
        tokio::select! {
            () = lobby.reload() => {}
            // Files may hang, on a dead NFS for one.
            () = signals.end() => break,
        }
    }
    info!("lobbyd stops");
    tokio::select! {
        () = lobby.end() => {}
        () = signals.end() => {
            warn!("another signal, exiting at once");
            lobby.end_at_once().await;
        }
    }
    Ok(())
}
