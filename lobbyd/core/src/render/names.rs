//! Names: hosts as a list of their names.

use std::fmt::Write;

use crate::registry::host::Host;

/// Writes a host's name.
pub(crate) fn write(host: &Host, json: &mut String) {
    // Writing to a String cannot fail.
    write!(json, "{}", serde_json::json!(host.name())).ok();
}
