//! systemd-resolved, which asks lobbyd for one zone.
//!
//! It is installed in the box only: on this machine it would take over /etc/resolv.conf.

use std::path::PathBuf;

use lobby_tests::SystemBox;

use crate::machine::files;

/// A network that is up, without which resolved asks nobody; a broker; and two servers of a
/// service, the first of which answers DNS.
const INSTALL: &str = "
    cd /run/box
    dpkg --force-depends --install systemd-resolved_*.deb
    ip link add lobby0 type veth peer name lobby1
    ip link set lobby1 up && ip link set lobby0 up && ip address add 192.0.2.1/24 dev lobby0
    ip route add default via 192.0.2.2
    install -D -m 0644 config/dns/resolved.conf /etc/systemd/resolved.conf.d/lobby.conf
    mkdir -p /run/labels/a /run/labels/b
    cat >/etc/systemd/system/broker.service <<'END'
[Service]
ExecStart=/usr/sbin/nats-server -a 127.0.0.1 -p 4222
END
    cat >/etc/systemd/system/lobby@.service <<'END'
[Service]
Environment=DRIVER=NATS NATS_URL=nats://127.0.0.1:4222 KEEP_ALIVE=1 TTL=4 HOSTNAME=%i LABELS_PATH=/run/labels/%i
EnvironmentFile=/run/labels/%i.env
ExecStart=/run/box/lobbyd
END
    echo PORT=1313 DNS_LISTEN=127.0.0.1:8653 DNS_TTL=1 LABELS=service:web,port:web:8080,address:10.9.9.1 |
        tr ' ' '\\n' >/run/labels/a.env
    echo PORT=1314 LABELS=service:web,port:web:8081,address:10.9.9.2 | tr ' ' '\\n' >/run/labels/b.env
    systemctl daemon-reload
    systemctl start broker lobby@a lobby@b
    systemctl restart systemd-resolved";

/// The addresses that resolved gives, in a line.
const WEB: &str = "dig +short @127.0.0.53 web.service.lobby.internal | sort | xargs";

const BOTH: &str = "10.9.9.1 10.9.9.2";

/// The package as `tests/install-system` has downloaded it.
fn package() -> PathBuf {
    let packages = std::fs::read_dir("/var/cache/apt/archives").unwrap();
    let mut packages = packages.map(|entry| entry.unwrap().path());
    let found = packages.find(|path| path.to_string_lossy().contains("/systemd-resolved_"));
    found.expect("tests/install-system downloads systemd-resolved")
}

async fn gives(machine: &SystemBox, expected: &str) {
    machine.eventually(&format!("[ \"$({WEB})\" = '{expected}' ]")).await;
}

#[actix_rt::test]
async fn resolved_follows_the_lobby() {
    let machine = SystemBox::start(&files().with(&package())).await;
    machine.run(INSTALL);
    gives(&machine, BOTH).await;
    let services = machine.run("resolvectl service _web._tcp service.lobby.internal");
    assert!(services.contains("a.node.lobby.internal:8080"), "{services}");
    assert!(machine.run("dig @127.0.0.53 nothing.lobby.internal").contains("NXDOMAIN"));

    machine.run("systemctl stop broker");
    let outage = lobby_tests::now();
    while outage.elapsed() < std::time::Duration::from_secs(8) {
        assert_eq!(machine.run(WEB).trim(), BOTH);
    }
    machine.run("systemctl start broker && systemctl restart lobby@a");
    gives(&machine, BOTH).await;
    machine.run("curl -sf -d drain http://127.0.0.1:1314/v1/labels");
    gives(&machine, "10.9.9.1").await;
}
