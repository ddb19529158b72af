//! How large the programs are.

use std::future::{Ready, ready};

use anyhow::{Context, Result};

use crate::environment::Environment;
use crate::figures::{Goal, Row, Samples, Unit};

/// The most that lobbyd should have, in millions of bytes.
const MOST: f64 = 10.0;

/// The programs that users get: release builds without symbols.
pub(super) fn size(environment: &Environment) -> Ready<Result<Vec<Row>>> {
    let goal = Goal::AtMost { times: 0.0, plus: MOST };
    let lobbyd = program(environment, "lobbyd").map(|row| row.goal(goal));
    ready(lobbyd.and_then(|lobbyd| Ok(vec![lobbyd, program(environment, "lobbyctl")?])))
}

/// The size of a program that is beside the one under test.
fn program(environment: &Environment, name: &str) -> Result<Row> {
    let path = environment.program.with_file_name(name);
    let meta =
        std::fs::metadata(&path).with_context(|| format!("{}: build it first", path.display()))?;
    let size = Samples::from_iter([meta.len() as f64 / 1e6]);
    let row = Row::new(format!("size of the program {name}"), Unit::Megabytes);
    Ok(row.measured(size, Samples::default()))
}
