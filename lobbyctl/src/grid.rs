//! The grid: lines of cells, made for `grep` and `awk`. No cell is empty; one that holds white
//! space is quoted as for a shell.

use lobby_client::text::printable;
use unicode_width::UnicodeWidthStr;

/// What stands between two columns.
const GAP: &str = "  ";

/// What stands where there is nothing to tell.
pub(crate) const NOTHING: &str = "-";

/// The rows as text, with the cells of a column below each other.
pub(crate) fn text(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| rows.iter().filter_map(|row| Some(row.get(column)?.width())).max();
    let widths: Vec<_> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    rows.iter().map(|row| line(row, &widths)).collect()
}

/// A text in one word without quotes, which is not quite the text where that holds white space.
pub(crate) fn cell(text: &str) -> String {
    let word = printable(text).replace(char::is_whitespace, "_");
    if word.is_empty() { "''".to_owned() } else { word }
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let padded = cells.iter().zip(widths).map(|(cell, width)| {
        let room = " ".repeat(width - cell.width());
        format!("{cell}{room}")
    });
    let line = padded.collect::<Vec<_>>().join(GAP);
    format!("{}\n", line.trim_end())
}
