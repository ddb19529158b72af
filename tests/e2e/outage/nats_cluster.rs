//! The cluster of three that config/nats makes: any one of them may fail.

use std::fs;
use std::path::Path;
use std::process::Command;

use lobby_tests::{
    ContinuityCheck, LIMIT, Lobbyd, LobbydBuilder, NatsServer, ensure, eventually, free_port,
};
use serde_json::json;
use tempfile::TempDir;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/nats/make-cluster");

/// Runs the script, and returns the servers that it made the configuration for.
async fn cluster(directory: &Path) -> Vec<NatsServer> {
    cluster_with(&[], directory).await
}

async fn cluster_with(options: &[&str], directory: &Path) -> Vec<NatsServer> {
    let ports: Vec<_> = (0..3).map(|_| (free_port(), free_port())).collect();
    let servers = ports.iter().map(|(port, routes)| format!("127.0.0.1:{port}:{routes}"));
    let made = Command::new(SCRIPT).args(options).arg(directory).args(servers).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut running = Vec::new();
    for (port, _) in ports {
        let files = directory.join(format!("127.0.0.1-{port}"));
        // As if each were a machine of its own.
        let config = fs::read_to_string(files.join("nats.conf")).unwrap();
        let config = config
            .replace("/etc/nats", files.to_str().unwrap())
            .replace("0.0.0.0", "127.0.0.1")
            .replace("include \"permissions.conf\"", &read(&files.join("permissions.conf")));
        running.push(NatsServer::configured(port, &config).await);
    }
    running
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap()
}

/// A daemon with the settings that the script wrote.
fn daemon(name: &str, directory: &Path) -> LobbydBuilder {
    let lobbyd = directory.join("lobbyd");
    let settings = read(&lobbyd.join("settings.env"));
    let mut daemon = Lobbyd::named(name).set("DRIVER", "NATS").labels(ContinuityCheck::LABELS);
    for (name, value) in settings.lines().filter_map(|line| line.split_once('=')) {
        daemon = daemon.set(name, value.replace("/etc/lobby", lobbyd.to_str().unwrap()));
    }
    daemon
}

/// What one of three daemons says is heard by the other two.
async fn is_whole(daemons: &[Lobbyd], label: &str) {
    daemons[0].add_labels(label).await;
    let labels = daemons[0].own_labels().await;
    let vigil = json!([ContinuityCheck::LABELS]);
    for daemon in daemons {
        daemon.knows(json!({"a": labels, "b": vigil, "c": vigil})).await;
    }
}

#[actix_rt::test]
async fn each_server_of_the_cluster_is_killed_and_frozen_in_turn() {
    let directory = TempDir::new().unwrap();
    let directory = directory.path().join("cluster");
    let mut servers = cluster(&directory).await;
    let mut daemons = Vec::new();
    for name in ["a", "b", "c"] {
        daemons.push(daemon(name, &directory).start().await);
    }
    is_whole(&daemons, "all:there").await;
    let vigil = ContinuityCheck::over(&daemons[1], &["a", "b", "c"]).await;
    for (number, server) in servers.iter_mut().enumerate() {
        server.kill();
        is_whole(&daemons, &format!("killed:{number}")).await;
        server.restart().await;
        is_whole(&daemons, &format!("restarted:{number}")).await;
        server.pause();
        is_whole(&daemons, &format!("frozen:{number}")).await;
        server.resume();
        is_whole(&daemons, &format!("resumed:{number}")).await;
    }
    assert_eq!(vigil.lost(), [""; 0]);
}

#[actix_rt::test]
async fn a_stranger_gets_neither_into_the_cluster_nor_into_the_lobby() {
    let directory = TempDir::new().unwrap();
    let directory = directory.path().join("cluster");
    let servers = cluster(&directory).await;
    let url = format!("tls://127.0.0.1:{}", servers[0].port());
    let settings = directory.join("lobbyd");
    let stranger = Lobbyd::named("stranger").nats_at(&url);
    let stranger = stranger.set("NATS_CA_FILE", settings.join("nats-ca.pem")).start().await;
    assert!(stranger.logged("link is down").await.contains("uthorization"));
}

#[test]
fn the_script_replaces_no_keys_and_names_a_wrong_server() {
    let directory = TempDir::new().unwrap();
    let run = |arguments: &[&str]| {
        let output = Command::new(SCRIPT).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let taken = directory.path().to_str().unwrap();
    let (status, said) = run(&[taken, "nats1"]);
    assert!(status == Some(1) && said.contains("is there already"), "{said}");
    let fresh = directory.path().join("fresh");
    let fresh = fresh.to_str().unwrap();
    for wrong in ["nats1:port", "a b", "nats1:1:2:3", "$(id)", "[::1]", ""] {
        let (status, said) = run(&[fresh, wrong]);
        assert!(status == Some(2) && said.contains("is not a valid server"), "{wrong}: {said}");
        assert!(!Path::new(fresh).exists());
    }
    assert_eq!(run(&[]).0, Some(2));
}

#[actix_rt::test]
async fn over_the_cluster_a_newcomer_is_told_of_all_servers() {
    let directory = TempDir::new().unwrap();
    let made = directory.path().join("cluster");
    let _servers = cluster(&made).await;
    let first = daemon("first", &made).start().await;
    is_warm(&first).await;
    // They hear nobody by themselves in the time of the test, and meet on different servers.
    for name in ["a", "b", "c"] {
        let newcomer = daemon(name, &made).set("KEEP_ALIVE", "600").set("TTL", "1200");
        let newcomer = newcomer.start().await;
        is_warm(&newcomer).await;
        newcomer.meets("first").await;
        newcomer.logged("another daemon has told of all servers").await;
    }
}

#[actix_rt::test]
async fn a_cluster_made_with_events_tells_of_a_crash() {
    let directory = TempDir::new().unwrap();
    let made = directory.path().join("cluster");
    let _servers = cluster_with(&["--events"], &made).await;
    let watcher = daemon("watcher", &made).start().await;
    let dead = daemon("dead", &made).start().await;
    watcher.meets("dead").await;
    dead.kill();
    assert!(watcher.logged("host lost").await.contains("dead"));
}

async fn is_warm(daemon: &Lobbyd) {
    eventually(LIMIT, async || {
        let status = daemon.client().status().await.unwrap();
        ensure(status.warm, status)
    })
    .await;
}
