//! Ten hosts among many: whether finding them costs more in a large fleet.

use std::sync::Arc;

use anyhow::Result;

use super::compare;
use crate::environment::Environment;
use crate::figures::{Goal, Row, Unit};
use crate::fleet::{RARE_LABEL, RARE_PREFIX};
use crate::http::get;

/// Asked of 100,000 hosts, no slower than this many times what it is of 1,000.
const MOST_SLOWDOWN: f64 = 1.2;

/// Two conditions, both of which hold for ten hosts of any fleet, and the first of them for no
/// others.
const SELECTOR: &str = "needle=haystack,os";

/// How many questions are asked in turn: more than answers are kept.
const OTHER_QUESTIONS: usize = 20_000;

/// Most processor time of an answer that was not asked for before, in microseconds.
const MOST_PROCESSOR_TIME: f64 = 60.0;

/// `GET /v1/resolve?label=`
pub(super) async fn resolve(environment: &mut Environment) -> Result<Vec<Row>> {
    find(environment, "/v1/resolve?label=", RARE_LABEL).await
}

/// `GET /v1/discoveries?labels=`
pub(super) async fn labels(environment: &mut Environment) -> Result<Vec<Row>> {
    find(environment, "/v1/discoveries?labels=", RARE_LABEL).await
}

/// `GET /v1/discoveries?prefixes=`
pub(super) async fn prefixes(environment: &mut Environment) -> Result<Vec<Row>> {
    find(environment, "/v1/discoveries?prefixes=", RARE_PREFIX).await
}

/// `GET /v1/discoveries?selector=`, asked again, and when each question is another.
pub(super) async fn selector(environment: &mut Environment) -> Result<Vec<Row>> {
    let mut rows = find(environment, "/v1/discoveries?selector=", SELECTOR).await?;
    let lobby = environment.lobby(10_000).await?;
    let questions = (0..OTHER_QUESTIONS)
        .map(|number| get(&format!("/v1/discoveries?selector={SELECTOR},x!={number:05}"), &[]));
    let questions: Arc<[Arc<[u8]>]> = questions.map(Arc::from).collect();
    let goal = Goal::AtMost { times: 0.0, plus: MOST_PROCESSOR_TIME };
    let row = Row::new("GET /v1/discoveries?selector=, each another", Unit::Microseconds);
    let row = row.hosts(10_000).goal(goal);
    rows.push(compare::processor_time(row, &lobby, &questions).await?);
    Ok(rows)
}

async fn find(environment: &mut Environment, path: &str, wanted: &str) -> Result<Vec<Row>> {
    let request: Arc<[u8]> = get(&format!("{path}{wanted}"), &[]).into();
    let middle = environment.lobby(10_000).await?;
    let row = Row::new(format!("GET {path}, 10 matches"), Unit::Rate)
        .hosts(10_000)
        .goal(Goal::AtLeast(0.80));
    let near_the_limit = compare::against_baseline(row, environment, &middle, &request).await?;
    let (small, large) = (environment.lobby(1_000).await?, environment.lobby(100_000).await?);
    let row =
        Row::new(format!("GET {path}, limit: the same of 1,000 hosts"), Unit::Rate).hosts(100_000);
    let row = row.goal(Goal::AtLeast(1.0 / MOST_SLOWDOWN));
    Ok(vec![near_the_limit, compare::large_against_small(row, &large, &small, &request).await?])
}
