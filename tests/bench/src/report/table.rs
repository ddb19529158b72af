//! The table, in Markdown that is legible as it is.

use crate::figures::{Row, Samples, grouped};

const HEADINGS: [&str; 8] = ["what", "hosts", "lobbyd", "limit", "ratio", "goal", "met", "note"];

/// All rows as a table.
pub(super) fn table(rows: &[Row]) -> String {
    let rule = HEADINGS.map(|_| String::new());
    let lines: Vec<_> =
        [HEADINGS.map(str::to_owned), rule].into_iter().chain(rows.iter().map(cells)).collect();
    aligned(&lines)
}

/// Lines of cells as a table, the second one being the rule below the headings.
pub(crate) fn aligned<const COLUMNS: usize>(lines: &[[String; COLUMNS]]) -> String {
    let widths: Vec<_> = (0..COLUMNS)
        .map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0))
        .collect();
    let line = |(number, cells): (usize, &[String; COLUMNS])| {
        let fill = if number == 1 { '-' } else { ' ' };
        let cells = cells.iter().zip(&widths).map(|(cell, width)| padded(cell, *width, fill));
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    lines.iter().enumerate().map(line).collect()
}

fn padded(cell: &str, width: usize, fill: char) -> String {
    let missing = width.saturating_sub(cell.chars().count());
    cell.chars().chain(std::iter::repeat_n(fill, missing)).collect()
}

fn cells(row: &Row) -> [String; 8] {
    let show = |samples: &Samples| with_spread(samples, |value| row.unit.show(value));
    let goal = row.goal.map(|goal| goal.show(row.unit)).unwrap_or_default();
    let met = match row.met() {
        None => "",
        Some(true) => "yes",
        Some(false) => "**no**",
    };
    [
        row.what.clone(),
        row.hosts.map(|hosts| grouped(hosts as f64)).unwrap_or_default(),
        show(&row.figure),
        show(&row.limit),
        with_spread(&row.ratio(), |ratio| format!("{ratio:.2}")),
        goal,
        met.to_owned(),
        row.note.clone(),
    ]
}

/// The median, and behind it the least and the greatest; nothing if there is no number.
fn with_spread(samples: &Samples, show: impl Fn(f64) -> String) -> String {
    let (median, (least, greatest)) = (samples.median(), samples.spread());
    if !median.is_finite() {
        return String::new();
    }
    let [least, greatest] =
        [least, greatest].map(&show).map(|text| text.split(' ').next().unwrap_or("").to_owned());
    format!("{} ({least} to {greatest})", show(median))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::{Goal, Unit};

    #[test]
    fn a_row_shows_medians_spreads_and_whether_the_goal_is_met() {
        let row = Row::new("GET /", Unit::Rate).hosts(1_000).goal(Goal::AtLeast(0.95));
        let row = row.measured(
            [1000.0, 900.0, 950.0].into_iter().collect(),
            [1000.0; 3].into_iter().collect(),
        );
        let expected = "| GET / | 1,000 | 950 /s (900 to 1,000) | 1,000 /s (1,000 to 1,000) | 0.95 (0.90 to 1.00) | ≥ 0.95 | yes |      |\n";
        assert!(table(&[row]).ends_with(expected));
    }

    #[test]
    fn what_was_not_measured_is_left_blank_and_not_met() {
        let row = Row::new("x", Unit::Rate).goal(Goal::AtLeast(0.9)).note("missing");
        assert!(
            table(&[row]).ends_with(
                "| x    |       |        |       |       | ≥ 0.90 | **no** | missing |\n"
            )
        );
    }
}
