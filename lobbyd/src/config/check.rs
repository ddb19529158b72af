//! The check of settings without running the daemon: each with its source, the files that they
//! name, and everything that is wrong or odd.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::declaration::Declaration;
use super::setting::{AnySetting, DefaultValue, SettingInfo};
use super::values::{Origin, Values};
use super::{ApiSettings, ConfigError, Oddity, Settings, oddities, table};

/// Width of the column with the settings' names and values.
const COLUMN: usize = 44;

/// What `--check` found.
#[derive(Debug)]
pub struct Checked<D> {
    /// The settings, a line each, below their headings.
    pub lines: Vec<String>,
    /// What is wrong.
    pub errors: Vec<String>,
    /// What is odd.
    pub oddities: Vec<Oddity>,
    /// The settings, if nothing is wrong with them.
    pub settings: Option<Settings<D>>,
    /// Whether the brokers are to be tried too.
    pub connect: bool,
}

impl<D> Declaration<D> {
    /// Checks all settings, and does not stop at the first one that is wrong.
    pub(super) fn check(&self, values: &Values<'_>, connect: bool) -> Checked<D> {
        let errors = self.settings().filter_map(|(_, setting)| values.check(setting).err());
        let rules = self.rules().filter_map(|rule| values.check_rule(rule).err());
        let mut errors: Vec<_> = errors.chain(rules).map(|error| error.to_string()).collect();
        let mut oddities = oddities::find(self, values).unwrap_or_default();
        let settings =
            if errors.is_empty() { Some(Settings::from_values(self, values)) } else { None };
        let settings = match settings.transpose() {
            Ok(settings) => settings,
            Err(error) => {
                errors.push(error.to_string());
                None
            }
        };
        if let Some(settings) = &settings {
            oddities.clone_from(&settings.oddities);
            oddities.extend(settings.api.as_ref().and_then(open_address));
        }
        Checked { lines: self.lines(values), errors, oddities, settings, connect }
    }

    fn lines(&self, values: &Values<'_>) -> Vec<String> {
        let (mut lines, mut last) = (Vec::new(), "");
        for (heading, setting) in self.settings() {
            if heading != last {
                lines.push(heading.to_owned());
                last = heading;
            }
            lines.push(line(setting, values));
        }
        lines
    }
}

/// Name, value, source and, where it names a file, what is there.
fn line(setting: &dyn AnySetting, values: &Values<'_>) -> String {
    let info = setting.info();
    let text = values.text(info);
    let file = values.secret_file_of(info);
    let shown = match (&text, &info.default) {
        (Err(_), _) => "(not UTF-8)".to_owned(),
        (Ok(None), _) if file.is_some() => "***".to_owned(),
        (Ok(None), default) => format!("({})", described(default)),
        (Ok(Some(_)), _) if info.is_secret() => "***".to_owned(),
        (Ok(Some(text)), _) => text.escape_debug().to_string(),
    };
    let source = source(file.unwrap_or(info), values);
    let there = text.ok().flatten().and_then(|path| what_is_there(info, &path));
    let there = there.map(|there| format!(", {there}")).unwrap_or_default();
    let assignment = format!("{}={shown}", info.name);
    format!("  {assignment:<COLUMN$} {source}{there}")
}

fn source(info: &SettingInfo, values: &Values<'_>) -> String {
    match values.origin(info) {
        Origin::Flag => format!("--{}", info.flag()),
        Origin::Variable(name) => format!("variable {name}"),
        Origin::Default => "default".to_owned(),
    }
}

fn described(default: &DefaultValue) -> &'static str {
    match default {
        DefaultValue::Literal(text) | DefaultValue::Described(text) => text,
    }
}

/// What stands at a path that a setting names.
fn what_is_there(info: &SettingInfo, path: &str) -> Option<String> {
    if !matches!(info.unit, "FILE" | "DIR") {
        return None;
    }
    Some(match fs::metadata(path) {
        Ok(found) if info.unit == "DIR" && !found.is_dir() => "is not a directory".to_owned(),
        Ok(found) => format!("there, mode {:04o}", found.permissions().mode() & 0o7777),
        Err(error) => format!("cannot be read: {error}"),
    })
}

/// An API that everyone who reaches it may use.
fn open_address(api: &ApiSettings) -> Option<Oddity> {
    let is_local = api.host == "localhost"
        || api.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    (api.token.is_none() && !is_local).then(|| {
        let hint = format!("the API is open to everyone who reaches {}: set a TOKEN", api.host);
        Oddity::new(table::HOST.info.name, hint)
    })
}

/// A check of the settings, or the settings to run with.
#[derive(Debug)]
pub enum Invocation<D> {
    /// Run the daemon.
    Run(Box<Settings<D>>),
    /// `--check`: tell what was found.
    Check(Box<Checked<D>>),
}

impl<D> Invocation<D> {
    /// What the values ask for.
    ///
    /// # Errors
    /// What is wrong with the settings to run with.
    pub(super) fn new(
        declaration: &Declaration<D>,
        values: &Values<'_>,
    ) -> Result<Self, ConfigError> {
        Ok(match values.check_mode() {
            Some(connect) => Self::Check(Box::new(declaration.check(values, connect))),
            None => {
                declaration.check_all(values)?;
                Self::Run(Box::new(Settings::from_values(declaration, values)?))
            }
        })
    }
}
