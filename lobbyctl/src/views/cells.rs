//! Cells: values of a server's labels, by key.

use std::collections::BTreeMap;

use lobby_client::Discovery;

/// The values of each key of a server, in order. A label without a value gives its key none.
pub(super) fn by_key(server: &Discovery) -> BTreeMap<&str, Vec<&str>> {
    let mut keys = BTreeMap::<_, Vec<_>>::new();
    for label in &server.labels {
        keys.entry(label.name()).or_default().extend(label.value());
    }
    keys
}

/// Whether a name consists of letters, digits, `-`, `.` and `_`, which have no meaning to other
/// programs, and cannot be taken for an option.
pub(super) fn is_plain_name(name: &str) -> bool {
    let is_safe = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    name.chars().all(is_safe) && !name.starts_with('-')
}

/// A text with `_` in the place of every character but ASCII letters, digits and `_`.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}
