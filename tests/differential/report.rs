//! The report: how many cases were equal, excused or different without an excuse.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::changes::CHANGES;
use crate::compare::{Difference, Verdict, compare};
use crate::exceptions::EXCEPTIONS;
use crate::observation::Observation;
use crate::pair::Pair;
use crate::waiting::eventually;

/// Most characters shown of each side of a difference.
const SHOWN: usize = 320;

/// Collects verdicts from all threads.
#[derive(Debug, Default)]
pub(crate) struct Report {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    rows: BTreeMap<String, Row>,
    excuses: BTreeMap<&'static str, usize>,
    /// The part to spoil in the next observation that has it.
    spoil: Option<String>,
    /// Most differences shown of one topic.
    most_shown: usize,
}

#[derive(Debug, Default)]
struct Row {
    cases: usize,
    equal: usize,
    excused: usize,
    names: BTreeSet<&'static str>,
    unexplained: usize,
}

impl Report {
    /// A report that spoils one observation on purpose, if a part is named: it must fail then.
    /// Of each topic it shows so many differences.
    pub(crate) fn new(spoil: Option<String>, most_shown: usize) -> Self {
        Self { state: Mutex::new(State { spoil, most_shown, ..State::default() }) }
    }

    /// Compares what both programs showed in a case.
    pub(crate) fn compare(&self, topic: &str, case: &str, seen: Pair<Observation>) {
        self.compare_many(topic, case, 1, seen);
    }

    /// As [`Report::compare`], for an observation that tells of several cases at once.
    pub(crate) fn compare_many(
        &self,
        topic: &str,
        case: &str,
        cases: usize,
        mut seen: Pair<Observation>,
    ) {
        let mut state = self.state();
        if state.spoil.as_deref().is_some_and(|part| seen.new.spoil(part)) {
            state.spoil = None;
        }
        let verdict = compare(topic, case, &seen.old, &seen.new);
        state.count(topic, case, cases, verdict);
    }

    /// Looks again and again until both programs show the same, or time is up, and compares that.
    pub(crate) fn compare_settled(
        &self,
        topic: &str,
        case: &str,
        limit: Duration,
        mut look: impl FnMut() -> Pair<Observation>,
    ) {
        let mut seen = Pair::default();
        eventually(limit, || {
            seen = look();
            let verdict = compare(topic, case, &seen.old, &seen.new);
            (!matches!(verdict, Verdict::Unexplained(_))).then_some(())
        });
        self.compare(topic, case, seen);
    }

    /// Notes that a topic could not be compared to its end.
    pub(crate) fn failed(&self, topic: &str, why: &str) {
        let difference =
            Difference { part: "the run itself".into(), old: None, new: Some(why.into()) };
        self.state().count(topic, "failed", 1, Verdict::Unexplained(vec![difference]));
    }

    /// Prints the table and says how it all ended.
    pub(crate) fn conclude(&self) -> ExitCode {
        let state = self.state();
        say(&state.table());
        let unexplained: usize = state.rows.values().map(|row| row.unexplained).sum();
        let cases: usize = state.rows.values().map(|row| row.cases).sum();
        if unexplained == 0 && cases > 0 {
            say("no unexplained difference");
            ExitCode::SUCCESS
        } else {
            say(&format!("{unexplained} unexplained of {cases} cases"));
            ExitCode::FAILURE
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn count(&mut self, topic: &str, case: &str, cases: usize, verdict: Verdict) {
        let row = self.rows.entry(topic.to_owned()).or_default();
        row.cases += cases;
        match verdict {
            Verdict::Equal => row.equal += cases,
            Verdict::Excused(names) => {
                row.excused += cases;
                for name in &names {
                    *self.excuses.entry(name).or_default() += 1;
                }
                row.names.extend(names);
            }
            Verdict::Unexplained(differences) => {
                row.unexplained += cases;
                if row.unexplained <= self.most_shown {
                    show(topic, case, &differences);
                }
            }
        }
    }

    fn table(&self) -> String {
        let mut table = format!(
            "\n{:<28}{:>8}{:>8}{:>9}{:>13}  {}\n",
            "what", "cases", "equal", "excused", "unexplained", "excused by"
        );
        for (topic, row) in &self.rows {
            let Row { cases, equal, excused, unexplained, .. } = row;
            let names = row.names.iter().copied().collect::<Vec<_>>().join(", ");
            // Writing to a string cannot fail.
            writeln!(
                table,
                "{topic:<28}{cases:>8}{equal:>8}{excused:>9}{unexplained:>13}  {names}"
            )
            .ok();
        }
        table.push_str("\nexceptions used:\n");
        let changes = CHANGES.iter().map(|change| (change.name, change.reason));
        for (name, reason) in EXCEPTIONS.iter().map(|one| (one.name, one.reason)).chain(changes) {
            if let Some(times) = self.excuses.get(name) {
                writeln!(table, "  {name:<18}{times:>6}  {reason}").ok();
            }
        }
        table
    }
}

fn show(topic: &str, case: &str, differences: &[Difference]) {
    say(&format!("DIFFERENT  {topic}: {case}"));
    for Difference { part, old, new } in differences {
        let at = first_difference(old.as_deref(), new.as_deref());
        say(&format!("  {part}, from character {at}:"));
        say(&format!("    old {}", excerpt(old.as_deref(), at)));
        say(&format!("    new {}", excerpt(new.as_deref(), at)));
    }
}

/// How many characters are the same in front.
fn first_difference(old: Option<&str>, new: Option<&str>) -> usize {
    let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
    old.chars().zip(new.chars()).take_while(|(a, b)| a == b).count()
}

/// A text around the place where it differs.
fn excerpt(text: Option<&str>, at: usize) -> String {
    let Some(text) = text else { return "(not there)".to_owned() };
    let part: String = text.chars().skip(at.saturating_sub(60)).take(SHOWN).collect();
    format!("{part:?}")
}

/// Tells the person who runs this.
#[expect(clippy::print_stdout, reason = "this is what the program is for")]
pub(crate) fn say(text: &str) {
    println!("{text}");
}
