//! Daemon of lobby, the labelling and discovery service for servers.

use std::process;

use lobbyd::settings::{self, Settings};
use lobbyd::{logging, run};
use tracing::error;

#[expect(
    clippy::disallowed_methods,
    reason = "returning would wait for file operations that may hang, on a dead NFS for one"
)]
fn main() {
    let status = match settings::read_process() {
        Ok(settings) => serve(settings),
        Err(error) => {
            // With standard error gone there is nowhere to say it.
            error.print().ok();
            error.exit_status()
        }
    };
    process::exit(status.into());
}

/// Runs the daemon to its end and returns the exit status. The runtime is left to the operating system: dropping it would wait for
/// blocked file operations.
fn serve(settings: Settings) -> u8 {
    rustls::crypto::ring::default_provider().install_default().ok();
    let system = actix_rt::System::new();
    let ended = logging::init(&settings.log).and_then(|()| system.block_on(run(settings)));
    std::mem::forget(system);
    match ended {
        Ok(()) => 0,
        Err(error) => {
            error!(target: "lobby", error = format!("{error:#}"), "lobbyd cannot start");
            1
        }
    }
}
