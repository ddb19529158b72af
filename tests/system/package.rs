//! The Debian package, from its installation to its purge.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use lobby_tests::{Installed, SystemBox, now, program};
use tempfile::TempDir;

use crate::machine::{property, root, with_lobby};

/// From the package at hand to a daemon that answers, on a machine that may have other things to
/// do.
const INSTALLED_WITHIN: Duration = Duration::from_secs(90);

/// The package of the README.
const PACKAGE: &str = "lobby_2.0.0-1_amd64.deb";

/// The broker of the README, in the machine itself.
const BROKER: &str = "
    echo 127.0.0.1 nats.example.com >>/etc/hosts
    systemd-run --quiet --unit=broker nats-server --addr 127.0.0.1 --port 4222";

/// What people find in manuals and shells after the installation.
const COMPANIONS: &str = "
    test -e /usr/share/man/man8/lobbyd.8.gz
    test -e /usr/share/man/man1/lobbyctl.1.gz
    test -s /usr/share/bash-completion/completions/lobbyctl
    test -s /usr/share/zsh/vendor-completions/_lobbyctl
    test -s /usr/share/fish/vendor_completions.d/lobbyctl.fish
    test -L /usr/bin/lobby-inventory
    test -s /usr/share/doc/lobby/examples/alerts.yml
    test -s /usr/share/doc/lobby/examples/ansible/lobby.yml
    test -e /usr/share/doc/lobby/docs/operations.md -o -e /usr/share/doc/lobby/docs/operations.md.gz";

/// The commands with which the README installs.
fn commands_of_the_readme() -> String {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let mut blocks = readme.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let commands = blocks.find(|block| block.contains(PACKAGE)).unwrap();
    assert!(commands.starts_with("apt install ") && commands.lines().count() == 3, "{commands}");
    commands.to_owned()
}

/// The command that checks the settings of an installed server, with where NATS_URL comes from for
/// its answer.
fn check_of_the_page() -> String {
    let page = std::fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let command = page.split('`').find(|text| text.starts_with("systemd-run")).unwrap();
    let command = command.replace('\n', " ").replace("systemd-run", "systemd-run --quiet");
    format!("({command} || test $? -eq 1) | grep -o 'variable NATS_URL$'")
}

/// The package with the programs under test, as this version.
fn package(directory: &Path, version: &str) -> PathBuf {
    let mut command = Command::new(root().join("packaging/deb"));
    command.arg(directory).args(["--deb-version", version, "--fast"]);
    command.env("PROGRAMS", program("lobbyd").parent().unwrap());
    let built = command.output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    PathBuf::from(String::from_utf8(built.stdout).unwrap().trim())
}

/// A machine with so many versions of the package at hand in /run/box, under the names of
/// [`version`].
async fn machine(versions: usize) -> SystemBox {
    let directory = TempDir::new().unwrap();
    let files = Installed::nothing();
    for number in 1..=versions {
        let named = directory.path().join(version(number));
        let built = package(directory.path(), &format!("2.0.0-{number}"));
        std::fs::rename(built, &named).unwrap();
        files.add(&named);
    }
    SystemBox::start(&files).await
}

/// The name of a version of the package, of which the first is that of the README on any machine.
fn version(number: usize) -> String {
    PACKAGE.replace("2.0.0-1", &format!("2.0.0-{number}"))
}

/// Installs or upgrades to a version, as the README does.
fn install(machine: &SystemBox, number: usize) {
    machine.run(&format!("cd /run/box && apt install ./{}", version(number)));
}

fn is_active(machine: &SystemBox) -> bool {
    machine.succeeds("systemctl is-active lobbyd")
}

#[actix_rt::test]
async fn it_is_installed_upgraded_removed_and_purged() {
    let machine = machine(3).await;
    machine.run(BROKER);
    let (begun, commands) = (now(), commands_of_the_readme());
    machine.run(&format!("cd /run/box && {commands}\nlobbyctl discovery"));
    assert!(begun.elapsed() < INSTALLED_WITHIN, "{:?}", begun.elapsed());
    machine.run(COMPANIONS);
    let facts = "stat -c '%a %U' /etc/lobby/lobbyd.env; id -un lobby; systemctl is-enabled lobbyd";
    assert_eq!(machine.run(facts), "600 root\nlobby\nenabled\n");
    assert_eq!(
        machine.run("ps -o user= -p $(systemctl show --value -p MainPID lobbyd)"),
        "lobby\n"
    );

    assert_eq!(machine.run(&check_of_the_page()), "variable NATS_URL\n");

    machine.run("lobbyctl labels add kept:1 && systemctl reload lobbyd");
    machine.eventually("lobby-inventory --list | jq -e '.kept_1.hosts == [\"box\"]'").await;
    machine.run("systemctl kill --kill-who=main --signal=KILL lobbyd");
    machine.eventually("lobbyctl resolve kept:1 | grep -q box").await;

    let before = property(&machine, "MainPID");
    install(&machine, 2);
    machine.eventually("lobbyctl resolve kept:1 | grep -q box").await;
    assert!(property(&machine, "MainPID") != before && is_active(&machine));
    machine.run("systemctl stop lobbyd");
    install(&machine, 3);
    assert_eq!(machine.run("dpkg-query -f '${Version}' -W lobby"), "2.0.0-3");
    assert!(!is_active(&machine), "an upgrade starts nothing that was stopped");
    let kept = "grep -qx NATS_URL=nats://nats.example.com:4222 /etc/lobby/lobbyd.env";
    machine.run(&format!("{kept} && systemctl start lobbyd"));

    machine.run("dpkg --remove lobby");
    assert!(!is_active(&machine) && !machine.succeeds("pgrep -x lobbyd"));
    machine.run("test -e /etc/lobby/lobbyd.env && ! test -e /usr/bin/lobbyd");
    machine.run("dpkg --purge lobby");
    machine.run("! test -e /etc/lobby && ! test -e /var/lib/lobby");
    assert!(!machine.succeeds("dpkg -s lobby") && !machine.succeeds("systemctl cat lobbyd"));
}

#[actix_rt::test]
async fn a_removal_and_an_installation_anew_keep_settings_and_labels() {
    let machine = machine(1).await;
    install(&machine, 1);
    machine.run("echo DRIVER=Local >>/etc/lobby/lobbyd.env && systemctl start lobbyd");
    machine.run("lobbyctl labels add kept:1 && dpkg --remove lobby");
    install(&machine, 1);
    machine.run("systemctl start lobbyd");
    assert_eq!(machine.run("lobbyctl resolve kept:1"), "box\n");
}

#[actix_rt::test]
async fn the_package_says_that_a_hand_made_unit_takes_its_place() {
    let directory = TempDir::new().unwrap();
    let package = package(directory.path(), "2.0.0-1");
    let machine = with_lobby().await;
    machine.run("systemctl start lobbyd && lobbyctl labels add kept:1");
    machine.put(&package, "/run/lobby.deb");
    let said = machine.run("dpkg -i --force-confold /run/lobby.deb 2>&1");
    assert!(said.contains("/etc/systemd/system/lobbyd.service takes the place"), "{said}");
    let program = "readlink /proc/$(systemctl show --value -p MainPID lobbyd)/exe";
    assert_eq!(machine.run(program), "/usr/local/bin/lobbyd\n");
    // What it says is to be done.
    let advice = said.lines().find(|line| line.contains("rm /etc/systemd")).unwrap();
    machine.run(advice.trim_start_matches("lobby:"));
    assert_eq!(machine.run(program), "/usr/bin/lobbyd\n");
    assert_eq!(machine.run("lobbyctl resolve kept:1"), "box\n");
}

#[test]
fn lintian_finds_no_error() {
    let directory = TempDir::new().unwrap();
    let package = package(directory.path(), "2.0.0-1");
    let found = Command::new("lintian").args(["--fail-on", "error"]).arg(package).output().unwrap();
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stdout));
}

#[test]
fn the_packaged_unit_is_that_of_config() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
    let unit = read("config/lobbyd.service").replace("/usr/local/bin/", "/usr/bin/");
    // Without the words on how to install it by hand.
    let (_, rest) = unit.split_once("# Change it with").unwrap();
    let expected = format!("# Unit for lobbyd. Change it with{rest}");
    let path = "packaging/debian/lobby.lobbyd.service";
    if std::env::vars_os().any(|(name, value)| name == "LOBBY_WRITE_DOCS" && value == "1") {
        std::fs::write(root().join(path), expected).unwrap();
    } else {
        assert_eq!(read(path), expected, "LOBBY_WRITE_DOCS=1 writes it anew");
    }
}

#[test]
fn the_version_of_the_package_is_that_of_the_programs() {
    let changelog = std::fs::read_to_string(root().join("packaging/debian/changelog")).unwrap();
    let expected = concat!("lobby (", env!("CARGO_PKG_VERSION"), "-1)");
    assert!(changelog.starts_with(expected), "{changelog}");
}
