//! What comes out of a run.

pub mod page;
mod plot;
pub(crate) mod table;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::figures::Row;
use crate::machine::Machine;

/// The result of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What it was measured on.
    pub machine: Machine,
    /// What was measured.
    pub rows: Vec<Row>,
    /// Measurements that failed, and why.
    pub failures: Vec<String>,
    /// How long the run took, in seconds.
    pub seconds: u64,
}

impl Report {
    /// The table and what it was measured on, for a terminal and for a Markdown page.
    pub fn text(&self) -> String {
        let Machine { processor, cores, memory, kernel, brokers, load, .. } = &self.machine;
        let brokers = brokers.join(", ");
        let table = table::table(&self.rows);
        let failures: String =
            self.failures.iter().map(|failure| format!("\nFAILED {failure}\n")).collect();
        format!(
            "Measured on {cores} cores of {processor}, {memory} of memory, Linux {kernel}, {brokers}; load average before the \
             run: {load}; the run took {} s.\n\n{table}{failures}",
            self.seconds
        )
    }

    /// Writes `bench.json`, `goals.svg` and `growth.svg` into a directory.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save(&self, directory: &Path) -> Result<()> {
        fs::write(directory.join("bench.json"), serde_json::to_vec_pretty(self)?)?;
        plot::goals(&self.rows, &directory.join("goals.svg")).context("cannot plot the goals")?;
        plot::growth(&self.rows, &directory.join("growth.svg")).context("cannot plot the growth")
    }
}
