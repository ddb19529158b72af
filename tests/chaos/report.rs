//! What became of the promises.

use std::fmt::Write;
use std::process::ExitCode;
use std::time::Duration;

use crate::fleet::NOISE;

/// No answer of the API takes longer; it takes a millisecond on an idle machine.
const SLOWEST_ANSWER: Duration = Duration::from_secs(1);

/// Most violations shown of each round, and most characters of each.
const SHOWN: usize = 5;
const MOST_SHOWN: usize = 1_000;

/// What happened so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
    violations: Vec<String>,
    round: String,
    /// The longest time that a daemon took to answer.
    pub(crate) slowest_answer: Duration,
    /// How long it all took.
    pub(crate) took: Duration,
}

/// A kind of fault.
#[derive(Debug)]
struct Row {
    fault: String,
    done: usize,
    promised: Duration,
    worst: Duration,
    broken: usize,
    lost: usize,
}

impl Report {
    /// Another round begins.
    pub(crate) fn begin(&mut self, round: usize, rounds: usize) {
        self.round = format!("{round:>3}/{rounds}");
    }

    /// Enters how long it took until all agreed, or what was still wrong when time was up; and who
    /// was missing where meanwhile.
    pub(crate) fn enter(
        &mut self,
        fault: &str,
        promised: Duration,
        agreed: Result<Duration, String>,
        lost: Vec<String>,
    ) {
        let outcome = match &agreed {
            Ok(took) => format!("all agree after {}", seconds(*took)),
            Err(_) => format!("NO AGREEMENT within {} and {}", seconds(promised), seconds(NOISE)),
        };
        say(&format!("{:>7}  {fault:<42}{outcome}, {} entries lost", self.round, lost.len()));
        let row = self.row(fault, promised);
        row.done += 1;
        row.lost += lost.len();
        row.broken += usize::from(agreed.is_err());
        row.worst = row.worst.max(*agreed.as_ref().unwrap_or(&Duration::ZERO));
        let violations: Vec<_> =
            agreed.err().into_iter().chain(lost).map(|what| format!("{fault}: {what}")).collect();
        for violation in violations.iter().take(SHOWN) {
            let shown: String = violation.chars().take(MOST_SHOWN).collect();
            say(&format!("         VIOLATION {shown}"));
        }
        self.violations.extend(violations);
    }

    fn row(&mut self, fault: &str, promised: Duration) -> &mut Row {
        let place = self.rows.iter().position(|row| row.fault == fault).unwrap_or_else(|| {
            let (fault, worst) = (fault.to_owned(), Duration::ZERO);
            self.rows.push(Row { fault, done: 0, promised, worst, broken: 0, lost: 0 });
            self.rows.len() - 1
        });
        &mut self.rows[place]
    }

    /// Prints the table and says how it all ended.
    pub(crate) fn conclude(mut self, seed: u64) -> ExitCode {
        if self.slowest_answer > SLOWEST_ANSWER + NOISE {
            self.violations.push(format!("an answer took {}", seconds(self.slowest_answer)));
        }
        say(&self.table());
        let (took, slowest) = (seconds(self.took), seconds(self.slowest_answer));
        say(&format!("{took} in all; the slowest answer of the API took {slowest}"));
        if self.violations.is_empty() {
            say("every promise was kept");
            return ExitCode::SUCCESS;
        }
        say(&format!("{} violations; CHAOS_SEED={seed} repeats the script", self.violations.len()));
        ExitCode::FAILURE
    }

    fn table(&self) -> String {
        let mut table = format!(
            "\n{:<42}{:>6}{:>10}{:>16}{:>8}{:>14}\n",
            "fault", "times", "promised", "worst to agree", "broken", "entries lost"
        );
        for Row { fault, done, promised, worst, broken, lost } in &self.rows {
            let (promised, worst) = (seconds(*promised), seconds(*worst));
            // Writing to a string cannot fail.
            writeln!(table, "{fault:<42}{done:>6}{promised:>10}{worst:>16}{broken:>8}{lost:>14}")
                .ok();
        }
        table
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// Tells the person who runs this.
#[expect(clippy::print_stdout, reason = "this is what the program is for")]
pub(crate) fn say(text: &str) {
    println!("{text}");
}
