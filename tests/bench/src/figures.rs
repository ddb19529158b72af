//! What was measured, and whether it is good enough.

use serde::Serialize;

/// How often everything is measured.
pub const REPETITIONS: usize = 3;

/// The same measured several times.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(transparent)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// The one in the middle; of an even number, the upper of the two. Nothing, if nothing was
    /// measured.
    pub fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// The value that a share of all, from 0 to 1, does not exceed.
    pub fn percentile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let place = (sorted.len() as f64 * share).ceil() as usize;
        sorted.get(place.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    }

    /// The least and the greatest.
    pub fn spread(&self) -> (f64, f64) {
        (
            self.0.iter().copied().fold(f64::NAN, f64::min),
            self.0.iter().copied().fold(f64::NAN, f64::max),
        )
    }

    /// Adds one more.
    pub fn push(&mut self, sample: f64) {
        self.0.push(sample);
    }

    /// Each divided by the one of the other that was measured next to it.
    fn over(&self, other: &Self) -> Self {
        self.0.iter().zip(&other.0).map(|(one, other)| one / other).collect()
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(samples: I) -> Self {
        Self(samples.into_iter().collect())
    }
}

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Per second.
    Rate,
    /// Microseconds.
    Microseconds,
    /// Milliseconds.
    Milliseconds,
    /// Millions of bytes.
    Megabytes,
    /// Per cent.
    Percent,
}

/// What a figure should reach.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// This share of the limit.
    AtLeast(f64),
    /// No more than the limit so many times, and so much on top.
    AtMost {
        /// Factor of the limit; 0 where there is none.
        times: f64,
        /// In the figure's unit.
        plus: f64,
    },
}

/// A line of the table.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// Size of the fleet, where it matters.
    pub hosts: Option<usize>,
    /// What the figures count.
    pub unit: Unit,
    /// What lobbyd reached; nothing where it could not be measured.
    pub figure: Samples,
    /// What the machine allows.
    pub limit: Samples,
    /// What should be reached.
    pub goal: Option<Goal>,
    /// What else is to be known.
    pub note: String,
}

impl Row {
    /// A line without figures yet.
    pub fn new(what: impl Into<String>, unit: Unit) -> Self {
        let (figure, limit) = (Samples::default(), Samples::default());
        Self {
            what: what.into(),
            hosts: None,
            unit,
            figure,
            limit,
            goal: None,
            note: String::new(),
        }
    }

    /// Names the size of the fleet.
    #[must_use]
    pub fn hosts(self, hosts: usize) -> Self {
        Self { hosts: Some(hosts), ..self }
    }

    /// Names what should be reached.
    #[must_use]
    pub fn goal(self, goal: impl Into<Option<Goal>>) -> Self {
        Self { goal: goal.into(), ..self }
    }

    /// Adds what else is to be known.
    #[must_use]
    pub fn note(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }

    /// Fills in what was measured.
    #[must_use]
    pub fn measured(self, figure: Samples, limit: Samples) -> Self {
        Self { figure, limit, ..self }
    }

    /// Figure to limit, each pair measured side by side.
    pub fn ratio(&self) -> Samples {
        self.figure.over(&self.limit)
    }

    /// The most that the figure may be, or the least that it must be; nothing without a goal.
    fn bound(&self) -> Option<f64> {
        Some(match self.goal? {
            Goal::AtLeast(share) => share * self.limit.median(),
            Goal::AtMost { times: 0.0, plus } => plus,
            Goal::AtMost { times, plus } => times * self.limit.median() + plus,
        })
    }

    /// Whether the goal is reached; nothing without a goal. What could not be measured is not
    /// reached.
    pub fn met(&self) -> Option<bool> {
        Some(match self.goal? {
            Goal::AtLeast(share) => self.ratio().median() >= share,
            Goal::AtMost { .. } => self.figure.median() <= self.bound()?,
        })
    }

    /// How far the goal is reached: 1 is just so, 2 is twice as good. Nothing without a goal or a
    /// figure.
    pub fn attainment(&self) -> Option<f64> {
        let figure = self.figure.median();
        let attained = match self.goal? {
            Goal::AtLeast(share) => self.ratio().median() / share,
            // None allowed and none there.
            Goal::AtMost { .. } if self.bound() == Some(figure) => 1.0,
            Goal::AtMost { .. } => self.bound()? / figure,
        };
        (!attained.is_nan()).then_some(attained)
    }
}

impl Goal {
    /// The goal for a figure in this unit.
    pub fn show(self, unit: Unit) -> String {
        match self {
            Self::AtLeast(share) => format!("≥ {share:.2}"),
            Self::AtMost { times: 0.0, plus } => format!("≤ {plus} {}", unit.symbol()),
            Self::AtMost { times, plus: 0.0 } => format!("≤ {times} ×"),
            Self::AtMost { times: 1.0, plus } => format!("≤ limit + {plus} {}", unit.symbol()),
            Self::AtMost { times, plus } => format!("≤ {times} × + {plus} {}", unit.symbol()),
        }
    }
}

impl Unit {
    /// A value with its unit, to about three digits.
    pub fn show(self, value: f64) -> String {
        let number = match value {
            100.0.. => grouped(value),
            10.0.. => format!("{value:.1}"),
            _ => format!("{value:.2}"),
        };
        format!("{number} {}", self.symbol())
    }

    fn symbol(self) -> &'static str {
        match self {
            Self::Rate => "/s",
            Self::Microseconds => "µs",
            Self::Milliseconds => "ms",
            Self::Megabytes => "MB",
            Self::Percent => "%",
        }
    }
}

/// A whole number with a comma between thousands.
pub fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(values: &[f64]) -> Samples {
        values.iter().copied().collect()
    }

    fn row(goal: Goal, figure: &[f64], limit: &[f64]) -> Row {
        Row::new("x", Unit::Rate).goal(goal).measured(samples(figure), samples(limit))
    }

    #[test]
    fn median_percentile_and_spread_are_of_the_sorted_values() {
        let values = samples(&[5.0, 1.0, 3.0]);
        assert_eq!((values.median(), values.spread()), (3.0, (1.0, 5.0)));
        let hundred: Samples = (1..=100).map(f64::from).collect();
        assert_eq!(
            (hundred.percentile(0.99), hundred.percentile(0.5), hundred.percentile(1.0)),
            (99.0, 50.0, 100.0)
        );
    }

    #[test]
    fn a_ratio_is_of_what_was_measured_side_by_side() {
        let drifting = row(Goal::AtLeast(0.9), &[90.0, 45.0, 9.0], &[100.0, 50.0, 10.0]);
        assert_eq!(drifting.ratio().spread(), (0.9, 0.9));
        assert_eq!(drifting.met(), Some(true));
    }

    #[test]
    fn most_is_the_limit_times_something_and_something_on_top() {
        let goal = Goal::AtMost { times: 3.0, plus: 12.0 };
        assert_eq!(row(goal, &[42.0], &[10.0]).met(), Some(true));
        assert_eq!(row(goal, &[42.1], &[10.0]).met(), Some(false));
        assert_eq!(
            row(Goal::AtMost { times: 0.0, plus: 4.0 }, &[2.0], &[]).attainment(),
            Some(2.0)
        );
    }

    #[test]
    fn what_could_not_be_measured_is_not_reached() {
        let row = row(Goal::AtLeast(0.5), &[], &[]);
        assert_eq!((row.met(), row.attainment()), (Some(false), None));
    }

    #[test]
    fn goals_and_values_are_shown_with_their_units() {
        let most = |times, plus| Goal::AtMost { times, plus }.show(Unit::Milliseconds);
        assert_eq!(most(0.0, 4.0), "≤ 4 ms");
        assert_eq!(most(1.5, 0.0), "≤ 1.5 ×");
        assert_eq!(most(1.0, 3.0), "≤ limit + 3 ms");
        assert_eq!(most(3.0, 12.0), "≤ 3 × + 12 ms");
        assert_eq!(
            [0.123, 12.34, 1234.5].map(|value| Unit::Percent.show(value)),
            ["0.12 %", "12.3 %", "1,234 %"]
        );
    }

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(
            ["0", "999", "1,000", "1,234,568"],
            [0.0, 999.0, 1000.0, 1_234_567.8].map(grouped).each_ref().map(String::as_str)
        );
    }
}
