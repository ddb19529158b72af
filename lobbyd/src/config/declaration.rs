//! All settings that there are: the daemon's own, and those of the drivers that it is given.

use std::borrow::Cow;
use std::ffi::OsString;

use super::kinds::{ValueStyle, items, refusal};
use super::setting::{AnySetting, Block, DefaultValue, Rule, SettingInfo};
use super::values::{Environment, Values};
use super::{ConfigError, Invocation, Timing, command, table};

/// A driver as far as the settings go. `D` is a driver made of its settings.
pub(crate) struct DriverSpec<D> {
    /// Its name in DRIVER, which takes it in any case; also its name in logs and in the API.
    pub(crate) name: &'static str,
    /// Its settings.
    pub(crate) settings: &'static Block,
    /// Reads its settings and makes it.
    pub(crate) configure: fn(&Values<'_>, Timing) -> Result<D, ConfigError>,
}

/// Every setting of a daemon with these drivers.
pub(crate) struct Declaration<D: 'static> {
    drivers: &'static [DriverSpec<D>],
    driver: DriverSetting,
}

impl<D> Declaration<D> {
    /// The first of the drivers is the default of DRIVER.
    pub(crate) fn new(drivers: &'static [DriverSpec<D>]) -> Self {
        Self {
            drivers,
            driver: DriverSetting::new(drivers.iter().map(|driver| driver.name).collect()),
        }
    }

    /// Reads the settings of this process.
    ///
    /// # Errors
    /// As [`Declaration::read`].
    pub(crate) fn read_process(&self) -> Result<Invocation<D>, ConfigError> {
        let variables = std::env::vars_os();
        let named = variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        self.read(std::env::args_os(), &named.collect())
    }

    /// Reads the settings from a command line, whose first item is the program's name, and from
    /// environment variables.
    ///
    /// # Errors
    /// When a flag is unknown, a value bad or missing, or a file with a secret unreadable; also
    /// when help or version is asked for.
    pub(crate) fn read(
        &self,
        arguments: impl IntoIterator<Item = OsString>,
        environment: Environment<'_>,
    ) -> Result<Invocation<D>, ConfigError> {
        Invocation::new(self, &self.values(arguments, environment)?)
    }

    /// The texts that the settings were given.
    ///
    /// # Errors
    /// When a flag is unknown; also when help or version is asked for.
    pub(crate) fn values<'a>(
        &self,
        arguments: impl IntoIterator<Item = OsString>,
        environment: Environment<'a>,
    ) -> Result<Values<'a>, ConfigError> {
        let flags = self.command().try_get_matches_from(arguments)?;
        Ok(Values::new(flags, environment, self.rules()))
    }

    /// Checks the text of each setting, also of those that nothing will ask for: a wrong one is a
    /// mistake wherever it stands.
    ///
    /// # Errors
    /// When a value is bad, or contradicts another.
    pub(super) fn check_all(&self, values: &Values<'_>) -> Result<(), ConfigError> {
        self.settings().try_for_each(|(_, setting)| values.check(setting))?;
        self.rules().try_for_each(|rule| values.check_rule(rule))
    }

    /// What settings must agree on.
    pub(super) fn rules(&self) -> impl Iterator<Item = &'static Rule> {
        self.blocks().flat_map(|block| block.rules)
    }

    /// The command line.
    pub(crate) fn command(&self) -> clap::Command {
        command::command(self.settings())
    }

    /// Every setting with the heading that it stands under, in the order of the help.
    pub(crate) fn settings(&self) -> impl Iterator<Item = (&'static str, &dyn AnySetting)> {
        self.blocks().flat_map(|block| {
            let first =
                std::ptr::eq(block, &table::LOBBY).then_some(&self.driver as &dyn AnySetting);
            first
                .into_iter()
                .chain(block.settings.iter().copied())
                .map(|setting| (block.heading, setting))
        })
    }

    /// The drivers that DRIVER names, each once, in the order given.
    pub(super) fn active(
        &self,
        values: &Values<'_>,
    ) -> Result<Vec<&'static DriverSpec<D>>, ConfigError> {
        let text = values.text(&self.driver.info)?.unwrap_or_default();
        let places = self
            .driver
            .parse(&text)
            .map_err(|why| ConfigError::bad_value(&self.driver.info, &why))?;
        Ok(places.into_iter().map(|place| &self.drivers[place]).collect())
    }

    /// The drivers that DRIVER does not name.
    pub(super) fn idle(
        &self,
        values: &Values<'_>,
    ) -> Result<impl Iterator<Item = &'static DriverSpec<D>>, ConfigError> {
        let active: Vec<_> = self.active(values)?.into_iter().map(|spec| spec.name).collect();
        Ok(self.drivers.iter().filter(move |spec| !active.contains(&spec.name)))
    }

    fn blocks(&self) -> impl Iterator<Item = &'static Block> {
        let before = [&table::API, &table::SERVER, &table::LOBBY];
        let drivers = self.drivers.iter().map(|driver| driver.settings);
        before.into_iter().chain(drivers).chain([&table::DNS, &table::CALLBACKS, &table::LOGGING])
    }
}

/// DRIVER, whose values are the names of the drivers.
struct DriverSetting {
    info: SettingInfo,
    names: Vec<&'static str>,
}

impl DriverSetting {
    fn new(names: Vec<&'static str>) -> Self {
        let meaning = format!(
            "What carries packets: {}, or several of them, comma separated",
            names.join(", ")
        );
        let default = DefaultValue::Literal(names.first().copied().unwrap_or_default());
        let (unit, style, meaning) = ("DRIVERS", ValueStyle::Open, Cow::Owned(meaning));
        Self { info: SettingInfo { name: "DRIVER", unit, style, default, meaning }, names }
    }

    /// Places in the list of drivers.
    fn parse(&self, text: &str) -> Result<Vec<usize>, String> {
        let mut places = Vec::new();
        for name in items(text) {
            let place = self.names.iter().position(|known| known.eq_ignore_ascii_case(name));
            let place = place.ok_or_else(|| self.unknown(text))?;
            if !places.contains(&place) {
                places.push(place);
            }
        }
        if places.is_empty() { Err(self.unknown(text)) } else { Ok(places) }
    }

    fn unknown(&self, text: &str) -> String {
        let names = match &self.names[..] {
            [several @ .., last] if !several.is_empty() => {
                format!("{} or {last}", several.join(", "))
            }
            names => names.concat(),
        };
        refusal(text, "list of drivers", format!("{names}, or several of them, comma separated"))
    }
}

impl AnySetting for DriverSetting {
    fn info(&self) -> &SettingInfo {
        &self.info
    }

    fn check(&self, text: &str) -> Result<(), String> {
        self.parse(text).map(drop)
    }
}
