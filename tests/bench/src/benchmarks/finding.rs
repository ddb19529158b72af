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
