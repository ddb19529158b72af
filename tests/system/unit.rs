//! The unit, under a real systemd.

use std::process::Command;

use crate::machine::{property, root, with_lobby};

/// The worst exposure that `systemd-analyze security` may find, in tenths.
const EXPOSURE: &str = "15";

#[test]
fn the_unit_lets_little_through() {
    let mut command = Command::new("systemd-analyze");
    command.args(["security", "--offline=true", &format!("--threshold={EXPOSURE}")]);
    let output = command.arg(root().join("config/lobbyd.service")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[actix_rt::test]
async fn systemd_finds_no_fault_with_the_unit() {
    let machine = with_lobby().await;
    assert_eq!(machine.run("systemd-analyze verify /etc/systemd/system/lobbyd.service 2>&1"), "");
}

#[actix_rt::test]
async fn start_returns_when_the_api_answers_and_shows_the_state() {
    let machine = with_lobby().await;
    machine.run("systemctl start lobbyd && lobbyctl labels add service:web");
    assert_eq!(machine.run("lobbyctl resolve service:web"), "box\n");
    machine.eventually("systemctl status lobbyd | grep -q 'Status: \"1 server; Local up\"'").await;
    assert_eq!(machine.run("cat /etc/lobby/labels/_runtime"), "service:web\n");
    let status = machine.run("cat /proc/$(systemctl show --value -p MainPID lobbyd)/status");
    for wall in ["CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(status.contains(wall), "{status}");
    }
}

#[actix_rt::test]
async fn reload_reads_labels_and_the_daemon_stays_the_same() {
    let machine = with_lobby().await;
    machine.run("systemctl start lobbyd");
    let before = property(&machine, "MainPID");
    machine.run("mkdir /srv/labels && ln -s /srv/labels /etc/lobby/labels/linked");
    machine.run("echo x:1 >/etc/lobby/labels/file && systemctl reload lobbyd");
    machine.eventually("lobbyctl resolve x:1 | grep -q box").await;
    assert_eq!(
        (property(&machine, "MainPID"), property(&machine, "NRestarts")),
        (before, "0".into())
    );
    machine.eventually("systemctl is-active lobbyd").await;
}

#[actix_rt::test]
async fn a_killed_or_frozen_daemon_is_started_again() {
    let machine = with_lobby().await;
    machine.run(
        "
        mkdir /etc/systemd/system/lobbyd.service.d
        printf '[Service]\\nWatchdogSec=2\\n' >/etc/systemd/system/lobbyd.service.d/watchdog.conf
        systemctl daemon-reload && systemctl start lobbyd
        systemctl kill --kill-who=main --signal=KILL lobbyd",
    );
    machine.eventually("systemctl show -p NRestarts lobbyd | grep -qx NRestarts=1").await;
    machine.eventually("systemctl is-active lobbyd && lobbyctl discovery").await;
    machine.run("systemctl kill --kill-who=main --signal=STOP lobbyd");
    machine.eventually("systemctl show -p NRestarts lobbyd | grep -qx NRestarts=2").await;
    machine.eventually("systemctl is-active lobbyd && lobbyctl discovery").await;
    machine.run("systemctl stop lobbyd");
    assert_eq!(property(&machine, "Result"), "success");
}

/// Within the walls of the unit only some directories can be written.
#[actix_rt::test]
async fn labels_that_end_are_kept_within_the_walls() {
    let machine = with_lobby().await;
    let lease = "curl -sf --data-binary run:1 'http://127.0.0.1:1313/v1/labels?ttl=1h'";
    machine.run(&format!("systemctl start lobbyd && {lease}"));
    assert_eq!(
        machine.run("stat -c '%U %n' /var/lib/lobby/*"),
        "lobby /var/lib/lobby/leases.json\n"
    );
    machine.run("systemctl kill --kill-who=main --signal=KILL lobbyd");
    machine.eventually("lobbyctl resolve run:1 | grep -qx box").await;
    machine.run("systemctl restart lobbyd");
    assert_eq!(machine.run("lobbyctl resolve run:1"), "box\n");
}

#[actix_rt::test]
async fn a_wrong_setting_fails_the_start_and_is_not_tried_again() {
    let machine = with_lobby().await;
    machine.run("echo TTL=never >>/etc/lobby/lobbyd.env");
    assert!(!machine.succeeds("systemctl start lobbyd"));
    assert_eq!(machine.run("systemctl is-active lobbyd || true"), "failed\n");
    assert_eq!(
        (property(&machine, "ExecMainStatus"), property(&machine, "NRestarts")),
        ("2".into(), "0".into())
    );
    let journal = machine.run("journalctl --no-pager --output=cat --unit=lobbyd");
    assert!(journal.contains("TTL") && journal.contains("never"), "{journal}");
}

/// As docs/security.md has it.
const CREDENTIAL: &str = "
    install -D -m 0600 /dev/stdin /etc/lobby/token <<<0123456789abcdef
    mkdir /etc/systemd/system/lobbyd.service.d
    cat >/etc/systemd/system/lobbyd.service.d/token.conf <<'END'
[Service]
LoadCredential=token:/etc/lobby/token
Environment=TOKEN_FILE=%d/token
END
    systemctl daemon-reload";

#[actix_rt::test]
async fn a_secret_comes_as_a_credential_that_root_alone_can_read() {
    let machine = with_lobby().await;
    machine.run(CREDENTIAL);
    machine.run("systemctl start lobbyd");
    assert!(!machine.succeeds("lobbyctl discovery"), "nobody gets in without the token");
    machine.run("TOKEN_FILE=/etc/lobby/token lobbyctl discovery");
    let journal = machine.run("journalctl --no-pager --output=cat --unit=lobbyd");
    assert!(!journal.contains("odd") && !journal.contains("0123456789abcdef"), "{journal}");
    machine.run("echo fedcba9876543210 >/etc/lobby/token && systemctl restart lobbyd");
    machine.run("TOKEN=fedcba9876543210 lobbyctl discovery");
}
