//! A real HAProxy that balances over what the DNS says.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use lobby_tests::{LIMIT, Process, ensure, eventually, free_port, now};
use tempfile::TempDir;

use super::{Fleet, recipe};

/// The bit of the administrative state of a server that has no address.
const UNRESOLVED: u32 = 0x20;

const BOTH: [&str; 2] = ["127.0.0.2:8080", "127.0.0.3:8081"];

/// An HAProxy with the recipe.
struct HaProxy {
    directory: TempDir,
    _process: Process,
}

impl HaProxy {
    fn start(server: SocketAddr) -> Self {
        let directory = TempDir::new().unwrap();
        let socket = directory.path().join("socket");
        let basics = format!(
            "global\n stats socket {} mode 600 level admin\n\
             defaults\n mode http\n timeout connect 1s\n timeout client 5s\n timeout server 5s\n\
             frontend web\n bind 127.0.0.1:{}\n default_backend web\n",
            socket.display(),
            free_port()
        );
        // A server that is gone goes sooner than the recipe lets it, for the sake of the test.
        let recipe = recipe("haproxy.cfg", server).replace("obsolete 30s", "obsolete 2s");
        let file = directory.path().join("haproxy.cfg");
        std::fs::write(&file, format!("{basics}\n{recipe}")).unwrap();
        let process =
            Process::start("haproxy", Command::new("haproxy").args(["-db", "-f"]).arg(&file));
        Self { directory, _process: process }
    }

    /// The addresses that it sends requests to, sorted.
    fn servers(&self) -> Result<Vec<String>, String> {
        let mut socket = UnixStream::connect(self.directory.path().join("socket"))
            .map_err(|error| error.to_string())?;
        socket.write_all(b"show servers state web\n").map_err(|error| error.to_string())?;
        let mut state = String::new();
        socket.read_to_string(&mut state).map_err(|error| error.to_string())?;
        let rows = state.lines().skip(2).map(|row| row.split(' ').collect::<Vec<_>>());
        let rows = rows.filter(|row| row.len() > 18);
        let usable =
            rows.filter(|row| row[6].parse().is_ok_and(|state: u32| state & UNRESOLVED == 0));
        let mut servers: Vec<_> = usable.map(|row| format!("{}:{}", row[4], row[18])).collect();
        servers.sort();
        Ok(servers)
    }

    async fn uses(&self, expected: &[&str]) {
        eventually(LIMIT, async move || {
            let servers = self.servers()?;
            ensure(servers == expected, servers)
        })
        .await;
    }
}

#[actix_rt::test]
async fn haproxy_keeps_its_servers_while_lobbyd_is_away() {
    let mut fleet = Fleet::start().await;
    let haproxy = HaProxy::start(fleet.server);
    haproxy.uses(&BOTH).await;
    fleet.without_broker(async || assert_eq!(haproxy.servers().unwrap(), BOTH)).await;
    fleet.me.kill();
    let (away, mut looks) = (now(), tokio::time::interval(Duration::from_millis(100)));
    while away.elapsed() < Duration::from_secs(15) {
        assert_eq!(haproxy.servers().unwrap(), BOTH, "after {:?}", away.elapsed());
        looks.tick().await;
    }
    fleet.restart().await;
    fleet.me.meets("a").await;
    fleet.me.meets("b").await;
    super::is_warm(fleet.server).await;
    assert_eq!(haproxy.servers().unwrap(), BOTH);
    assert_eq!(fleet.a.add_labels("drain:test").await.status, 200);
    haproxy.uses(&BOTH[1..]).await;
}
