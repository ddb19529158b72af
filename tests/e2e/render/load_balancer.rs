//! A load balancer whose servers are rendered, while they come and go under load.

use std::net::Ipv4Addr;
use std::time::Duration;

use lobby_tests::{
    LIMIT, Lobbyd, NatsServer, Nginx, Process, Signal, WebLoad, WebServer, ensure, eventually,
    free_port, http, now,
};

use super::examples::example;
use super::watching::watch;
use super::{Place, word};

/// So many come together and go together, once those of the next round are there.
const PEERS: u8 = 4;
const ROUNDS: u8 = 5;

/// How long a server goes on after it has said goodbye: docs/templates.md says that it is enough.
const DRAIN: Duration = Duration::from_secs(2);

const TTL: &str = "2";
const THREE_TTL: Duration = Duration::from_secs(6);

/// A server with its daemon.
struct Peer {
    name: String,
    daemon: Lobbyd,
    server: WebServer,
}

impl Peer {
    async fn start(number: u8, port: u16, nats: &NatsServer) -> Self {
        let server = WebServer::start((Ipv4Addr::new(127, 0, 1, number), port)).await;
        let labels = format!("service:web,address:{}", server.address().ip());
        let name = format!("peer{number}");
        let daemon = Lobbyd::named(&name).labels(&labels).set("TTL", TTL).nats(nats);
        Self { daemon: daemon.start().await, server, name }
    }

    /// The beginning of its line in the file.
    fn line(&self) -> String {
        format!("server {} ", self.server.address())
    }
}

async fn start_round(round: u8, port: u16, nats: &NatsServer) -> Vec<Peer> {
    let mut peers = Vec::new();
    for number in 1..=PEERS {
        peers.push(Peer::start(round * PEERS + number, port, nats).await);
    }
    peers
}

/// Waits until all of these have come into the file, or have gone from it.
async fn are_in(place: &Place, lines: &[String], wanted: bool) {
    eventually(LIMIT, async || {
        let text = place.text();
        ensure(lines.iter().all(|line| text.contains(line) == wanted), text)
    })
    .await;
}

/// Ends the servers of a round as a server is to be ended: its daemon says goodbye, and it serves
/// on for a moment. On a busy machine that is until nginx does without it. Returns how long the
/// servers were in the file.
async fn end_round(peers: Vec<Peer>, place: &Place, nginx: &Nginx) -> Duration {
    for peer in &peers {
        peer.daemon.signal(Signal::TERM);
    }
    for peer in &peers {
        peer.daemon.wait(LIMIT).await;
    }
    let said = now();
    are_in(place, &peers.iter().map(Peer::line).collect::<Vec<_>>(), false).await;
    let lasted = said.elapsed();
    does_without(nginx, &peers).await;
    tokio::time::sleep_until(said + DRAIN).await;
    lasted
}

/// Tells the servers that nginx has, which a test may ask for.
const SERVERS: &str = "
map $host $servers {
    default \"{% for host in hosts %}{{ host.name }} {% endfor %}\";
}
";

/// Waits until no worker of nginx has one of these servers.
async fn does_without(nginx: &Nginx, peers: &[Peer]) {
    eventually(LIMIT, async || {
        let servers = http::try_send(nginx.address(), "GET", "/servers", &[], "").await?.text();
        let is_without = peers.iter().all(|peer| !servers.contains(&format!("{} ", peer.name)));
        ensure(is_without && nginx.workers().len() == 1, (servers, nginx.workers()))
    })
    .await;
}

/// Renders the upstream of an nginx, which it checks and reloads.
fn balance(place: &Place, daemon: &Lobbyd, nginx: &Nginx) -> Process {
    let configuration = nginx.directory().join("nginx.conf");
    let command = format!("{} -e stderr -c {}", Nginx::program().display(), word(&configuration));
    let (check, reload) = (format!("{command} -t"), format!("{command} -s reload"));
    watch(place, daemon.address().port(), &["--check", &check, "--reload", &reload])
}

/// What nginx serves. It asks no second server where one fails.
const LOCATIONS: &str = "
    location / { proxy_pass http://web; proxy_next_upstream off; }
    location = /servers { return 200 $servers; }
";

#[actix_rt::test]
async fn no_request_fails_while_servers_come_and_go() {
    let (mut nats, port) = (NatsServer::start().await, free_port());
    let balancer = Lobbyd::named("balancer").set("TTL", TTL).nats(&nats).start().await;
    let mut peers = start_round(0, port, &nats).await;
    for peer in &peers {
        balancer.meets(&peer.name).await;
    }
    let template = example("nginx-upstream.conf.j2").replace("8080", &port.to_string());
    let place = Place::with(&(template + SERVERS));
    assert_eq!(
        place.render(&balancer, &[]).await.status,
        Some(0),
        "nginx has servers from the start"
    );
    let include = format!("include {};", word(&place.file()));
    let nginx = Nginx::start(&include, LOCATIONS).await;
    let render = balance(&place, &balancer, &nginx);
    let load = WebLoad::on(nginx.address());
    let mut lasted = Vec::new();
    for round in 1..=ROUNDS {
        let next = start_round(round, port, &nats).await;
        are_in(&place, &next.iter().map(Peer::line).collect::<Vec<_>>(), true).await;
        lasted.push(end_round(std::mem::replace(&mut peers, next), &place, &nginx).await);
        if round == ROUNDS / 2 {
            let (before, answered) = (place.text(), load.answered());
            nats.kill();
            balancer.is_cut_off_for(THREE_TTL).await;
            assert_eq!(place.text(), before, "nobody leaves while the broker is away");
            assert!(load.answered() > answered, "it serves on");
            nats.restart().await;
            for daemon in peers.iter().map(|peer| &peer.daemon).chain([&balancer]) {
                daemon.links_are("up", LIMIT).await;
            }
        }
    }
    load.none_failed(100);
    // A busy machine may be late, but not each time.
    assert!(
        lasted.iter().min() < Some(&DRAIN),
        "they end before the file is without them: {lasted:?}"
    );
    assert_eq!(render.logs_with("error"), Vec::<String>::new());
}
