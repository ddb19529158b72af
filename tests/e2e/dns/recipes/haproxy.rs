//! A real HAProxy that balances over what the DNS says.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use lobby_tests::{LIMIT, Process, ensure, eventually, free_port};
use tempfile::TempDir;

use super::{Fleet, recipe};

/// The bit of the administrative state of a server that has no address.
const UNRESOLVED: u32 = 0x20;

const BOTH: [&str; 2] = ["127.0.0.2:8080", "127.0.0.3:8081"];

/// What the recipe sets so that servers stay while lobbyd is away.
const HOLDS: [&str; 3] = ["hold timeout", "hold refused", "hold other"];

/// After this time at most a server is gone, with the recipe or with HAProxy's defaults.
const HELD: Duration = Duration::from_secs(60);

/// An HAProxy with the recipe, or most of it.
struct HaProxy {
    directory: TempDir,
    _process: Process,
}

impl HaProxy {
    fn start(recipe: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let socket = directory.path().join("socket");
        let basics = format!(
            "global\n stats socket {} mode 600 level admin\n\
             defaults\n mode http\n timeout connect 1s\n timeout client 5s\n timeout server 5s\n\
             frontend web\n bind 127.0.0.1:{}\n default_backend web\n",
            socket.display(),
            free_port()
        );
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

    async fn uses(&self, expected: &[&str], within: Duration) {
        eventually(within, async move || {
            let servers = self.servers()?;
            ensure(servers == expected, servers)
        })
        .await;
    }
}

/// The recipe.
fn whole(server: SocketAddr) -> String {
    recipe("haproxy.cfg", server)
}

/// The recipe with the defaults in place of the lines that keep servers.
fn without_holds(server: SocketAddr) -> String {
    let recipe = whole(server);
    let is_hold = |line: &&str| HOLDS.iter().any(|hold| line.trim().starts_with(hold));
    assert_eq!(recipe.lines().filter(is_hold).count(), HOLDS.len(), "{recipe}");
    recipe.lines().filter(|line| !is_hold(line)).map(|line| format!("{line}\n")).collect()
}

#[actix_rt::test]
async fn haproxy_keeps_its_servers_while_lobbyd_is_away() {
    let mut fleet = Fleet::start().await;
    let haproxy = HaProxy::start(&whole(fleet.server));
    let forgetful = HaProxy::start(&without_holds(fleet.server));
    haproxy.uses(&BOTH, LIMIT).await;
    forgetful.uses(&BOTH, LIMIT).await;
    fleet.without_broker(async || assert_eq!(haproxy.servers().unwrap(), BOTH)).await;
    forgetful.uses(&BOTH, LIMIT).await;
    fleet.me.kill();
    eventually(HELD, async || {
        assert_eq!(haproxy.servers().unwrap(), BOTH);
        let left = forgetful.servers()?;
        ensure(left.is_empty(), format!("without the lines there still are {left:?}"))
    })
    .await;
    fleet.restart().await;
    fleet.me.meets("a").await;
    fleet.me.meets("b").await;
    super::is_warm(fleet.server).await;
    assert_eq!(haproxy.servers().unwrap(), BOTH);
}

#[actix_rt::test]
async fn haproxy_leaves_a_drained_server_after_hold_obsolete() {
    let fleet = Fleet::start().await;
    let haproxy = HaProxy::start(&whole(fleet.server));
    haproxy.uses(&BOTH, LIMIT).await;
    assert_eq!(fleet.a.add_labels("drain:test").await.status, 200);
    haproxy.uses(&BOTH[1..], HELD).await;
}
