//! Two servers asked the same by turns.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;

use crate::baseline::Baseline;
use crate::environment::{Environment, Lobby};
use crate::figures::{REPETITIONS, Row, Samples, Unit};
use crate::http::{Speed, load};
use crate::process::Running;
use crate::wire::Steady;

/// A server that can be put under load.
#[derive(Clone, Copy)]
struct Server<'a> {
    process: &'a Running,
    address: SocketAddr,
}

impl<'a> From<&'a Lobby> for Server<'a> {
    fn from(lobby: &'a Lobby) -> Self {
        Self { process: &lobby.lobbyd.process, address: lobby.lobbyd.address }
    }
}

impl<'a> From<&'a Baseline> for Server<'a> {
    fn from(baseline: &'a Baseline) -> Self {
        Self { process: &baseline.process, address: baseline.address }
    }
}

/// A row of requests per second, lobbyd beside a bare server that gives the same answer.
///
/// # Errors
/// When one of them gives another answer on the way.
pub(super) async fn against_baseline(
    row: Row,
    environment: &Environment,
    lobby: &Lobby,
    request: &Arc<[u8]>,
) -> Result<Row> {
    let answer = lobby.ask(request).await?;
    let baseline = Baseline::start(&environment.directory, request, &answer).await?;
    by_turns(row, lobby.into(), (&baseline).into(), request, answer.status).await
}

/// A row of requests per second, a daemon that knows a large fleet beside one that knows a small
/// one.
///
/// # Errors
/// When one of them gives another answer on the way.
pub(super) async fn large_against_small(
    row: Row,
    large: &Lobby,
    small: &Lobby,
    request: &Arc<[u8]>,
) -> Result<Row> {
    by_turns(row, large.into(), small.into(), request, 200).await
}

/// A row of requests per second, a daemon that takes packets in beside the same one at rest. Each
/// of the frames is sent once a period.
///
/// # Errors
/// When it gives another answer on the way, or takes in no packets.
pub(super) async fn busy_against_rest(
    row: Row,
    environment: &Environment,
    lobby: &Lobby,
    request: &Arc<[u8]>,
    (frames, period): (Vec<Bytes>, Duration),
) -> Result<Row> {
    let (server, mut figures, mut limits) = (Server::from(lobby), Vec::new(), Vec::new());
    for _ in 0..REPETITIONS {
        let packets = Steady::start(environment.nats.port(), frames.clone(), period)?;
        figures.push(load::measure(server.process, &server.address.into(), request, 200).await?);
        packets.stop().await?;
        limits.push(load::measure(server.process, &server.address.into(), request, 200).await?);
    }
    Ok(measured(row, &figures, &limits))
}

/// A row of the processor time that an answer takes, for questions that are asked in turn. All
/// their answers must have the same shape.
///
/// # Errors
/// When an answer is another.
pub(super) async fn processor_time(
    row: Row,
    lobby: &Lobby,
    requests: &Arc<[Arc<[u8]>]>,
) -> Result<Row> {
    let (server, mut speeds) = (Server::from(lobby), Vec::new());
    for _ in 0..REPETITIONS {
        speeds
            .push(load::measure_each(server.process, &server.address.into(), requests, 200).await?);
    }
    let rate = samples(&speeds, |speed| speed.requests).median();
    let row = row.note(format!("{} of them", Unit::Rate.show(rate)));
    Ok(row.measured(samples(&speeds, |speed| speed.cpu), Samples::default()))
}

async fn by_turns(
    row: Row,
    figure: Server<'_>,
    limit: Server<'_>,
    request: &Arc<[u8]>,
    status: u16,
) -> Result<Row> {
    let (mut figures, mut limits) = (Vec::new(), Vec::new());
    for _ in 0..REPETITIONS {
        figures.push(load::measure(figure.process, &figure.address.into(), request, status).await?);
        limits.push(load::measure(limit.process, &limit.address.into(), request, status).await?);
    }
    Ok(measured(row, &figures, &limits))
}

/// A row of requests per second, with the processor time of each.
pub(super) fn measured(row: Row, figures: &[Speed], limits: &[Speed]) -> Row {
    let [figure_cpu, limit_cpu] =
        [figures, limits].map(|speeds| samples(speeds, |speed| speed.cpu).median());
    let note = format!(
        "{} and {} processor time per answer",
        Unit::Microseconds.show(figure_cpu),
        Unit::Microseconds.show(limit_cpu)
    );
    let [figures, limits] = [figures, limits].map(|speeds| samples(speeds, |speed| speed.requests));
    row.measured(figures, limits).note(note)
}

fn samples(speeds: &[Speed], of: impl Fn(&Speed) -> f64) -> Samples {
    speeds.iter().map(of).collect()
}
