//! Unknown variables: names that begin as those of settings do, and are none.

use std::ffi::OsStr;

/// Names behind the prefix that mean something to others: lobbyctl, and callbacks.
const OF_OTHERS: [&str; 5] = ["PROTOCOL", "CA_FILE", "REASON", "WARM", "REVISION"];

/// Longest name for which a similar one is looked for.
const MAX_LEN: usize = 64;

/// What is odd about a variable that has the prefix and then `name`; nothing if it may well be
/// meant for others. `settings` are the names of all settings.
pub(super) fn problem<'a>(
    name: &str,
    value: &OsStr,
    settings: impl Iterator<Item = &'a str>,
) -> Option<String> {
    if OF_OTHERS.contains(&name) || is_link(name, value) {
        return None;
    }
    Some(match nearest(name, settings) {
        Some(near) => format!("it is not a setting and does nothing: LOBBY_{near} is one"),
        None => "it is not a setting and does nothing: lobbyd --help lists them".to_owned(),
    })
}

/// Whether Kubernetes or Docker made the variable for a service or container whose name begins with
/// `lobby`.
fn is_link(name: &str, value: &OsStr) -> bool {
    let (name, value) = (format!("_{name}"), value.as_encoded_bytes());
    let is_port = name
        .split_once("_PORT_")
        .is_some_and(|(_, rest)| rest.starts_with(|first: char| first.is_ascii_digit()));
    is_port
        || ["_SERVICE_HOST", "_SERVICE_PORT", "_ENV_"].iter().any(|part| name.contains(part))
        || name.ends_with("_PORT") && value.windows(3).any(|part| part == b"://")
        || name.ends_with("_NAME") && value.starts_with(b"/")
}

/// The name that is most like this one, if one is like it at all.
fn nearest<'a>(name: &str, settings: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > MAX_LEN {
        return None;
    }
    let most = (name.len() / 4).max(1);
    let distances = settings.map(|setting| (distance(name, setting), setting));
    distances.filter(|(distance, _)| *distance <= most).min().map(|(_, setting)| setting)
}

/// How many letters must be put in, left out or replaced to make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (number, letter) in one.chars().enumerate() {
        let (mut diagonal, mut left) = (number, number + 1);
        row[0] = left;
        for (above, wanted) in row[1..].iter_mut().zip(other.chars()) {
            let replaced = diagonal + usize::from(letter != wanted);
            diagonal = *above;
            left = replaced.min(left + 1).min(diagonal + 1);
            *above = left;
        }
    }
    row.pop().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: [&str; 5] = ["TTL", "PORT", "HOSTNAME", "KEEP_ALIVE", "LABELS"];

    fn told(name: &str, value: &str) -> Option<String> {
        problem(name, value.as_ref(), SETTINGS.into_iter())
    }

    #[test]
    fn a_misspelt_setting_is_told_with_the_right_one() {
        for (wrong, right) in [
            ("TTLL", "TTL"),
            ("PROT", ""),
            ("POR", "PORT"),
            ("KEEPALIVE", "KEEP_ALIVE"),
            ("HOST_NAME", "HOSTNAME"),
            ("LABEL", "LABELS"),
            ("COLOUR", ""),
        ] {
            let told = told(wrong, "5").unwrap();
            let expected = if right.is_empty() {
                "lobbyd --help".to_owned()
            } else {
                format!("LOBBY_{right} is")
            };
            assert!(told.contains(&expected), "{wrong}: {told}");
        }
    }

    #[test]
    fn what_was_made_for_others_is_not_odd() {
        for (name, value) in [
            ("SERVICE_HOST", "10.0.0.1"),
            ("API_SERVICE_PORT_HTTP", "80"),
            ("PORT_1313_TCP_ADDR", "10.0.0.1"),
            ("API_PORT", "tcp://10.0.0.1:80"),
            ("NAME", "/web/lobby"),
            ("ENV_PATH", "/bin"),
            ("PROTOCOL", "https"),
        ] {
            assert_eq!(told(name, value), None, "{name}");
        }
    }

    #[test]
    fn what_is_said_to_be_for_others_is_read_by_them() {
        let page = include_str!("../../../packaging/man/lobbyctl.1");
        let callback = include_str!("../callback/process.rs");
        for name in OF_OTHERS {
            let is_read = page.contains(&format!("[env: {name}]"))
                || callback.contains(&format!("{:?}", format!("LOBBY_{name}")));
            assert!(is_read, "{name}");
        }
    }

    #[test]
    fn the_distance_of_words_is_the_number_of_faults() {
        for (one, other, faults) in
            [("", "", 0), ("a", "", 1), ("TTLL", "TTL", 1), ("kitten", "sitting", 3), ("ž", "z", 1)]
        {
            assert_eq!((distance(one, other), distance(other, one)), (faults, faults), "{one}");
        }
    }
}
