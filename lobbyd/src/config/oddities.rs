//! Oddities: settings that are valid, and most likely not what was meant.

use std::fmt;
use std::os::unix::fs::PermissionsExt;

use lobby_client::Label;
use tracing::warn;

use super::declaration::Declaration;
use super::setting::SettingInfo;
use super::values::Values;
use super::{ConfigError, table};

/// The right of users other than the owner and the group to read a file.
const READABLE_BY_OTHERS: u32 = 0o004;

/// A setting that is most likely a mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oddity {
    /// Name of the setting.
    pub setting: &'static str,
    /// What is odd about it and what would be right; never a secret.
    pub hint: String,
}

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.hint)
    }
}

impl Oddity {
    /// Logs it as a warning.
    pub fn log(&self) {
        warn!(target: "lobby", setting = self.setting, hint = self.hint, "a setting is odd");
    }
}

/// Everything that is odd, in the order of the help.
pub(super) fn find<D>(
    declaration: &Declaration<D>,
    values: &Values<'_>,
) -> Result<Vec<Oddity>, ConfigError> {
    let mut oddities = Vec::new();
    for (_, setting) in declaration.settings() {
        let info = setting.info();
        oddities.extend(values.odd_variables(info).map(|hint| Oddity { setting: info.name, hint }));
        let Some(text) = values.given(info)? else { continue };
        let hint = if info.name == table::LABELS.info.name {
            odd_labels(&text)
        } else if info.names_secret_file() {
            open_secret(&text)
        } else {
            None
        };
        oddities.extend(hint.map(|hint| Oddity { setting: info.name, hint }));
    }
    oddities.extend(of_idle_drivers(declaration, values)?);
    Ok(oddities)
}

/// LABELS of which some are written with another sign than the colon or the comma.
fn odd_labels(text: &str) -> Option<String> {
    let odd = super::kinds::items(text)
        .find_map(|item| Label::parse(item).ok().and_then(|label| odd_label(label.as_str())));
    odd.map(|(label, why)| format!("{label:?} {why}"))
}

fn odd_label(label: &str) -> Option<(String, &'static str)> {
    let has_colon = label.contains(':');
    let why = match label.split_once(';') {
        Some((_, rest)) if !has_colon || rest.contains([':', '=']) => {
            "holds a semicolon: labels are separated by commas"
        }
        _ if !has_colon && label.contains('=') => {
            "holds a = and no colon: name and value of a label are separated by a colon"
        }
        _ => return None,
    };
    Some((label.to_owned(), why))
}

fn open_secret(text: &str) -> Option<String> {
    let mode = std::fs::metadata(text).ok()?.permissions().mode();
    let open = mode & READABLE_BY_OTHERS != 0;
    open.then(|| {
        format!("{text} can be read by every user of this machine: its mode should be 0600 or 0640")
    })
}

/// Settings of drivers that are not active.
fn of_idle_drivers<D>(
    declaration: &Declaration<D>,
    values: &Values<'_>,
) -> Result<Vec<Oddity>, ConfigError> {
    let mut oddities = Vec::new();
    for spec in declaration.idle(values)? {
        for info in spec.settings.settings.iter().map(|setting| setting.info()) {
            if values.given(info)?.is_some() {
                oddities.push(unused(info, spec.name));
            }
        }
    }
    Ok(oddities)
}

fn unused(info: &SettingInfo, driver: &str) -> Oddity {
    let hint = format!("it is set and not used: DRIVER does not name {driver}");
    Oddity { setting: info.name, hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_with_other_signs_are_odd_and_usual_ones_are_not() {
        for odd in ["service=web", "service:web;role:db", "a;b", "ok:1,service=web"] {
            assert!(odd_labels(odd).is_some(), "{odd}");
        }
        for usual in
            ["service:web,role:db", "note:a;b", "url:http://h/?a=1&b=2", "plain", "sum:1=1"]
        {
            assert_eq!(odd_labels(usual), None, "{usual}");
        }
    }
}
