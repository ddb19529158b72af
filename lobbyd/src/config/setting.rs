//! A setting: its name, its kind, its default and its meaning. Blocks of settings are declared with
//! `settings!`.

use std::borrow::Cow;

use super::kinds::{ValueKind, ValueStyle};

/// A setting and the type of its value.
pub(crate) struct Setting<T: 'static> {
    pub(crate) info: SettingInfo,
    parse: fn(&str) -> Result<T, String>,
}

/// A setting's description, whatever the type of its value.
pub(crate) struct SettingInfo {
    /// Name of the variable.
    pub(crate) name: &'static str,
    /// Placeholder for the value in the help.
    pub(crate) unit: &'static str,
    pub(crate) style: ValueStyle,
    pub(crate) default: DefaultValue,
    pub(crate) meaning: Cow<'static, str>,
}

/// The value of a setting that is not set.
pub(crate) enum DefaultValue {
    /// This value, written as a user would.
    Literal(&'static str),
    /// No fixed value; the help shows this description.
    Described(&'static str),
}

/// A setting of any type.
pub(crate) trait AnySetting: Sync {
    fn info(&self) -> &SettingInfo;

    /// Checks that the text is a valid value of this setting.
    ///
    /// # Errors
    /// Why it is not.
    fn check(&self, text: &str) -> Result<(), String>;
}

/// Settings that stand under one heading of the help.
pub(crate) struct Block {
    pub(crate) heading: &'static str,
    pub(crate) settings: &'static [&'static dyn AnySetting],
    /// What several of them must agree on.
    pub(crate) rules: &'static [Rule],
}

/// What two settings must agree on.
pub(crate) enum Rule {
    /// At most one of them is set.
    NotBoth(&'static SettingInfo, &'static SettingInfo),
    /// Both are set, or none.
    BothOrNone(&'static SettingInfo, &'static SettingInfo),
}

impl<T> Setting<T> {
    pub(crate) const fn new(
        name: &'static str,
        kind: &ValueKind<T>,
        default: DefaultValue,
        meaning: &'static str,
    ) -> Self {
        let (unit, style, meaning) = (kind.unit, kind.style, Cow::Borrowed(meaning));
        Self { info: SettingInfo { name, unit, style, default, meaning }, parse: kind.parse }
    }

    /// What reads a text.
    pub(super) fn parser(&self) -> fn(&str) -> Result<T, String> {
        self.parse
    }

    /// The value that the text stands for.
    ///
    /// # Errors
    /// Why it stands for none.
    pub(super) fn parse(&self, text: &str) -> Result<T, String> {
        (self.parse)(text)
    }
}

impl<T> AnySetting for Setting<T> {
    fn info(&self) -> &SettingInfo {
        &self.info
    }

    fn check(&self, text: &str) -> Result<(), String> {
        self.parse(text).map(drop)
    }
}

impl SettingInfo {
    /// Name of the long flag, without its dashes.
    pub(crate) fn flag(&self) -> String {
        self.name.to_ascii_lowercase().replace('_', "-")
    }

    /// The default as the help shows it.
    pub(crate) fn default(&self) -> &'static str {
        match self.default {
            DefaultValue::Literal(text) | DefaultValue::Described(text) => text,
        }
    }

    pub(crate) fn is_secret(&self) -> bool {
        self.style == ValueStyle::Secret
    }

    /// Whether it names a file with a secret.
    pub(super) fn names_secret_file(&self) -> bool {
        self.style == ValueStyle::SecretFile
    }
}

/// Declares a block of settings: a static for each setting, and one for the block.
macro_rules! settings {
    (
        $(#[$doc:meta])* $block:ident, $heading:literal
        { $($name:ident: $type:ty, $kind:expr, $default:expr, $meaning:literal;)+ }
        $($rule:expr),*
    ) => {
        $(
            pub(super) static $name: $crate::config::Setting<$type> =
                $crate::config::Setting::new(stringify!($name), &$kind, $default, $meaning);
        )+

        $(#[$doc])*
        pub(super) static $block: $crate::config::Block =
            $crate::config::Block { heading: $heading, settings: &[$(&$name),+], rules: &[$($rule),*] };
    };
}

pub(crate) use settings;
