//! Commands that follow the lobby instead of asking once.

mod wait;
mod watch;

use std::io;

use lobby_client::Client;
use rustix::event::{PollFd, PollFlags, poll};
use tokio::task::spawn_blocking;

use crate::Failure;
use crate::args::{WaitOptions, WatchOptions};
use crate::connection::Connection;
use crate::output::Palette;

/// Prints each event until somebody ends it.
pub(crate) async fn watch(
    client: &Client,
    connection: &Connection,
    options: &WatchOptions,
    palette: Option<Palette>,
) -> Result<(), Failure> {
    tokio::select! {
        ended = watch::run(client, connection, options, palette) => ended,
        () = reader_gone() => Ok(()),
    }
}

/// Waits until as many servers are there as are wanted.
pub(crate) async fn wait(
    client: &Client,
    connection: &Connection,
    options: &WaitOptions,
) -> Result<(), Failure> {
    wait::run(client, connection, options).await
}

/// Waits until nobody reads standard output any more. A pipe that ends in `head` would be open
/// until the next event otherwise. What is not a pipe has a reader for good.
async fn reader_gone() {
    let watched = spawn_blocking(|| {
        let stdout = io::stdout();
        // Errors alone are told, whatever is asked for.
        poll(&mut [PollFd::new(&stdout, PollFlags::empty())], None)
    });
    if !matches!(watched.await, Ok(Ok(1))) {
        std::future::pending::<()>().await;
    }
}
