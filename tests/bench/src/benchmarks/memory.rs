//! Memory, beside the bytes that must be remembered.

use anyhow::{Result, ensure};

use crate::environment::Environment;
use crate::figures::{Goal, REPETITIONS, Row, Samples, Unit};
use crate::fleet::{GROUP, RARE_LABEL, RARE_PREFIX};
use crate::http::{Connection, get};
use crate::lobbyd::Lobbyd;

const MEGABYTE: f64 = 1e6;
/// Three times the text, and 12 MB for the program itself.
const GOAL: Goal = Goal::AtMost { times: 3.0, plus: 12.0 };

/// Resident memory after a fleet was heard, and after all of it was read.
pub(super) async fn memory(environment: &mut Environment) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for hosts in [1_000, 10_000, 100_000] {
        let goal = (hosts > 1_000).then_some(GOAL);
        let (mut heard, mut read, mut text) =
            (Samples::default(), Samples::default(), Samples::default());
        for repetition in 0..REPETITIONS {
            let lobby = environment.fresh_lobby(hosts, &format!("memory{repetition}")).await?;
            text.push(lobby.fleet.text_bytes() as f64 / MEGABYTE);
            heard.push(resident(&lobby.lobbyd)?);
            read_everything(&lobby.lobbyd).await?;
            read.push(resident(&lobby.lobbyd)?);
        }
        let row = |what: &str| Row::new(what, Unit::Megabytes).hosts(hosts).goal(goal);
        rows.push(row("resident memory, limit: names and labels").measured(heard, text.clone()));
        rows.push(row("the same after a full read of the API").measured(read, text));
    }
    Ok(rows)
}

fn resident(lobbyd: &Lobbyd) -> Result<f64> {
    Ok(lobbyd.process.resident()? as f64 / MEGABYTE)
}

async fn read_everything(lobbyd: &Lobbyd) -> Result<()> {
    let paths = [
        "/v1/discoveries".to_owned(),
        "/v1/discovery".to_owned(),
        "/v1/status".to_owned(),
        format!("/v1/resolve?label={RARE_LABEL}"),
        format!("/v1/discoveries?labels={RARE_LABEL}"),
        format!("/v1/discoveries?prefixes={RARE_PREFIX}"),
        format!("/v1/prometheus/{GROUP}"),
    ];
    let close = ("Connection", "close");
    for path in &paths {
        for headers in [&[close][..], &[close, ("Accept-Encoding", "gzip")]] {
            let connection = Connection::open(lobbyd.address).await?;
            let status = connection.ask_last(&get(path, headers)).await?;
            ensure!(status == 200, "{path} is answered with {status}");
        }
    }
    Ok(())
}
