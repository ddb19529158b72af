//! The playbook of config/ansible, run by the real ansible-playbook on a machine in a box.

use std::process::Command;

use lobby_tests::{Installed, SystemBox, program};
use tempfile::TempDir;

use crate::machine::root;

const INVENTORY: &str = "
lobby:
  hosts:
    box:
      ansible_connection: local
      lobby_package: /run/box/lobby.deb
      lobby_settings: {DRIVER: Local, PORT: 1414, TOKEN_FILE: /etc/lobby/token}
      lobby_secrets: {token: 0123456789abcdef}
      lobby_own_labels: [service:web, location:prague]
      lobby_labels: [drain, location:prague, service:web]
";

const PLAY: &str = "cd /run/box && ansible-playbook -i inventory.yml ansible/lobby.yml";

#[actix_rt::test]
async fn a_playbook_installs_it_and_changes_nothing_the_second_time() {
    let directory = TempDir::new().unwrap();
    let mut build = Command::new(root().join("packaging/deb"));
    build.arg(directory.path()).args(["--fast"]);
    let built = build.env("PROGRAMS", program("lobbyd").parent().unwrap()).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let package = directory.path().join("lobby.deb");
    std::fs::rename(String::from_utf8(built.stdout).unwrap().trim(), &package).unwrap();
    let files = Installed::nothing().with(&package).with(&root().join("config/ansible"));
    let machine = SystemBox::start(&files.text("inventory.yml", INVENTORY)).await;

    let first = machine.run(PLAY);
    assert!(first.contains("failed=0") && !first.contains("0123456789abcdef"), "{first}");
    let ask = "lobbyctl --port 1414 --token 0123456789abcdef";
    assert_eq!(machine.run(&format!("{ask} resolve service:web")), "box\n");
    // What lobby-inventory tells of now must not become permanent.
    let written = machine.run("cat /etc/lobby/labels/ansible");
    assert_eq!(written, "service:web\nlocation:prague\n");
    let second = machine.run(PLAY);
    assert!(second.contains("changed=0"), "{second}");

    let before = machine.run("systemctl show -p MainPID lobbyd");
    machine.run("sed -i s/service:web/service:smtp/ /run/box/inventory.yml");
    machine.run(PLAY);
    machine.eventually(&format!("{ask} resolve service:smtp | grep -qx box")).await;
    assert_eq!(machine.run("systemctl show -p MainPID lobbyd"), before, "labels want no restart");
    machine.run("sed -i 's/PORT: 1414/PORT: 1515/' /run/box/inventory.yml");
    machine.run(PLAY);
    machine.run("lobbyctl --port 1515 --token 0123456789abcdef discovery");
}

#[actix_rt::test]
async fn a_host_without_the_package_fails_the_roll_out() {
    let files = Installed::nothing().with(&root().join("config/ansible"));
    let wrong = INVENTORY.replace("/run/box/lobby.deb", "/run/box/missing.deb");
    let machine = SystemBox::start(&files.text("inventory.yml", &wrong)).await;
    assert!(!machine.succeeds(PLAY));
}
