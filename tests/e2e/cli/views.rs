//! Views: servers as grep, ssh, Prometheus and Ansible take them.

use std::net::SocketAddr;
use std::process::Command;

use lobby_tests::{
    LIMIT, Lobbyd, NatsServer, Outcome, ensure, eventually, free_port, http, lobbyctl,
    lobbyctl_with, program,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

/// Two daemons that know each other, the first of them warm.
async fn fleet() -> (Lobbyd, Lobbyd, NatsServer) {
    let nats = NatsServer::start().await;
    let labels = "address:127.0.0.1,drain,location:prague,service:smtp,service:web";
    let a = Lobbyd::named("a").labels(labels).set("KEEP_ALIVE", "1").nats(&nats).start().await;
    let b = Lobbyd::named("b").labels("private_ip4:127.0.0.2").nats(&nats).start().await;
    a.meets("b").await;
    eventually(LIMIT, async || {
        let answer = a.get("/readyz").await;
        ensure(answer.status == 200, answer)
    })
    .await;
    (a, b, nats)
}

#[track_caller]
fn printed(outcome: &Outcome) -> &str {
    assert_eq!((outcome.status, &*outcome.stderr), (Some(0), ""), "{}", outcome.stdout);
    &outcome.stdout
}

/// Runs a program of Ansible with `lobby-inventory`, a link to lobbyctl.
async fn ansible(daemon: &Lobbyd, name: &str, arguments: &[&str]) -> Outcome {
    let home = TempDir::new().unwrap();
    let inventory = home.path().join("lobby-inventory");
    std::os::unix::fs::symlink(program("lobbyctl"), &inventory).unwrap();
    let mut command = Command::new(name);
    command.arg("-i").arg(&inventory).args(arguments).env_clear();
    let address = daemon.address();
    let variables = [
        ("PATH", "/usr/bin:/bin"),
        ("HOME", home.path().to_str().unwrap()),
        ("LC_ALL", "C.UTF-8"),
        ("ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED", "true"),
        ("HOST", &address.ip().to_string()),
        ("PORT", &address.port().to_string()),
    ];
    command.envs(variables).current_dir(home.path());
    outcome(command).await
}

/// What a run of a program of Ansible gave.
pub(super) async fn outcome(command: Command) -> Outcome {
    let run = tokio::process::Command::from(command).kill_on_drop(true).output();
    let output = run.await.expect("Ansible is installed");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    Outcome { stdout, stderr, status: output.status.code() }
}

#[actix_rt::test]
async fn a_table_has_columns_for_awk() {
    let (daemon, _b, _nats) = fleet().await;
    let table = lobbyctl(&daemon, &["table", "-L", "service,drain,location"]).await;
    let lines: Vec<Vec<_>> =
        printed(&table).lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["NAME", "AGE", "ADDRESS", "service", "drain", "location"]);
    assert_eq!(lines[1][2..], ["127.0.0.1", "smtp,web", "yes", "prague"]);
    assert_eq!(lines[2][2..], ["127.0.0.2", "-", "-", "-"]);
    let chosen = lobbyctl(&daemon, &["table", "-l", "not service"]).await;
    assert_eq!(printed(&chosen).lines().count(), 2);
    let by_key = lobbyctl(&daemon, &["table", "--address", "public_ip4", "-l", "drain"]).await;
    assert!(printed(&by_key).lines().last().unwrap().ends_with("  -"), "{by_key:?}");
}

#[actix_rt::test]
async fn exports_are_files_of_other_programs() {
    let (daemon, _b, _nats) = fleet().await;
    let hosts = lobbyctl(&daemon, &["export", "hosts"]).await;
    assert_eq!(printed(&hosts), "127.0.0.1 a\n127.0.0.2 b\n");
    let lines = lobbyctl(&daemon, &["export", "jsonl", "-l", "drain"]).await;
    assert_eq!(printed(&lines).lines().count(), 1);
    let directory = TempDir::new().unwrap();
    let config = directory.path().join("config");
    let entries = lobbyctl(&daemon, &["export", "ssh-config"]).await;
    std::fs::write(&config, printed(&entries)).unwrap();
    let ssh = Command::new("ssh").arg("-F").arg(&config).args(["-G", "b"]).output().unwrap();
    assert!(String::from_utf8_lossy(&ssh.stdout).contains("\nhostname 127.0.0.2\n"), "{ssh:?}");
}

#[actix_rt::test]
async fn ansible_finds_groups_and_pings_their_hosts() {
    let (daemon, _b, _nats) = fleet().await;
    let listed = ansible(&daemon, "ansible-inventory", &["--list"]).await;
    let groups: Value = serde_json::from_str(printed(&listed)).unwrap();
    assert_eq!(groups["service_web"]["hosts"][0], "a");
    assert_eq!(groups["private_ip4_127_0_0_2"]["hosts"][0], "b");
    assert_eq!(groups["_meta"]["hostvars"]["a"]["ansible_host"], "127.0.0.1");
    let graph = ansible(&daemon, "ansible-inventory", &["--graph", "service"]).await;
    assert!(printed(&graph).contains("@service_smtp:"), "{graph:?}");
    let pinged = ansible(&daemon, "ansible", &["service_web", "-m", "ping", "-c", "local"]).await;
    assert!(printed(&pinged).contains("a | SUCCESS") && !pinged.stdout.contains("b |"));
    let host = lobbyctl(&daemon, &["ansible", "--host", "b"]).await;
    let host: Value = serde_json::from_str(printed(&host)).unwrap();
    assert_eq!(host["lobby"]["private_ip4"][0]["__ansible_unsafe"], "127.0.0.2");
}

/// Uses everything that an inventory says of a host, the keys of its labels among that.
const CURIOUS_PLAY: &str = "
- hosts: all
  connection: local
  gather_facts: false
  tasks:
    - debug: {msg: '{{ inventory_hostname }} {{ lobby_labels }} {{ lobby }}'}
    - debug: {msg: '{{ item.key }} {{ item.value }}'}
      loop: '{{ lobby | dict2items }}'
    - set_fact: {notes: '{{ lobby.note }}'}
    - debug: {msg: 'noted {{ notes | first }} at {{ ansible_host }}'}
";

#[actix_rt::test]
async fn no_label_or_name_of_a_stranger_runs_on_the_controller() {
    let (daemon, _b, nats) = fleet().await;
    let directory = TempDir::new().unwrap();
    let trap =
        |name: &str| format!("{{{{lookup('pipe','>{}/{name}')}}}}", directory.path().display());
    let labels =
        format!("note:{}\n{}:x\n__ansible_vault:x\n__ansible_unsafe:x", trap("value"), trap("key"));
    assert_eq!(daemon.add_labels(&labels).await.status, 200);
    let stranger = Lobbyd::named(&trap("name")).labels("note").nats(&nats).start().await;
    daemon.meets(&trap("name")).await;
    let play = directory.path().join("play.yml");
    std::fs::write(&play, CURIOUS_PLAY).unwrap();
    let played =
        ansible(&daemon, "ansible-playbook", &["-l", "note", play.to_str().unwrap()]).await;
    assert_eq!(played.status, Some(0), "{played:?}");
    assert!(played.stdout.contains("noted {{lookup('pipe'"), "{played:?}");
    assert!(played.stdout.contains(" at 127.0.0.1"), "{played:?}");
    assert!(played.stderr.contains("left out: with a name that"), "{played:?}");
    let made = std::fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(made, 1, "there is the play alone: {played:?}");
    drop(stranger);
}

#[actix_rt::test]
async fn half_a_fleet_is_an_error_unless_it_is_asked_for() {
    let daemon = Lobbyd::named("a").labels("x").without_keep_alive().start().await;
    for arguments in [&["table"][..], &["export", "hosts"], &["ansible", "--list"]] {
        let outcome = lobbyctl(&daemon, arguments).await;
        assert_eq!((outcome.status, &*outcome.stdout), (Some(1), ""), "{arguments:?}");
        assert!(outcome.stderr.contains("cannot have heard every server yet"), "{outcome:?}");
    }
    let anyway = lobbyctl(&daemon, &["table", "--anyway"]).await;
    assert_eq!((anyway.status, anyway.stdout.lines().count()), (Some(0), 2), "{anyway:?}");
    let refused = ansible(&daemon, "ansible-inventory", &["--list"]).await;
    assert_ne!(refused.status, Some(0), "{refused:?}");
}

/// Where one daemon tells its status, and another one all the rest: as if the first one had been
/// started anew in between.
async fn between(before: SocketAddr, after: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    actix_rt::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let mut client = BufReader::new(client);
            let mut line = String::new();
            client.read_line(&mut line).await.unwrap();
            let path = line.split(' ').nth(1).unwrap_or_default();
            let daemon = if path == "/v1/status" { before } else { after };
            let answer = http::send(daemon, "GET", path, &[], "").await;
            let (status, len) = (answer.status, answer.body.len());
            let head = format!(
                "HTTP/1.1 {status} x\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n"
            );
            client.write_all(&[head.as_bytes(), &answer.body].concat()).await.ok();
        }
    });
    address
}

#[actix_rt::test]
async fn a_restart_between_two_questions_gives_no_half_list() {
    let (warm, _b, _nats) = fleet().await;
    let again = Lobbyd::named("a").set("KEEP_ALIVE", "1").redis_at(free_port()).start().await;
    let port = between(warm.address(), again.address()).await.port().to_string();
    let environment = [("PORT", port.as_str())];
    for words in [&["table"][..], &["export", "jsonl"], &["ansible", "--list", "-l", "service"]] {
        let outcome = lobbyctl_with(&environment, words).await;
        assert_eq!((outcome.status, &*outcome.stdout), (Some(1), ""), "{words:?}: {outcome:?}");
        assert!(outcome.stderr.contains("no driver has come up yet"), "{outcome:?}");
    }
    let anyway = lobbyctl_with(&environment, &["table", "--anyway"]).await;
    assert_eq!((anyway.status, anyway.stdout.lines().count()), (Some(0), 2), "{anyway:?}");
}

#[actix_rt::test]
async fn a_frozen_list_is_printed_with_a_warning() {
    let (daemon, _b, nats) = fleet().await;
    drop(nats);
    eventually(LIMIT, async || {
        let outcome = lobbyctl(&daemon, &["export", "jsonl"]).await;
        let warned = outcome.stderr.contains("all links of the daemon are down");
        ensure(warned && outcome.stdout.lines().count() == 2, format!("{outcome:?}"))
    })
    .await;
    let strict = lobbyctl(&daemon, &["export", "jsonl", "--require-link"]).await;
    assert_eq!((strict.status, &*strict.stdout), (Some(1), ""), "{strict:?}");
}

#[actix_rt::test]
async fn bad_options_of_views_are_wrong_usage() {
    let daemon = Lobbyd::named("a").start().await;
    for arguments in [
        &["table", "-l", "a="][..],
        &["table", "--address", "a:b"],
        &["export"],
        &["export", "csv"],
        &["export", "file-sd", "--target-port", "0"],
        &["ansible"],
        &["ansible", "--list", "--host", "a"],
    ] {
        assert_eq!(lobbyctl(&daemon, arguments).await.status, Some(2), "{arguments:?}");
    }
}
