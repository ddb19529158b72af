//! Where values come from: a flag beats the environment, the environment beats the default.

use std::ffi::OsString;

use clap::ArgMatches;

use super::ConfigError;
use super::table::{ALL, AnySetting, DefaultValue, Setting, SettingInfo};

/// Answers with the value of an environment variable.
pub(super) type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The texts that settings were given.
pub(super) struct Values<'a> {
    flags: ArgMatches,
    environment: Environment<'a>,
}

impl<'a> Values<'a> {
    /// Checks each text, also of settings that nothing will ask for: a wrong one is a mistake wherever it stands.
    pub(super) fn checked(flags: ArgMatches, environment: Environment<'a>) -> Result<Self, ConfigError> {
        let values = Self { flags, environment };
        ALL.iter().try_for_each(|setting| values.check(*setting))?;
        Ok(values)
    }

    /// The value of a setting that has one always.
    pub(super) fn get<T>(&self, setting: &Setting<T>) -> Result<T, ConfigError> {
        self.optional(setting)?.ok_or_else(|| ConfigError::BadValue(format!("{} must be set", setting.info.name)))
    }

    /// The value of a setting that may have none.
    pub(super) fn optional<T>(&self, setting: &Setting<T>) -> Result<Option<T>, ConfigError> {
        let Some(text) = self.text(&setting.info)? else { return Ok(None) };
        setting.parse(&text).map(Some).map_err(|why| ConfigError::bad_value(&setting.info, &why))
    }

    /// Whether a setting without default was given a value.
    pub(super) fn is_given(&self, setting: &SettingInfo) -> Result<bool, ConfigError> {
        Ok(self.text(setting)?.is_some())
    }

    /// An environment variable; empty counts as unset.
    pub(super) fn variable(&self, name: &str) -> Option<OsString> {
        (self.environment)(name).filter(|value| !value.is_empty())
    }

    fn check(&self, setting: &dyn AnySetting) -> Result<(), ConfigError> {
        let Some(text) = self.text(setting.info())? else { return Ok(()) };
        setting.check(&text).map_err(|why| ConfigError::bad_value(setting.info(), &why))
    }

    /// What the setting was given, else its default. An empty flag hides the variable, where the setting can do without a value.
    fn text(&self, setting: &SettingInfo) -> Result<Option<String>, ConfigError> {
        let flag = self.flags.get_one::<OsString>(setting.name).cloned();
        let given = flag.or_else(|| self.variable(setting.name)).map(|value| utf8(setting, value)).transpose()?;
        Ok(match setting.default {
            DefaultValue::Value(default) => Some(given.unwrap_or_else(|| default.to_owned())),
            DefaultValue::Described(_) => given.filter(|text| !text.is_empty()),
        })
    }
}

fn utf8(setting: &SettingInfo, value: OsString) -> Result<String, ConfigError> {
    value.into_string().map_err(|value| {
        let shown = if setting.is_secret() { "the value".to_owned() } else { format!("{value:?}") };
        ConfigError::bad_value(setting, &format!("{shown} is not UTF-8: only UTF-8 text is allowed"))
    })
}
