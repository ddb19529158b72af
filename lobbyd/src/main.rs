//! Daemon of lobby, the labelling and discovery service for servers.

use std::process;

use lobbyd::settings::{self, Invocation, Settings};
use lobbyd::{Signals, kill_children, logging, run};
use tracing::error;

fn main() {
    // Before anything else: until then a signal has the meaning that the parent process gave it.
    let signals = Signals::take_over(leave);
    let status = match settings::read_process() {
        Ok(Invocation::Run(settings)) => serve(*settings, signals),
        Ok(Invocation::Check(checked)) => {
            install_cryptography();
            actix_rt::System::new().block_on(lobbyd::check(*checked))
        }
        Err(error) => {
            // With standard error gone there is nowhere to say it.
            error.print().ok();
            error.exit_status()
        }
    };
    leave(status);
}

/// Runs the daemon to its end and returns the exit status. The runtime is left to the operating
/// system: dropping it would wait for blocked file operations.
fn serve(settings: Settings, signals: anyhow::Result<Signals>) -> u8 {
    install_cryptography();
    let system = actix_rt::System::new();
    let ended = logging::init(&settings.log)
        .and(signals)
        .and_then(|signals| system.block_on(run(settings, signals)));
    std::mem::forget(system);
    match ended {
        Ok(()) => 0,
        Err(error) => {
            error!(target: "lobby", error = format!("{error:#}"), "lobbyd cannot start");
            1
        }
    }
}

/// Names what libraries use for TLS.
fn install_cryptography() {
    // It fails only where it was done before.
    rustls::crypto::ring::default_provider().install_default().ok();
}

/// Ends the process, from whatever thread, with its last log lines written if they can be, and the
/// callback with it.
#[expect(
    clippy::disallowed_methods,
    reason = "returning from main would wait for file operations that may hang, on a dead NFS for one"
)]
fn leave(status: u8) -> ! {
    logging::flush();
    kill_children();
    process::exit(status.into())
}
