//! A callback that must reload nginx, although the unit lets it do nothing of the kind.

use crate::machine::with_lobby;

const INSTALL: &str = "
    echo 127.0.0.1 box >>/etc/hosts
    cd /run/box/config/nginx
    install -m 0755 lobby-upstream /usr/local/bin/
    install -m 0644 lobby-nginx.path lobby-nginx.service /etc/systemd/system/
    cat >>/etc/lobby/lobbyd.env <<'END'
CALLBACK=/usr/local/bin/lobby-upstream service:web 8080 /var/lib/lobby/upstream.conf
CALLBACK_FIRST_RUN_DELAY=3
CALLBACK_COOLDOWN=0
KEEP_ALIVE=1
END
    cat >/etc/nginx/nginx.conf <<'END'
pid /run/nginx.pid;
events {}
http {
    include /var/lib/lobby/upstream*.conf;
    server { listen 127.0.0.1:80; return 200 ok; }
}
END
    systemctl daemon-reload && systemctl start nginx lobby-nginx.path lobbyd";

/// The generation of nginx' workers: they are others after a reload.
const WORKERS: &str = "pgrep --parent $(cat /run/nginx.pid)";

#[actix_rt::test]
async fn nginx_is_reloaded_when_a_server_gets_the_label() {
    let machine = with_lobby().await;
    machine.run(INSTALL);
    machine.eventually("grep -q 'server 127.0.0.1:9 down;' /var/lib/lobby/upstream.conf").await;
    machine.eventually("nginx -T 2>/dev/null | grep -q 'upstream lobby'").await;
    let workers = machine.run(WORKERS);
    machine.run("lobbyctl labels add service:web");
    machine.eventually("grep -q 'server box:8080;' /var/lib/lobby/upstream.conf").await;
    let are_others =
        format!("now=$({WORKERS}); [ \"$now\" ] && [ \"$now\" != '{}' ]", workers.trim());
    machine.eventually(&are_others).await;
    assert_eq!(machine.run("curl -s http://127.0.0.1"), "ok");
}

#[actix_rt::test]
async fn a_file_that_nginx_does_not_understand_leaves_it_as_it_was() {
    let machine = with_lobby().await;
    machine.run(INSTALL);
    machine.eventually("test -e /var/lib/lobby/upstream.conf").await;
    machine.run("systemctl stop lobbyd && echo nonsense >/var/lib/lobby/upstream.conf");
    machine.eventually("systemctl is-failed lobby-nginx.service").await;
    assert_eq!(machine.run("systemctl is-active nginx; curl -s http://127.0.0.1"), "active\nok");
}
