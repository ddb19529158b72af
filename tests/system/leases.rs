//! Labels of a program that is a service, with the unit of the page, under a real systemd.

use std::fs;

use crate::machine::{root, with_lobby};

/// A web server that takes a while to stop, and asks meanwhile whether it still has its label.
const WEB_SERVER: &str = "
    install -m 0755 /dev/stdin /usr/local/bin/webserver <<'END'
#!/bin/sh
trap 'lobbyctl resolve service:web >/run/told; kill $!; trap - TERM; kill $$' TERM HUP
python3 -m http.server --bind 127.0.0.1 8080 &
wait
END";

/// The unit that the page shows, for programs below /usr/local.
fn unit() -> String {
    let page = fs::read_to_string(root().join("docs/leases.md")).unwrap();
    let (_, rest) = page.split_once("```ini\n").unwrap();
    rest.split("```").next().unwrap().replace("/usr/bin/", "/usr/local/bin/")
}

#[actix_rt::test]
async fn a_service_loses_its_label_before_it_is_told_to_stop() {
    let machine = with_lobby().await;
    machine.run(WEB_SERVER);
    machine.run(&format!(
        "cat >/etc/systemd/system/web.service <<'END'\n{}END\n\
         systemctl daemon-reload && systemctl start lobbyd web",
        unit()
    ));
    assert_eq!(machine.run("systemd-analyze verify web.service 2>&1"), "");
    machine.eventually("lobbyctl resolve service:web | grep -q box").await;
    machine.run("systemctl stop web");
    assert_eq!(machine.run("cat /run/told"), "");
    assert_eq!(machine.run("lobbyctl resolve service:web"), "");
    assert_eq!(machine.run("systemctl show --value -p Result web"), "success\n");

    // With a HUP right behind TERM, which ends a program as well, the label still goes before.
    machine.run(
        "mkdir /etc/systemd/system/web.service.d && rm /run/told
         printf '[Service]\\nSendSIGHUP=yes\\n' >/etc/systemd/system/web.service.d/hup.conf
         systemctl daemon-reload && systemctl start web",
    );
    machine.eventually("lobbyctl resolve service:web | grep -q box").await;
    machine.run("systemctl stop web");
    assert_eq!(machine.run("cat /run/told"), "");
    assert_eq!(machine.run("lobbyctl resolve service:web"), "");
}
