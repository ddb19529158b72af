//! Daemon of lobby, the labelling and discovery service for servers.

use std::process;

use lobbyd::config::Settings;
use lobbyd::{logging, run};
use tracing::error;

#[expect(
    clippy::disallowed_methods,
    reason = "returning would wait for file operations that may hang, on a dead NFS for one"
)]
fn main() {
    let status = match Settings::from_process() {
        Ok(settings) => serve(settings),
        Err(refusal) => {
            // With standard error gone there is nobody left to tell.
            refusal.print().ok();
            refusal.exit_status()
        }
    };
    process::exit(status.into());
}

/// Runs the daemon to its end; returns the exit status. The runtime is still there afterwards, and left to the operating system.
fn serve(settings: Settings) -> u8 {
    rustls::crypto::ring::default_provider().install_default().ok();
    let system = actix_rt::System::new();
    let ended = logging::init(&settings.log).and_then(|()| system.block_on(run(settings)));
    std::mem::forget(system);
    match ended {
        Ok(()) => 0,
        Err(error) => {
            error!(error = format!("{error:#}"), "lobbyd cannot start");
            1
        }
    }
}
