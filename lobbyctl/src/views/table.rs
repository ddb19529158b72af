//! The table: a line a server.

use lobby_client::Discovery;

use super::Fleet;
use super::cells::by_key;
use crate::grid::{self, NOTHING, cell};

pub(super) fn text(fleet: &Fleet, columns: &[String]) -> String {
    let head = ["NAME", "AGE", "ADDRESS"].map(str::to_owned).into_iter();
    let head = head.chain(columns.iter().map(|key| cell(key))).collect();
    let rows = fleet.servers.iter().map(|server| row(fleet, server, columns));
    grid::text(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
}

fn row(fleet: &Fleet, server: &Discovery, columns: &[String]) -> Vec<String> {
    let address = fleet.address_labels.address(&server.labels);
    let keys = by_key(server);
    let value = |key: &String| match keys.get(key.as_str()).map(Vec::as_slice) {
        None => NOTHING.to_owned(),
        Some([]) => "yes".to_owned(),
        Some(values) => cell(&values.join(",")),
    };
    let mut cells = vec![
        cell(server.hostname.as_str()),
        format!("{}s", fleet.now.saturating_sub(server.last_check).max(0)),
        address.map_or(NOTHING.to_owned(), |address| address.to_string()),
    ];
    cells.extend(columns.iter().map(value));
    cells
}
