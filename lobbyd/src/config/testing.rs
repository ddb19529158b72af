//! Reads settings in tests.

use std::collections::HashMap;
use std::ffi::OsString;

use super::{
    Block, Checked, ConfigError, Declaration, DriverSpec, Invocation, Settings, Timing, Values,
};

/// Reads flags and variables with a declaration, both as a user would type them, separated by white
/// space.
pub(crate) fn read<D>(
    declaration: &Declaration<D>,
    flags: &str,
    variables: &str,
) -> Result<Settings<D>, ConfigError> {
    let flags: Vec<&str> = flags.split_whitespace().collect();
    let variables: Vec<_> =
        variables.split_whitespace().map(|pair| pair.split_once('=').unwrap()).collect();
    read_exactly(declaration, &flags, &variables)
}

/// Reads flags and variables with a declaration.
pub(crate) fn read_exactly<D>(
    declaration: &Declaration<D>,
    flags: &[&str],
    variables: &[(&str, &str)],
) -> Result<Settings<D>, ConfigError> {
    let variables: HashMap<_, _> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value))).collect();
    let arguments = ["lobbyd"].iter().chain(flags).map(OsString::from);
    match declaration.read(arguments, &variables)? {
        Invocation::Run(settings) => Ok(*settings),
        Invocation::Check(_) => panic!("a check was not asked for"),
    }
}

/// Checks flags and variables with a declaration.
pub(crate) fn check<D>(
    declaration: &Declaration<D>,
    flags: &[&str],
    variables: &[(&str, &str)],
) -> Checked<D> {
    let variables: HashMap<_, _> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value))).collect();
    let arguments = ["lobbyd", "--check"].iter().chain(flags).map(OsString::from);
    match declaration.read(arguments, &variables).unwrap() {
        Invocation::Check(checked) => *checked,
        Invocation::Run(_) => panic!("a check was asked for"),
    }
}

/// Reads the settings of a driver, the only one that there is, from variables.
pub(crate) fn configured<D: 'static>(
    block: &'static Block,
    variables: &str,
    configure: fn(&Values<'_>, Timing) -> Result<D, ConfigError>,
) -> Result<D, ConfigError> {
    let drivers = Box::leak(Box::new([DriverSpec { name: "Any", settings: block, configure }]));
    let mut settings = read(&Declaration::new(drivers), "", variables)?;
    Ok(settings.drivers.remove(0).driver)
}
