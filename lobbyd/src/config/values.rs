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
    /// Pairs of settings of which only one may be set.
    twins: Vec<(&'static SettingInfo, &'static SettingInfo)>,
}

impl<'a> Values<'a> {
    pub(super) fn new(
        flags: ArgMatches,
        environment: Environment<'a>,
        rules: impl Iterator<Item = &'static Rule>,
    ) -> Self {
        let twins = rules.filter_map(|rule| match rule {
            Rule::NotBoth(one, other) => Some((*one, *other)),
            Rule::BothOrNone(..) => None,
        });
        Self { flags, environment, twins: twins.collect() }
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
                let (one, other) = (self.given_as(one), self.given_as(other));
                format!("{one} and {other} are both set: only one of them is allowed")
            }
            (Rule::BothOrNone(..), (true, false)) => alone(&self.given_as(one), other),
            (Rule::BothOrNone(..), (false, true)) => alone(&self.given_as(other), one),
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

    /// The flag or the variable that the setting was given by.
    fn given_as(&self, setting: &SettingInfo) -> String {
        match self.origin(setting) {
            Origin::Flag => format!("--{}", setting.flag()),
            Origin::Variable(name) => name,
            Origin::Default => setting.name.to_owned(),
        }
    }

    /// The variable of a setting that counts, with its name.
    fn variable_of(&self, setting: &SettingInfo) -> Option<(String, OsString)> {
        self.long_variable(setting).or_else(|| {
            let value = self.variable(setting.name)?;
            self.long_twin(setting).is_none().then(|| (setting.name.to_owned(), value))
        })
    }

    fn long_variable(&self, setting: &SettingInfo) -> Option<(String, OsString)> {
        let name = long_name(setting);
        let value = self.variable(&name).filter(|value| !is_link(setting, value))?;
        Some((name, value))
    }

    /// The longer name of a variable of the setting's twin, which beats the setting's shorter one.
    /// It does not where a flag beats it.
    fn long_twin(&self, setting: &SettingInfo) -> Option<String> {
        let twins = self.twins(setting).filter(|twin| !self.flags.contains_id(twin.name));
        twins.filter_map(|twin| self.long_variable(twin)).map(|(name, _)| name).next()
    }

    /// The setting of a file that holds the secret of this one, if the file is what counts.
    pub(super) fn secret_file_of(&self, setting: &SettingInfo) -> Option<&'static SettingInfo> {
        if !setting.is_secret() || self.is_given(setting).ok()? {
            return None;
        }
        self.twins(setting).find(|twin| {
            twin.names_secret_file() && self.is_given(twin).is_ok_and(|is_given| is_given)
        })
    }

    /// The settings that must not be set beside this one.
    fn twins(&self, setting: &SettingInfo) -> impl Iterator<Item = &'static SettingInfo> {
        self.twins.iter().filter_map(|&(one, other)| match setting.name {
            name if name == one.name => Some(other),
            name if name == other.name => Some(one),
            _ => None,
        })
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
        Some(both_set(name, &long))
    }

    /// What is odd about the variable of a setting and that of its twin.
    pub(super) fn odd_twin(&self, setting: &SettingInfo) -> Option<String> {
        self.variable(setting.name)?;
        self.long_twin(setting).map(|long| both_set(setting.name, &long))
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

fn alone(present: &str, absent: &SettingInfo) -> String {
    format!("{present} is set without {}: both are needed", absent.name)
}

fn both_set(short: &str, long: &str) -> String {
    format!("{short} and {long} are both set: {long} counts")
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
