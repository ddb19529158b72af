//! The Debian package, from its installation to its purge.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use lobby_tests::{Installed, SystemBox, program};
use tempfile::TempDir;

use crate::machine::{property, root, with_lobby};

/// From the package at hand to a daemon that answers: the processor time of it, as the machine may
/// have other things to do.
const INSTALLED_WITHIN: Duration = Duration::from_secs(10);

/// The three commands of the README, and how many seconds of the processor they took.
const INSTALL: &str = "
    TIMEFORMAT='%U %S'
    install() {
        dpkg -i /run/box/1.deb
        echo DRIVER=Local >>/etc/lobby/lobbyd.env
        systemctl start lobbyd && lobbyctl discovery
    }
    { time install >/dev/null 2>&1; } 2>&1";

/// The package with the programs under test, as this version.
fn package(directory: &Path, version: &str) -> PathBuf {
    let mut command = Command::new(root().join("packaging/deb"));
    command.arg(directory).args(["--deb-version", version, "--fast"]);
    command.env("PROGRAMS", program("lobbyd").parent().unwrap());
    let built = command.output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    PathBuf::from(String::from_utf8(built.stdout).unwrap().trim())
}

/// A machine with two versions of the package at hand, /run/box/1.deb and 2.deb.
async fn machine() -> SystemBox {
    let directory = TempDir::new().unwrap();
    let files = Installed::nothing();
    for (name, version) in [("1.deb", "2.0.0-1"), ("2.deb", "2.0.0-2")] {
        let named = directory.path().join(name);
        std::fs::rename(package(directory.path(), version), &named).unwrap();
        files.add(&named);
    }
    SystemBox::start(&files).await
}

fn is_active(machine: &SystemBox) -> bool {
    machine.succeeds("systemctl is-active lobbyd")
}

#[actix_rt::test]
async fn it_is_installed_upgraded_removed_and_purged() {
    let machine = machine().await;
    let seconds = machine.run(INSTALL);
    let seconds = seconds.split_whitespace().map(|seconds| seconds.parse::<f64>().unwrap()).sum();
    let installed = Duration::from_secs_f64(seconds);
    assert!(installed < INSTALLED_WITHIN, "{installed:?}");
    let facts = "stat -c '%a %U' /etc/lobby/lobbyd.env; id -un lobby; systemctl is-enabled lobbyd";
    assert_eq!(machine.run(facts), "600 root\nlobby\nenabled\n");
    assert_eq!(
        machine.run("ps -o user= -p $(systemctl show --value -p MainPID lobbyd)"),
        "lobby\n"
    );

    machine.run("lobbyctl labels add kept:1 && systemctl reload lobbyd");
    machine.eventually("lobby-inventory --list | jq -e '.kept_1.hosts == [\"box\"]'").await;
    machine.run("systemctl kill --kill-who=main --signal=KILL lobbyd");
    machine.eventually("lobbyctl resolve kept:1 | grep -q box").await;

    let before = property(&machine, "MainPID");
    machine.run("dpkg -i /run/box/2.deb");
    machine.eventually("lobbyctl resolve kept:1 | grep -q box").await;
    assert!(property(&machine, "MainPID") != before && is_active(&machine));
    machine.run("systemctl stop lobbyd && dpkg -i /run/box/1.deb");
    assert!(!is_active(&machine), "an upgrade starts nothing that was stopped");
    machine.run("grep -qx DRIVER=Local /etc/lobby/lobbyd.env && systemctl start lobbyd");

    machine.run("dpkg --remove lobby");
    assert!(!is_active(&machine) && !machine.succeeds("pgrep -x lobbyd"));
    machine.run("test -e /etc/lobby/lobbyd.env && ! test -e /usr/bin/lobbyd");
    machine.run("dpkg --purge lobby");
    machine.run("! test -e /etc/lobby && ! test -e /var/lib/lobby");
    assert!(!machine.succeeds("dpkg -s lobby") && !machine.succeeds("systemctl cat lobbyd"));
}

#[actix_rt::test]
async fn a_removal_and_an_installation_anew_keep_settings_and_labels() {
    let machine = machine().await;
    machine.run("dpkg -i /run/box/1.deb && echo DRIVER=Local >>/etc/lobby/lobbyd.env");
    machine.run("systemctl start lobbyd && lobbyctl labels add kept:1 && dpkg --remove lobby");
    machine.run("dpkg -i /run/box/1.deb && systemctl start lobbyd");
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
