//! Whole lists: how near their answers come to a server that has nothing to do but send them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use super::compare;
use crate::environment::Environment;
use crate::figures::{Goal, Row, Unit};
use crate::fleet::{GROUP, RARE_LABEL};
use crate::http::{Answer, get};
use crate::wire::Steady;

const DISCOVERIES: &str = "/v1/discoveries";
const GZIP: (&str, &str) = ("Accept-Encoding", "gzip");
/// At this interval every host of a fleet sends a packet.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// At this interval a host goes through its two changes.
const CHANGES_PERIOD: Duration = Duration::from_millis(10);

/// `GET /v1/discoveries` over all sizes of fleets.
pub(super) async fn discoveries(environment: &mut Environment) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for hosts in [100, 1_000, 10_000, 100_000] {
        let goal = (hosts == 1_000).then_some(Goal::AtLeast(0.95));
        let row = Row::new("GET /v1/discoveries", Unit::Rate).goal(goal);
        rows.push(compare(row, environment, hosts, get(DISCOVERIES, &[])).await?);
    }
    Ok(rows)
}

/// `GET /v1/discoveries` of 1,000 hosts while each of them sends its keep-alives, 200 a second.
pub(super) async fn discoveries_while_busy(environment: &mut Environment) -> Result<Vec<Row>> {
    let lobby = environment.lobby(1_000).await?;
    let packets = Steady::start(environment.nats.port(), lobby.frames(0), KEEP_ALIVE)?;
    let row = Row::new("the same while 200 packets/s arrive", Unit::Rate).goal(Goal::AtLeast(0.90));
    let row = compare(row, environment, 1_000, get(DISCOVERIES, &[])).await;
    packets.stop().await?;
    Ok(vec![row?])
}

/// `GET /v1/prometheus/:name`, a target of each host.
pub(super) async fn prometheus(environment: &mut Environment) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for hosts in [1_000, 10_000, 100_000] {
        let goal = (hosts == 1_000).then_some(Goal::AtLeast(0.90));
        let row = Row::new("GET /v1/prometheus/:name", Unit::Rate).goal(goal);
        rows.push(
            compare(row, environment, hosts, get(&format!("/v1/prometheus/{GROUP}"), &[])).await?,
        );
    }
    Ok(rows)
}

/// A list that the client has already.
pub(super) async fn unchanged(environment: &mut Environment) -> Result<Vec<Row>> {
    let row = Row::new("unchanged GET with If-None-Match", Unit::Rate).goal(Goal::AtLeast(0.85));
    let first = environment.lobby(1_000).await?.ask(&get(DISCOVERIES, &[]).into()).await?;
    let Some(tag) = header(&first, "etag") else {
        return Ok(vec![row.hosts(1_000).note("lobbyd gives no ETag")]);
    };
    let request = get(DISCOVERIES, &[("If-None-Match", tag)]);
    Ok(vec![
        compare_if(row, environment, 1_000, request, |answer| match answer.status {
            304 => None,
            status => Some(format!("lobbyd answers {status} to its own ETag")),
        })
        .await?,
    ])
}

/// Large lists, compressed.
pub(super) async fn gzip(environment: &mut Environment) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (hosts, path) in
        [(1_000, DISCOVERIES), (10_000, DISCOVERIES), (10_000, &format!("/v1/prometheus/{GROUP}"))]
    {
        let row = Row::new(
            format!("GET {} with Accept-Encoding: gzip", path.replace(GROUP, ":name")),
            Unit::Rate,
        );
        let row = row.goal(Goal::AtLeast(0.90));
        let complain = |answer: &Answer| match header(answer, "content-encoding") {
            Some("gzip") => None,
            _ => Some("lobbyd does not compress".to_owned()),
        };
        rows.push(compare_if(row, environment, hosts, get(path, &[GZIP]), complain).await?);
    }
    Ok(rows)
}

/// Answers about a fleet while one host that they are not about changes a label 200 times a second,
/// beside the same at rest.
pub(super) async fn under_churn(environment: &mut Environment) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let lobby = environment.lobby(10_000).await?;
    for (path, headers, what) in [
        (
            format!("/v1/prometheus/{GROUP}"),
            &[GZIP][..],
            "GET /v1/prometheus/:name, gzip, while a host changes 200 times/s",
        ),
        (
            format!("/v1/resolve?label={RARE_LABEL}"),
            &[],
            "GET /v1/resolve?label=, while a host changes 200 times/s",
        ),
    ] {
        let row = Row::new(what, Unit::Rate).hosts(10_000).goal(Goal::AtLeast(0.50));
        let changes = (lobby.changing_frames(), CHANGES_PERIOD);
        rows.push(
            compare::busy_against_rest(
                row,
                environment,
                &lobby,
                &get(&path, headers).into(),
                changes,
            )
            .await?,
        );
    }
    // Others expect the fleets as they were introduced.
    environment.forget_lobbies();
    Ok(rows)
}

async fn compare(
    row: Row,
    environment: &mut Environment,
    hosts: usize,
    request: Vec<u8>,
) -> Result<Row> {
    compare_if(row, environment, hosts, request, |_| None).await
}

/// Measures if there is nothing to complain of; else the complaint stands in the row's place.
async fn compare_if(
    row: Row,
    environment: &mut Environment,
    hosts: usize,
    request: Vec<u8>,
    complaint: impl Fn(&Answer) -> Option<String>,
) -> Result<Row> {
    let (lobby, request, row) =
        (environment.lobby(hosts).await?, Arc::from(request), row.hosts(hosts));
    match complaint(&lobby.ask(&request).await?) {
        Some(complaint) => Ok(row.note(complaint)),
        None => compare::against_baseline(row, environment, &lobby, &request).await,
    }
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
}
