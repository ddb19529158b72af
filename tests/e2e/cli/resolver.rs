//! A name server that does not answer.

use std::process::Command;
use std::time::Duration;

use lobby_tests::{SilentResolver, program};

/// The 10 seconds that the help promises, and room for a loaded machine; asking on would take 20.
const PROMISED: Duration = Duration::from_secs(14);

#[actix_rt::test]
async fn a_dead_resolver_holds_nobody_longer_than_promised() {
    let resolver = SilentResolver::new();
    let words = resolver.launcher();
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).arg(program("lobbyctl")).args([
        "--host",
        "lobby.example",
        "discovery",
    ]);
    let run = tokio::process::Command::from(command).kill_on_drop(true).output();
    let output =
        tokio::time::timeout(PROMISED, run).await.expect("lobbyctl gives up in time").unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        said,
        "error: cannot reach http://lobby.example:1313/v1/discovery: no answer within 10s\n"
    );
    assert_eq!(output.status.code(), Some(3));
}
