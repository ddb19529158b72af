//! Ten hosts among many: whether finding them costs more in a large fleet.

use std::sync::Arc;

use anyhow::Result;

use super::versus;
use crate::figures::{Goal, Row, Unit};
use crate::fleet::{RARE_LABEL, RARE_PREFIX};
use crate::http::get;
use crate::stage::Stage;

/// Asked of 100,000 hosts, no slower than this many times what it is of 1,000.
const MOST_SLOWDOWN: f64 = 1.2;

/// `GET /v1/resolve?label=`
pub(super) async fn resolve(stage: &mut Stage) -> Result<Vec<Row>> {
    find(stage, "/v1/resolve?label=", RARE_LABEL).await
}

/// `GET /v1/discoveries?labels=`
pub(super) async fn labels(stage: &mut Stage) -> Result<Vec<Row>> {
    find(stage, "/v1/discoveries?labels=", RARE_LABEL).await
}

/// `GET /v1/discoveries?prefixes=`
pub(super) async fn prefixes(stage: &mut Stage) -> Result<Vec<Row>> {
    find(stage, "/v1/discoveries?prefixes=", RARE_PREFIX).await
}

async fn find(stage: &mut Stage, path: &str, wanted: &str) -> Result<Vec<Row>> {
    let request: Arc<[u8]> = get(&format!("{path}{wanted}"), &[]).into();
    let middle = stage.lobby(10_000).await?;
    let row = Row::new(format!("GET {path}, 10 matches"), Unit::Rate).hosts(10_000).goal(Goal::AtLeast(0.80));
    let near_the_limit = versus::against_bare(row, stage, &middle, &request).await?;
    let (small, large) = (stage.lobby(1_000).await?, stage.lobby(100_000).await?);
    let row = Row::new(format!("GET {path}, limit: the same of 1,000 hosts"), Unit::Rate).hosts(100_000);
    let row = row.goal(Goal::AtLeast(1.0 / MOST_SLOWDOWN));
    Ok(vec![near_the_limit, versus::large_against_small(row, &large, &small, &request).await?])
}
