//! Names in the DNS: ten addresses among those of a fleet.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use lobby_tests::free_port;

use super::compare::measured;
use crate::clock;
use crate::dns::load::{ask, measure, question};
use crate::dns::plain::Plain;
use crate::environment::{Environment, Lobby};
use crate::figures::{Goal, REPETITIONS, Row, Unit};
use crate::fleet::{MATCHES, RARE_LABEL};
use crate::process::Running;

/// Asked of 100,000 hosts, no slower than this many times what it is of 1,000.
const MOST_SLOWDOWN: f64 = 1.5;

/// Time for a daemon to know that it must have heard every host.
const WARM_LIMIT: Duration = Duration::from_secs(30);

/// A daemon that answers DNS for a fleet.
struct Names {
    lobby: Lobby,
    server: SocketAddr,
    answer: Vec<u8>,
}

/// `VALUE.KEY.ZONE` A over UDP.
pub(super) async fn names(environment: &mut Environment) -> Result<Vec<Row>> {
    let name = RARE_LABEL.split(':').rev().collect::<Vec<_>>().join(".") + ".lobby.internal";
    let question: Arc<[u8]> = question(&name).into();
    let small = Names::start(environment, 1_000, &question).await?;
    let large = Names::start(environment, 100_000, &question).await?;
    let plain = Plain::start(&environment.directory, &question, &small.answer).await?;
    let what = "DNS over UDP, 10 addresses";
    let near = Row::new(format!("{what}, limit: hickory-server"), Unit::Rate).hosts(1_000);
    let near = near.goal(Goal::AtLeast(0.50));
    let bare = (&plain.process, plain.address, plain.len);
    let near = by_turns(near, small.server(), bare, &question).await?;
    let far = Row::new(format!("{what}, limit: the same of 1,000 hosts"), Unit::Rate);
    let far = far.hosts(100_000).goal(Goal::AtLeast(1.0 / MOST_SLOWDOWN));
    let far = by_turns(far, large.server(), small.server(), &question).await?;
    Ok(vec![near, far])
}

/// A process, its address, and the length of its answer.
type Server<'a> = (&'a Running, SocketAddr, usize);

async fn by_turns(
    row: Row,
    figure: Server<'_>,
    limit: Server<'_>,
    question: &Arc<[u8]>,
) -> Result<Row> {
    let (mut figures, mut limits) = (Vec::new(), Vec::new());
    for _ in 0..REPETITIONS {
        figures.push(measure(figure.0, figure.1, question, figure.2).await?);
        limits.push(measure(limit.0, limit.1, question, limit.2).await?);
    }
    Ok(measured(row, &figures, &limits))
}

impl Names {
    async fn start(environment: &Environment, hosts: usize, question: &[u8]) -> Result<Self> {
        let server = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let settings = [("DNS_LISTEN", server.to_string())];
        let lobby = environment.lobby_with(hosts, "names", &settings).await?;
        let deadline = clock::now() + WARM_LIMIT;
        loop {
            // A daemon that is just making its directory of names answers later.
            if let Ok(answer) = ask(server, question).await
                // The number of answers, in the header.
                && usize::from(answer[7]) == MATCHES
            {
                return Ok(Self { lobby, server, answer });
            }
            let left = deadline.checked_duration_since(clock::now());
            left.context("lobbyd does not answer DNS in time")?;
            clock::pause(Duration::from_millis(50)).await;
        }
    }

    fn server(&self) -> Server<'_> {
        (&self.lobby.lobbyd.process, self.server, self.answer.len())
    }
}
