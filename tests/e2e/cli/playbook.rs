//! The playbook of config/ansible, where it asks a host whether it is ready.

use std::process::Command;

use lobby_tests::{Certificates, Lobbyd, Outcome, free_port};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::views::outcome;

const PLAYBOOK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/ansible/lobby.yml");

/// Runs the last task of the playbook on this machine, with some of its variables.
async fn ask_whether_ready(variables: &Value) -> Outcome {
    let home = TempDir::new().unwrap();
    let inventory = home.path().join("inventory.json");
    let host = json!({"ansible_connection": "local", "ansible_become": false});
    let group = json!({"lobby": {"hosts": {"here": host}, "vars": variables}});
    std::fs::write(&inventory, group.to_string()).unwrap();
    let mut command = Command::new("ansible-playbook");
    command.arg("-i").arg(&inventory).args(["--start-at-task", "The host is ready", PLAYBOOK]);
    command.env_clear().envs([("PATH", "/usr/bin:/bin"), ("LC_ALL", "C.UTF-8")]);
    command.env("HOME", home.path()).current_dir(home.path());
    outcome(command).await
}

#[actix_rt::test]
async fn a_playbook_asks_where_the_settings_say() {
    let daemon = Lobbyd::named("a").set("HOST", "::").start().await;
    let (port, closed) = (daemon.address().port(), free_port());
    for settings in [
        json!({"HOST": "::", "PORT": port}),
        json!({"PORT": closed, "LOBBY_PORT": port, "LOBBY_HOST": "", "TLS_CERT_FILE": ""}),
        json!({"HOST": "::1", "PORT": port.to_string()}),
    ] {
        let asked = ask_whether_ready(&json!({"lobby_settings": settings})).await;
        assert_eq!(asked.status, Some(0), "{settings}: {asked:?}");
    }
    let elsewhere = json!({"lobby_settings": {"PORT": closed}, "lobby_ready_seconds": 1});
    assert_eq!(ask_whether_ready(&elsewhere).await.status, Some(2));
}

#[actix_rt::test]
async fn a_playbook_asks_a_host_that_speaks_tls() {
    let certificates = Certificates::of_server(&["127.0.0.2", "localhost"]);
    let (certificate, key) = certificates.server();
    let daemon = Lobbyd::named("a").set("TLS_CERT_FILE", &certificate).set("TLS_KEY_FILE", key);
    let daemon = daemon.set("HOST", "127.0.0.2").start().await;
    let (address, authority) = (daemon.address(), certificates.authority());
    let settings =
        json!({"HOST": "127.0.0.2", "PORT": address.port(), "TLS_CERT_FILE": certificate});
    let url = format!("https://{address}/readyz");
    for variables in [
        json!({"lobby_settings": settings, "lobby_ready_ca": authority}),
        json!({"lobby_ready_url": url, "lobby_ready_ca": authority}),
    ] {
        let asked = ask_whether_ready(&variables).await;
        assert_eq!(asked.status, Some(0), "{variables}: {asked:?}");
    }
    let stranger = json!({"lobby_ready_url": url, "lobby_ready_seconds": 1});
    assert_eq!(ask_whether_ready(&stranger).await.status, Some(2), "an unknown authority");
}
