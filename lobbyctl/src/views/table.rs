//! The table: a line a server, made for `grep` and `awk`. No cell is empty or holds white space.

use lobby_client::Discovery;
use lobby_client::text::printable;
use unicode_width::UnicodeWidthStr;

use super::Fleet;
use super::cells::by_key;

/// What stands between two columns.
const GAP: &str = "  ";

pub(super) fn text(fleet: &Fleet, columns: &[String]) -> String {
    let head = ["NAME", "AGE", "ADDRESS"].map(str::to_owned).into_iter();
    let head = head.chain(columns.iter().map(|key| cell(key))).collect();
    let rows = fleet.servers.iter().map(|server| row(fleet, server, columns));
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    let widths: Vec<_> = (0..columns.len() + 3)
        .map(|column| rows.iter().map(|row| row[column].width()).max().unwrap_or_default())
        .collect();
    rows.iter().map(|row| line(row, &widths)).collect()
}

fn row(fleet: &Fleet, server: &Discovery, columns: &[String]) -> Vec<String> {
    let address = fleet.address_labels.address(&server.labels);
    let keys = by_key(server);
    let value = |key: &String| match keys.get(key.as_str()).map(Vec::as_slice) {
        None => "-".to_owned(),
        Some([]) => "yes".to_owned(),
        Some(values) => cell(&values.join(",")),
    };
    let mut cells = vec![
        cell(server.hostname.as_str()),
        format!("{}s", fleet.now.saturating_sub(server.last_check).max(0)),
        address.map_or("-".to_owned(), |address| address.to_string()),
    ];
    cells.extend(columns.iter().map(value));
    cells
}

/// A text in one word.
fn cell(text: &str) -> String {
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
