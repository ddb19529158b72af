//! The daemon of lobby as a library, for its program and for tests.
//!
//! The modules say what can be used from outside; within them an item is `pub` if its module shows
//! it to the others.
#![expect(
    unreachable_pub,
    reason = "a module decides what leaves the crate, so that the compiler finds what nothing uses"
)]

mod app;
mod callback;
mod check;
pub mod config;
mod dns;
mod healthz;
mod http;
mod labels;
pub mod link;
pub mod logging;
mod registry;
mod service;
pub mod settings;
mod sys;

pub use check::check;
pub use sys::children::kill_all as kill_children;
pub use sys::limits::raise_open_files;
pub use sys::signals::Signals;

use tracing::{info, warn};

use app::App;
use labels::local_host::LocalHost;
use settings::Settings;
use sys::signals::Signal;

/// Runs the daemon until a signal ends it.
///
/// # Errors
/// Why it cannot start; nothing was announced then.
pub async fn run(settings: Settings, mut signals: Signals) -> anyhow::Result<()> {
    raise_open_files();
    let local_host = LocalHost::new(settings.local.clone());
    let hostname = local_host.hostname()?;
    let listeners = match &settings.api {
        Some(api) => http::bind(api).await?,
        None => Vec::new(),
    };
    let dns_sockets =
        settings.dns.as_ref().map(|settings| dns::bind(settings.listen)).transpose()?;
    let drivers = settings.drivers.iter().map(|active| active.name).collect::<Vec<_>>().join(",");
    let labels_path = settings.local.labels_path.display().to_string();
    info!(target: "lobby", version = env!("CARGO_PKG_VERSION"), host = hostname.as_str(), drivers, labels_path, "lobbyd starts");
    settings.oddities.iter().for_each(config::Oddity::log);
    let app = App::start(settings, local_host, &hostname, listeners, dns_sockets).await?;
    signals.started();
    let service = app.serve_manager();
    while signals.next().await == Signal::Reload {
        service.reloading();
        tokio::select! {
            () = app.reload() => {}
            // Files may hang, on a dead NFS for one.
            () = signals.end() => break,
        }
        service.ready();
    }
    service.stopping();
    info!(target: "lobby", "lobbyd stops");
    tokio::select! {
        () = app.end() => {}
        () = signals.end() => {
            warn!(target: "lobby", "another signal, exiting at once");
            app.end_at_once().await;
        }
    }
    Ok(())
}
