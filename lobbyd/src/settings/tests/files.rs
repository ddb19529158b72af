use super::*;
use crate::config::DefaultValue;

const ENV_FILE: &str = include_str!("../../../../config/lobbyd.env");

/// The settings of the file, in order; each is commented out.
fn listed() -> Vec<(&'static str, &'static str)> {
    let setting = |line: &'static str| {
        line.strip_prefix('#').filter(|rest| !rest.is_empty() && !rest.starts_with(' '))
    };
    ENV_FILE.lines().filter_map(setting).map(|line| line.split_once('=').unwrap()).collect()
}

#[test]
fn the_environment_file_lists_all_settings_in_the_helps_order() {
    let default =
        |default: &DefaultValue| if let DefaultValue::Literal(text) = default { text } else { "" };
    let declaration = declaration();
    let settings = declaration.settings().map(|(_, setting)| setting.info());
    let expected: Vec<_> = settings.map(|info| (info.name, default(&info.default))).collect();
    assert_eq!(listed(), expected);
}

#[test]
fn the_environment_file_sets_nothing() {
    assert!(ENV_FILE.lines().all(|line| line.is_empty() || line.starts_with('#')));
}
