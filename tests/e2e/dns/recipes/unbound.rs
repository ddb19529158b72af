//! A real unbound that asks lobbyd for one zone.

use std::net::SocketAddr;
use std::process::Command;

use lobby_tests::{LIMIT, Process, dig_short, dig_status, ensure, eventually, free_port};
use tempfile::TempDir;

use super::{Fleet, recipe};

const WEB: &str = "web.service.lobby.internal";

/// An unbound with the recipe, on a free port.
struct Unbound {
    address: SocketAddr,
    _process: Process,
    _directory: TempDir,
}

impl Unbound {
    async fn start(server: SocketAddr) -> Self {
        let directory = TempDir::new().unwrap();
        let (path, port) = (directory.path().display().to_string(), free_port());
        let basics = format!(
            "server:\n interface: 127.0.0.1@{port}\n username: \"\"\n chroot: \"\"\n directory: \"{path}\"\n \
             pidfile: \"{path}/pid\"\n use-syslog: no\n do-daemonize: no\nremote-control:\n control-enable: no\n"
        );
        let file = directory.path().join("unbound.conf");
        std::fs::write(&file, format!("{basics}\n{}", recipe("unbound.conf", server))).unwrap();
        let process =
            Process::start("unbound", Command::new("unbound").args(["-d", "-c"]).arg(&file));
        process.logged("start of service").await;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Self { address, _process: process, _directory: directory }
    }

    /// Waits until it gives these addresses.
    async fn gives(&self, expected: &[&str]) {
        let address = self.address;
        eventually(LIMIT, async move || {
            let given = dig_short(address, WEB).await;
            ensure(given == expected, given)
        })
        .await;
    }
}

#[actix_rt::test]
async fn unbound_follows_the_lobby() {
    let mut fleet = Fleet::start().await;
    let unbound = Unbound::start(fleet.server).await;
    unbound.gives(&["127.0.0.2", "127.0.0.3"]).await;
    assert_eq!(
        dig_short(unbound.address, "_web._tcp.service.lobby.internal SRV").await,
        ["0 1 8080 a.node.lobby.internal.", "0 1 8081 b.node.lobby.internal."]
    );
    assert_eq!(dig_status(unbound.address, "nothing.lobby.internal").await, "NXDOMAIN");
    let address = unbound.address;
    fleet
        .without_broker(async || {
            assert_eq!(dig_short(address, WEB).await, ["127.0.0.2", "127.0.0.3"]);
        })
        .await;
    fleet.restart().await;
    // Half a fleet is never shown: a failure, or all.
    eventually(LIMIT, async move || {
        let given = dig_short(address, WEB).await;
        assert!(given.len() != 1, "{given:?}");
        ensure(given == ["127.0.0.2", "127.0.0.3"], given)
    })
    .await;
    assert_eq!(fleet.a.add_labels("drain:test").await.status, 200);
    unbound.gives(&["127.0.0.3"]).await;
}
