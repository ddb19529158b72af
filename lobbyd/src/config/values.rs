//! Where values come from: a flag beats the environment, the environment beats the default.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::ArgMatches;

use super::command::{CHECK, CONNECT};
use super::setting::{AnySetting, DefaultValue, Rule, Setting, SettingInfo};
use super::{ConfigError, Secret};
use crate::sys::files;

/// Most bytes of a file that a setting names: certificates of all authorities of the world, several
/// times over.
pub(crate) const LONGEST_FILE: usize = 4 << 20;

/// The environment variables, by name.
pub(crate) type Environment<'a> = &'a HashMap<String, OsString>;

/// Beginning of the longer name that each variable has. It beats the shorter one, which other
/// programs may use as well.
pub(crate) const PREFIX: &str = "LOBBY_";

/// Where the text of a setting came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// Its flag.
    Flag,
    /// This variable: the setting's name, or the longer one.
    Variable(String),
    /// Nothing was given.
    Default,
}

/// The texts that settings were given.
pub(crate) struct Values<'a> {
    flags: ArgMatches,
    environment: Environment<'a>,
}

impl<'a> Values<'a> {
    pub(super) fn new(flags: ArgMatches, environment: Environment<'a>) -> Self {
        Self { flags, environment }
    }

    /// Whether `--check` is given, and then whether with `connect`.
    pub(super) fn check_mode(&self) -> Option<bool> {
        self.flags.get_one::<String>(CHECK).map(|mode| mode == CONNECT)
    }

    /// The value of a setting that has one always.
    pub(crate) fn get<T>(&self, setting: &Setting<T>) -> Result<T, ConfigError> {
        self.optional(setting)?
            .ok_or_else(|| ConfigError::BadValue(format!("{} must be set", setting.info.name)))
    }

    /// The value of a setting that may have none.
    pub(crate) fn optional<T>(&self, setting: &Setting<T>) -> Result<Option<T>, ConfigError> {
        let Some(text) = self.text(&setting.info)? else { return Ok(None) };
        setting.parse(&text).map(Some).map_err(|why| ConfigError::bad_value(&setting.info, &why))
    }

    /// A secret given as it stands or in a file.
    pub(crate) fn secret(
        &self,
        plain: &Setting<String>,
        file: &Setting<PathBuf>,
    ) -> Result<Option<Secret>, ConfigError> {
        let Some(secret) = self.secret_file(file)? else {
            return Ok(self.optional(plain)?.map(|text| Secret::fixed(&text)));
        };
        let secret = secret
            .checked(plain.parser())
            .map_err(|why| ConfigError::bad_value(&file.info, &why))?;
        Ok(Some(secret))
    }

    /// The secret in a file.
    pub(crate) fn secret_file(
        &self,
        file: &Setting<PathBuf>,
    ) -> Result<Option<Secret>, ConfigError> {
        let Some(path) = self.optional(file)? else { return Ok(None) };
        Secret::from_file(file.info.name, &path)
            .map(Some)
            .map_err(|error| ConfigError::unreadable(&file.info, &error))
    }

    /// The path of a file that is read later, each time it is needed; it can be read now.
    pub(crate) fn readable(&self, file: &Setting<PathBuf>) -> Result<Option<PathBuf>, ConfigError> {
        let Some(path) = self.optional(file)? else { return Ok(None) };
        read(&path).map_err(|error| ConfigError::unreadable(&file.info, &error))?;
        Ok(Some(path))
    }

    /// An environment variable; empty counts as unset.
    pub(crate) fn variable(&self, name: &str) -> Option<OsString> {
        self.environment.get(name).filter(|value| !value.is_empty()).cloned()
    }

    /// The variables that have the longer name of something, in order: what stands behind the
    /// prefix, and their values.
    pub(super) fn prefixed(&self) -> BTreeMap<&'a str, &'a OsStr> {
        let variables = self.environment.iter().filter(|(_, value)| !value.is_empty());
        variables
            .filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?, value.as_os_str())))
            .collect()
    }

    /// Checks the text that a setting was given.
    pub(super) fn check(&self, setting: &dyn AnySetting) -> Result<(), ConfigError> {
        let Some(text) = self.text(setting.info())? else { return Ok(()) };
        setting.check(&text).map_err(|why| match self.origin(setting.info()) {
            Origin::Variable(name) => ConfigError::BadValue(format!("{name}: {why}")),
            Origin::Flag | Origin::Default => ConfigError::bad_value(setting.info(), &why),
        })
    }

    /// Checks what two settings must agree on.
    pub(super) fn check_rule(&self, rule: &Rule) -> Result<(), ConfigError> {
        let (Rule::NotBoth(one, other) | Rule::BothOrNone(one, other)) = rule;
        let given = (self.is_given(one)?, self.is_given(other)?);
        let message = match (rule, given) {
            (Rule::NotBoth(..), (true, true)) => {
                format!("{} and {} are both set: only one of them is allowed", one.name, other.name)
            }
            (Rule::BothOrNone(..), (true, false)) => alone(one, other),
            (Rule::BothOrNone(..), (false, true)) => alone(other, one),
            _ => return Ok(()),
        };
        Err(ConfigError::BadValue(message))
    }

    /// Whether a setting with a default has another value.
    pub(super) fn is_changed(&self, setting: &SettingInfo) -> Result<bool, ConfigError> {
        let text = self.text(setting)?;
        Ok(
            !matches!(setting.default, DefaultValue::Literal(default) if text.as_deref() == Some(default)),
        )
    }

    /// Whether a setting without default was given a value.
    fn is_given(&self, setting: &SettingInfo) -> Result<bool, ConfigError> {
        Ok(self.text(setting)?.is_some())
    }

    /// The text that the setting was given by a flag or a variable.
    pub(super) fn given(&self, setting: &SettingInfo) -> Result<Option<String>, ConfigError> {
        let flag = self.flags.get_one::<OsString>(setting.name).cloned();
        let value = flag.or_else(|| self.variable_of(setting).map(|(_, value)| value));
        value.map(|value| utf8(setting, value)).transpose()
    }

    /// Where that text came from.
    pub(super) fn origin(&self, setting: &SettingInfo) -> Origin {
        if self.flags.contains_id(setting.name) {
            return Origin::Flag;
        }
        self.variable_of(setting).map_or(Origin::Default, |(name, _)| Origin::Variable(name))
    }

    /// The variable of a setting that counts, with its name.
    fn variable_of(&self, setting: &SettingInfo) -> Option<(String, OsString)> {
        let (long, short) = (long_name(setting), setting.name.to_owned());
        let named = |name: String| self.variable(&name).map(|value| (name, value));
        named(long).filter(|(_, value)| !is_link(setting, value)).or_else(|| named(short))
    }

    /// What is odd about the two variables of a setting.
    pub(super) fn odd_variables(&self, setting: &SettingInfo) -> Option<String> {
        let (name, long) = (setting.name, long_name(setting));
        let value = self.variable(&long)?;
        if is_link(setting, &value) {
            return Some(format!(
                "{long} is passed over: it was made for a link between containers or a service, \
                 expected {}",
                setting.unit
            ));
        }
        self.variable(name)?;
        Some(format!("{name} and {long} are both set: {long} counts"))
    }

    /// The text that the setting was given, else its default. An empty flag hides the variable,
    /// where the setting can do without a value.
    pub(super) fn text(&self, setting: &SettingInfo) -> Result<Option<String>, ConfigError> {
        let given = self.given(setting)?;
        Ok(match setting.default {
            DefaultValue::Literal(default) => Some(given.unwrap_or_else(|| default.to_owned())),
            DefaultValue::Described(_) => given.filter(|text| !text.is_empty()),
        })
    }
}

fn long_name(setting: &SettingInfo) -> String {
    format!("{PREFIX}{}", setting.name)
}

/// Whether a variable is not meant for lobby: for a service or container called `lobby`, Kubernetes
/// and Docker make a variable LOBBY_PORT that holds an address.
fn is_link(setting: &SettingInfo, value: &OsStr) -> bool {
    let value = value.as_encoded_bytes();
    setting.name.ends_with("PORT") && (value.starts_with(b"tcp://") || value.starts_with(b"udp://"))
}

fn alone(present: &SettingInfo, absent: &SettingInfo) -> String {
    format!("{} is set without {}: both are needed", present.name, absent.name)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    files::read_bounded(path, LONGEST_FILE)
        .with_context(|| format!("cannot read file {}", path.display()))
}

fn utf8(setting: &SettingInfo, value: OsString) -> Result<String, ConfigError> {
    value.into_string().map_err(|value| {
        let shown = if setting.is_secret() { "the value".to_owned() } else { format!("{value:?}") };
        ConfigError::bad_value(setting, &format!("{shown} is not UTF-8: expected UTF-8 text"))
    })
}
