//! The unit of a file that follows the lobby, under a real systemd and with a real nginx.

use lobby_tests::SystemBox;

use crate::machine::with_lobby;

/// The lines that the unit begins with, and an nginx that includes the file.
const INSTALL: &str = "
    cd /run/box
    install -m 0644 config/lobby-render@.service /etc/systemd/system/
    install -D -m 0644 config/templates/nginx-upstream.conf.j2 /etc/lobby/templates/web.j2
    install -D -m 0644 /dev/stdin /etc/lobby/render/web.env <<'END'
OPTIONS=\"/etc/lobby/templates/web.j2 -o /etc/nginx/conf.d/lobby-web.conf --check 'nginx -t' --reload 'systemctl reload nginx'\"
END
    cat >/etc/nginx/nginx.conf <<'END'
pid /run/nginx.pid;
events {}
http {
    include /etc/nginx/conf.d/lobby*.conf;
    server { listen 127.0.0.1:80; return 200 ok; }
}
END
    echo KEEP_ALIVE=1 >>/etc/lobby/lobbyd.env
    systemctl daemon-reload && systemctl start nginx lobbyd";

const START: &str = "systemctl start lobby-render@web";
const FILE: &str = "/etc/nginx/conf.d/lobby-web.conf";
const WORKERS: &str = "pgrep --parent $(cat /run/nginx.pid)";

async fn machine() -> SystemBox {
    let machine = with_lobby().await;
    machine.run(INSTALL);
    machine
}

fn property(machine: &SystemBox, name: &str) -> String {
    machine.run(&format!("systemctl show --value -p {name} lobby-render@web")).trim().to_owned()
}

#[actix_rt::test]
async fn a_unit_renders_checks_and_reloads_nginx() {
    let machine = machine().await;
    assert_eq!(
        machine.run("systemd-analyze verify /etc/systemd/system/lobby-render@.service 2>&1"),
        ""
    );
    machine.run(START);
    machine.eventually(&format!("grep -q 'server 127.0.0.1:9 down;' {FILE}")).await;
    machine.eventually("nginx -T 2>/dev/null | grep -q 'upstream web'").await;
    let workers = machine.run(WORKERS);
    machine.run("lobbyctl labels add service:web address:10.1.0.1");
    machine.eventually(&format!("grep -q 'server 10.1.0.1:8080 ' {FILE}")).await;
    let are_others =
        format!("now=$({WORKERS}); [ \"$now\" ] && [ \"$now\" != '{}' ]", workers.trim());
    machine.eventually(&are_others).await;
    assert_eq!(machine.run("curl -s http://127.0.0.1"), "ok");

    machine.run("systemctl kill --signal=KILL lobby-render@web");
    machine.eventually("systemctl show -p NRestarts lobby-render@web | grep -qx NRestarts=1").await;
    machine.run("lobbyctl labels del address:10.1.0.1 && lobbyctl labels add address:10.1.0.2");
    machine.eventually(&format!("grep -q 'server 10.1.0.2:8080 ' {FILE}")).await;
}

#[actix_rt::test]
async fn a_wrong_template_fails_the_unit_and_is_not_tried_again() {
    let machine = machine().await;
    machine.run("echo '{% for %}' >/etc/lobby/templates/web.j2");
    machine.run(START);
    machine.eventually("systemctl is-failed lobby-render@web").await;
    assert_eq!(
        (property(&machine, "ExecMainStatus"), property(&machine, "NRestarts")),
        ("2".into(), "0".into())
    );
    let journal = machine.run("journalctl --no-pager --output=cat --unit=lobby-render@web");
    assert!(journal.contains("/etc/lobby/templates/web.j2:1:"), "{journal}");
    assert!(!machine.succeeds(&format!("test -e {FILE}")));
}
