//! Machines with lobby installed on them by hand, as docs/install.md says.

use std::path::PathBuf;

use lobby_tests::{Installed, SystemBox, program};

/// The directory of the sources.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The programs and what an administrator installs beside them.
pub(crate) fn files() -> Installed {
    let files = Installed::nothing().with(&root().join("config"));
    files.with(&program("lobbyd")).with(&program("lobbyctl"))
}

/// Everything but the start, with the driver that needs no broker.
const INSTALL: &str = "
    cd /run/box
    useradd --system --user-group --home-dir /var/lib/lobby --shell /usr/sbin/nologin lobby
    install -m 0755 lobbyd lobbyctl /usr/local/bin/
    install -D -m 0600 config/lobbyd.env /etc/lobby/lobbyd.env
    install -m 0644 config/lobbyd.service /etc/systemd/system/
    echo DRIVER=Local >>/etc/lobby/lobbyd.env
    systemctl daemon-reload";

/// A machine on which lobbyd is installed and not started.
pub(crate) async fn with_lobby() -> SystemBox {
    let machine = SystemBox::start(&files()).await;
    machine.run(INSTALL);
    machine
}

/// A property of the unit lobbyd.
pub(crate) fn property(machine: &SystemBox, name: &str) -> String {
    machine.run(&format!("systemctl show --value -p {name} lobbyd")).trim().to_owned()
}
