//! The words of a command line, as lobby 1.x and Ansible give them.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// Options of lobby 1.x, which takes them with one dash, in the manner of Go.
const ONE_DASH: [&str; 7] = ["-host", "-port", "-proto", "-token", "-json", "-help", "-version"];

/// Options whose value is the next word, which is left alone whatever it looks like.
const WITH_VALUE: [&str; 28] = [
    "--host",
    "--port",
    "--proto",
    "--token",
    "--token-file",
    "--ca-file",
    "-l",
    "--selector",
    "--count",
    "--timeout",
    "-L",
    "--columns",
    "--address",
    "--target-port",
    INVENTORY_HOST,
    "-o",
    "--output",
    "--min-servers",
    "--check",
    "--reload",
    "--mode",
    "--for",
    "--reason",
    "--label",
    "--ttl",
    "--every",
    "--fall",
    "--rise",
];

/// The name by which lobbyctl is called as an inventory of Ansible.
const INVENTORY_NAME: &str = "lobby-inventory";

/// What `--host` is called behind `ansible`, where it is not the daemon's.
const INVENTORY_HOST: &str = "--inventory-host";

/// The words with the options of lobby 1.x rewritten to two dashes, up to a `--`: behind it all is
/// data.
pub(crate) fn with_two_dashes(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut words = words.into_iter();
    let mut rewritten: Vec<OsString> = words.next().into_iter().collect();
    let called = rewritten.first().and_then(|program| Path::new(program).file_name());
    let mut command =
        (called == Some(OsStr::new(INVENTORY_NAME))).then(|| OsString::from("ansible"));
    rewritten.extend(command.clone());
    while let Some(word) = words.next() {
        let mut word = option_with_two_dashes(word);
        if command.as_ref().is_some_and(|command| command == "ansible") {
            word = inventory_option(word);
        } else if command.is_none() && !word.as_encoded_bytes().starts_with(b"-") {
            command = Some(word.clone());
        }
        let is_end = word == "--";
        let has_value = takes_value(&word);
        rewritten.push(word);
        if is_end {
            break;
        }
        if has_value {
            rewritten.extend(words.next());
        }
    }
    rewritten.extend(words);
    rewritten
}

/// Whether a word is an option whose value is the next word.
pub(crate) fn takes_value(word: &OsStr) -> bool {
    let word = option_with_two_dashes(word.to_owned());
    WITH_VALUE.iter().any(|option| word == OsStr::new(option))
}

fn inventory_option(word: OsString) -> OsString {
    match word.to_str().and_then(|text| text.strip_prefix("--host")) {
        Some(rest) if rest.is_empty() || rest.starts_with('=') => {
            format!("{INVENTORY_HOST}{rest}").into()
        }
        _ => word,
    }
}

fn option_with_two_dashes(word: OsString) -> OsString {
    let Some(text) = word.to_str() else { return word };
    let name = text.split_once('=').map_or(text, |(name, _)| name);
    if text == "-json=true" {
        "--json".into()
    } else if ONE_DASH.contains(&name) {
        format!("-{text}").into()
    } else {
        word
    }
}
