//! A name server that does not answer, and a name with an address that does not.

use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use lobby_tests::{HostNames, LIMIT, Lobbyd, Outcome, SilentResolver, lobbyctl_by, now, program};
use serde_json::json;

/// The 10 seconds that the help promises, and one for the end of a program on a busy machine;
/// asking on would take 20.
const PROMISED: Duration = Duration::from_secs(11);

#[actix_rt::test]
async fn a_dead_resolver_holds_nobody_longer_than_promised() {
    let resolver = SilentResolver::new();
    let words = resolver.launcher();
    let mut command = tokio::process::Command::new(&words[0]);
    command.args(&words[1..]).arg(program("lobbyctl"));
    command.args(["--host", "lobby.example", "discovery"]);
    command.stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let lobbyctl = command.spawn().unwrap();
    resolver.is_asked(lobbyctl.id().unwrap()).await;
    let ended = tokio::time::timeout(PROMISED, lobbyctl.wait_with_output()).await;
    let output = ended.expect("lobbyctl gives up in time").unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        said,
        "error: cannot reach http://lobby.example:1313/v1/discovery: no answer within 10s\n"
    );
    assert_eq!(output.status.code(), Some(3));
}

/// A daemon at the second address of a name; at the first one, connections are taken and nothing
/// is answered.
struct HalfSilent {
    daemon: Lobbyd,
    names: HostNames,
    silent: TcpListener,
}

impl HalfSilent {
    async fn new() -> Self {
        let daemon = Lobbyd::named("a").start().await;
        let silent = TcpListener::bind(("::1", daemon.address().port())).unwrap();
        let names = HostNames::none();
        names.add_addresses("localhost", &["::1", "127.0.0.1"]);
        Self { daemon, names, silent }
    }

    async fn lobbyctl(&self, arguments: &[&str]) -> Outcome {
        let port = self.daemon.address().port().to_string();
        let environment = [("HOST", "localhost"), ("PORT", &port)];
        lobbyctl_by(&self.names.launcher(), &environment, arguments).await
    }
}

#[actix_rt::test]
async fn a_silent_address_of_a_name_does_not_starve_the_next_one() {
    let place = HalfSilent::new().await;
    let start = now();
    let outcome = place.lobbyctl(&["discovery"]).await;
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("Hostname:\n  a\n", ""));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    // The silent one came first.
    place.silent.set_nonblocking(true).unwrap();
    assert!(place.silent.accept().is_ok());
}

#[actix_rt::test]
async fn a_change_is_sent_to_the_address_that_answers_and_no_other() {
    let place = HalfSilent::new().await;
    let outcome = place.lobbyctl(&["labels", "add", "x:1"]).await;
    assert_eq!((outcome.status, outcome.stderr.as_str()), (Some(0), ""));
    assert_eq!(place.daemon.own_labels().await, json!(["x:1"]));
    place.silent.set_nonblocking(true).unwrap();
    let mut asked = String::new();
    for stream in place.silent.incoming().map_while(Result::ok) {
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        std::io::Read::read_to_string(&mut { stream }, &mut asked).unwrap();
    }
    assert!(asked.starts_with("GET /v1/discovery ") && !asked.contains("POST"), "{asked}");
}

#[actix_rt::test]
async fn what_each_address_of_a_name_said_is_told() {
    let names = HostNames::none();
    names.add_addresses("lobby.example", &["127.0.0.1", "127.0.0.2"]);
    let port = lobby_tests::free_port().to_string();
    let environment = [("HOST", "lobby.example"), ("PORT", port.as_str())];
    let outcome = lobbyctl_by(&names.launcher(), &environment, &["discovery"]).await;
    let once = ": connection refused: is lobbyd running there?\n";
    assert_eq!(
        (outcome.status, outcome.stderr),
        (Some(3), format!("error: cannot reach http://lobby.example:{port}/v1/discovery{once}"))
    );
}
