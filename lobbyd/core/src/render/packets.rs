//! Packets: hosts as the API shows them, with their labels and the time at which they were last
//! heard.

use std::fmt::Write;

use crate::registry::host::Host;
use crate::select::selection::Selection;
use crate::wire::packet_json::unquoted;

/// Writes a host's packet. `last_check` is a time at which the host was heard; the host's own goes
/// on meanwhile.
pub(crate) fn write(host: &Host, last_check: i64, json: &mut String) {
    json.push_str(host.text().as_str());
    write_end(last_check, json);
}

/// The number of bytes that [`write()`] writes.
pub(crate) fn len(host: &Host, last_check: i64) -> usize {
    let digits = last_check.unsigned_abs().checked_ilog10().map_or(1, |power| power as usize + 1);
    host.text().len() + usize::from(last_check < 0) + digits + "}".len()
}

/// A host's name and its labels as fields of a JSON object.
pub(crate) fn name_and_labels(host: &Host) -> &str {
    let text = host.text();
    let end = text.len() - text.behind_labels().len();
    &text.as_str()["{".len()..end + "]".len()]
}

/// Writes a host's packet with those of its labels that a selection matches.
pub(crate) fn write_matching(
    host: &Host,
    last_check: i64,
    selection: &Selection,
    json: &mut String,
) {
    let text = host.text();
    json.push_str(text.up_to_labels());
    let labels = text.json_labels().filter(|label| selection.matches(&unquoted(label)));
    for (number, label) in labels.enumerate() {
        if number > 0 {
            json.push(',');
        }
        json.push_str(label);
    }
    json.push_str(text.behind_labels());
    write_end(last_check, json);
}

fn write_end(last_check: i64, json: &mut String) {
    // Writing to a String cannot fail.
    write!(json, "{last_check}}}").ok();
}
