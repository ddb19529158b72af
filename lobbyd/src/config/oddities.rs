//! Oddities: settings that are valid, and most likely not what was meant.

use std::borrow::Cow;
use std::fmt;
use std::os::unix::fs::PermissionsExt;

use lobby_client::Label;
use lobby_client::text::is_invisible;
use tracing::warn;

use super::declaration::Declaration;
use super::setting::{Block, SettingInfo};
use super::values::{PREFIX, Values};
use super::{ConfigError, table, unknown};
use crate::sys::addresses;
use lobby_core::facts::fact::Fact;
use lobby_core::facts::own_address::{AddressSource, is_reachable};

/// The right of users other than the owner and the group to read a file.
const READABLE_BY_OTHERS: u32 = 0o004;

/// Most labels of LABELS that are told one by one: there may be a thousand.
const MAX_ODD_LABELS: usize = 20;

/// A setting that is most likely a mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oddity {
    /// Name of the setting, or of the variable that is none.
    pub setting: Cow<'static, str>,
    /// What is odd about it and what would be right; never a secret.
    pub hint: String,
}

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.hint)
    }
}

/// Blocks that do nothing without one of their settings.
static BLOCKS: [(&Block, &SettingInfo); 2] =
    [(&table::DNS, &table::DNS_LISTEN.info), (&table::CALLBACKS, &table::CALLBACK.info)];

impl Oddity {
    /// What is odd about a setting.
    pub fn new(setting: impl Into<Cow<'static, str>>, hint: impl Into<String>) -> Self {
        Self { setting: setting.into(), hint: hint.into() }
    }

    /// Logs it as a warning.
    pub fn log(&self) {
        warn!(target: "lobby", setting = &*self.setting, hint = self.hint, "a setting is odd");
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
        let variables = values.odd_variables(info).into_iter().chain(values.odd_twin(info));
        oddities.extend(variables.map(|hint| Oddity::new(info.name, hint)));
        let Some(text) = values.given(info)? else { continue };
        let hints = if info.name == table::LABELS.info.name {
            odd_labels(&text)
        } else if info.names_secret_file() {
            open_secret(&text).into_iter().collect()
        } else {
            Vec::new()
        };
        // Which of the labels it is says whoever puts them together.
        let unseen = (info.name != table::LABELS.info.name).then(|| unseen(&text)).flatten();
        oddities.extend(hints.into_iter().chain(unseen).map(|hint| Oddity::new(info.name, hint)));
    }
    oddities.extend(of_address(values));
    oddities.extend(of_idle_drivers(declaration, values)?);
    oddities.extend(of_idle_blocks(values)?);
    oddities.extend(of_unknown_variables(declaration, values));
    Ok(oddities)
}

/// The labels that are written with another sign than the colon or the comma.
fn odd_labels(text: &str) -> Vec<String> {
    let labels = super::kinds::items(text).filter_map(|item| Label::parse(item).ok());
    let mut odd = labels.filter_map(|label| odd_label(label.as_str()));
    let told = odd.by_ref().take(MAX_ODD_LABELS).map(|(label, why)| format!("{label:?} {why}"));
    let mut hints: Vec<_> = told.collect();
    let more = odd.count();
    if more > 0 {
        hints.push(format!("more labels with such a sign: {more}"));
    }
    hints
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
        _ if label.split_whitespace().skip(1).any(looks_like_label) => {
            "holds a blank and another label behind it: labels are separated by commas"
        }
        _ => return None,
    };
    Some((label.to_owned(), why))
}

/// Whether a word is a key and a value, and neither a time nor a URL.
fn looks_like_label(word: &str) -> bool {
    word.split_once(':').is_some_and(|(key, value)| {
        key.starts_with(|first: char| first.is_alphabetic()) && !value.starts_with("//")
    })
}

/// A text that is not what it looks like. It may be a secret, so only the character is shown.
fn unseen(text: &str) -> Option<String> {
    let character = text.chars().find(|&c| is_invisible(c) && !c.is_control())?;
    Some(format!(
        "it holds the invisible character U+{:04X}, expected none that cannot be seen",
        u32::from(character)
    ))
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
                oddities.push(unused(info, &format!("DRIVER does not name {}", spec.name)));
            }
        }
    }
    Ok(oddities)
}

/// Settings of blocks that do nothing, as the setting is missing that makes them do it.
fn of_idle_blocks(values: &Values<'_>) -> Result<Vec<Oddity>, ConfigError> {
    let mut oddities = Vec::new();
    for (block, needed) in BLOCKS {
        if values.text(needed)?.is_some() {
            continue;
        }
        for info in block.settings.iter().map(|setting| setting.info()) {
            if values.given(info)?.is_some_and(|text| !text.is_empty()) {
                oddities.push(unused(info, &format!("{} is not set", needed.name)));
            }
        }
    }
    Ok(oddities)
}

fn unused(info: &SettingInfo, why: &str) -> Oddity {
    Oddity::new(info.name, format!("it is set and not used: {why}"))
}

/// An ADDRESS that gives none.
fn of_address(values: &Values<'_>) -> Option<Oddity> {
    let info = &table::ADDRESS.info;
    // What is wrong with a setting is told elsewhere.
    let facts = values.optional(&table::FACTS).ok()?.unwrap_or_default();
    if !facts.contains(&Fact::Address) {
        values.given(info).ok()??;
        return Some(unused(info, "FACTS does not name address"));
    }
    let AddressSource::Interface(name) = values.get(&table::ADDRESS).ok()? else { return None };
    interface_problem(&name).map(|hint| Oddity::new(info.name, hint))
}

fn interface_problem(name: &str) -> Option<String> {
    let names = addresses::interfaces();
    if !names.contains(name) {
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        return Some(format!("there is no interface {name}: there are {names}"));
    }
    let is_usable = addresses::of_interface(name).into_iter().any(is_reachable);
    (!is_usable).then(|| format!("interface {name} has no address that others can reach"))
}

fn of_unknown_variables<D>(declaration: &Declaration<D>, values: &Values<'_>) -> Vec<Oddity> {
    let names = || declaration.settings().map(|(_, setting)| setting.info().name);
    let variables = values.prefixed().into_iter();
    let unknown = variables.filter(|(name, _)| !names().any(|known| known == *name));
    let odd = unknown.filter_map(|(name, value)| {
        let hint = unknown::problem(name, value, names())?;
        Some(Oddity::new(format!("{PREFIX}{name}"), hint))
    });
    odd.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_with_other_signs_are_odd_and_usual_ones_are_not() {
        for odd in [
            "service=web",
            "service:web;role:db",
            "a;b",
            "ok:1,service=web",
            "service:web role:db",
            "service:web  role:",
        ] {
            assert_eq!(odd_labels(odd).len(), 1, "{odd}");
        }
        for usual in [
            "service:web,role:db",
            "note:a;b",
            "url:http://h/?a=1&b=2",
            "plain",
            "sum:1=1",
            "note:two words",
            "note:at 10:30, see http://h",
        ] {
            assert_eq!(odd_labels(usual), [""; 0], "{usual}");
        }
    }

    #[test]
    fn many_odd_labels_are_told_up_to_a_limit() {
        let told = |count: usize| {
            let labels: Vec<_> = (0..count).map(|number| format!("a={number}")).collect();
            odd_labels(&labels.join(","))
        };
        assert_eq!(told(MAX_ODD_LABELS).len(), MAX_ODD_LABELS);
        let told = told(MAX_ODD_LABELS + 7);
        assert_eq!(told.len(), MAX_ODD_LABELS + 1);
        assert_eq!(told[MAX_ODD_LABELS], "more labels with such a sign: 7");
    }
}
