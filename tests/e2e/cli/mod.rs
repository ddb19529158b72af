//! The command lines of both programs.

mod check;
mod completion;
mod doctor;
mod drain;
mod follow;
mod labels;
mod lobbyctl;
mod playbook;
mod resolver;
mod run;
mod settings;
mod terminal;
mod tls;
mod views;

use lobby_tests::{LIMIT, Process};

/// Waits for a daemon that refuses its settings and returns the one line it says.
pub(crate) async fn refusal(daemon: &Process) -> String {
    assert_eq!(daemon.wait(LIMIT).await.status.code(), Some(2), "{:?}", daemon.logs());
    daemon.logged("").await;
    assert_eq!(daemon.logs().len(), 1, "{:?}", daemon.logs());
    daemon.logs().remove(0)
}
