//! Every setting, declared once. The command line, the reading, the help and the check of `config/lobbyd.env` all come from here.

use std::path::PathBuf;
use std::time::Duration;

use lobby_client::{HostName, Label};

use super::LogFormat;
use super::kinds::{self, ValueKind, ValueStyle};
use super::table::DefaultValue::{Described, Value};
use lobby_core::signing::verifier::VerifyMode;

/// A setting and the type of its value.
pub(super) struct Setting<T: 'static> {
    pub(super) info: SettingInfo,
    parse: fn(&str) -> Result<T, String>,
}

/// What is to be known of a setting, whatever the type of its value.
pub(super) struct SettingInfo {
    /// Name of the variable.
    pub(super) name: &'static str,
    pub(super) group: HelpSection,
    /// What stands for the value in the help.
    pub(super) unit: &'static str,
    pub(super) style: ValueStyle,
    pub(super) default: DefaultValue,
    pub(super) meaning: &'static str,
}

/// What holds when nobody sets the setting.
pub(super) enum DefaultValue {
    /// This value, written as a user would.
    Value(&'static str),
    /// No fixed value; the words say to people what holds instead.
    Described(&'static str),
}

/// Settings that belong together in the help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HelpSection {
    Api,
    Server,
    Lobby,
    Nats,
    Redis,
    Local,
    Callback,
    Logging,
}

/// A setting of whatever type.
pub(super) trait AnySetting: Sync {
    fn info(&self) -> &SettingInfo;

    /// Whether the text is a value of this setting; if not, why.
    fn check(&self, text: &str) -> Result<(), String>;
}

impl<T> Setting<T> {
    const fn new(
        name: &'static str,
        group: HelpSection,
        kind: &ValueKind<T>,
        default: DefaultValue,
        meaning: &'static str,
    ) -> Self {
        let info = SettingInfo { name, group, unit: kind.unit, style: kind.style, default, meaning };
        Self { info, parse: kind.parse }
    }

    /// The value that the text stands for; if it stands for none, why.
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
    pub(super) fn flag(&self) -> String {
        self.name.to_ascii_lowercase().replace('_', "-")
    }

    /// The preset for people.
    pub(super) fn default(&self) -> &'static str {
        match self.default {
            Value(text) | Described(text) => text,
        }
    }

    pub(super) fn is_secret(&self) -> bool {
        self.style == ValueStyle::Secret
    }
}

impl HelpSection {
    pub(super) fn heading(self) -> &'static str {
        match self {
            Self::Api => "HTTP API",
            Self::Server => "This server",
            Self::Lobby => "The lobby",
            Self::Nats => "Driver NATS",
            Self::Redis => "Driver Redis",
            Self::Local => "Driver Local",
            Self::Callback => "Callback",
            Self::Logging => "Logging",
        }
    }
}

/// Makes a constant of each line, and the list of all of them.
macro_rules! settings {
    ($($group:ident { $($name:ident: $type:ty, $kind:ident, $default:expr, $meaning:literal;)+ })+) => {
        $($(
            pub(super) static $name: Setting<$type> =
                Setting::new(stringify!($name), HelpSection::$group, &kinds::$kind, $default, $meaning);
        )+)+

        /// All settings, in the order of the help.
        pub(super) static ALL: &[&dyn AnySetting] = &[$($(&$name),+),+];
    };
}

settings! {
    Api {
        HOST: String, HOST, Value("127.0.0.1"), "Listen address, an IP address or a name";
        PORT: u16, LISTEN_PORT, Value("1313"), "Listen port; 0 takes a free one";
        TOKEN: String, SECRET, Described("none, no authentication"), "Token that clients must show";
        TOKEN_FILE: PathBuf, FILE, Described("none"), "File that holds TOKEN";
        DISABLE_API: bool, SWITCH, Value("false"), "Do not start the HTTP API";
        NODE_EXPORTER_PORT: u16, PORT, Value("9100"), "Port of Prometheus targets that name none";
    }
    Server {
        HOSTNAME: HostName, HOST_NAME, Described("the machine's name"), "Name of this server in the lobby";
        LABELS: Vec<Label>, LABELS, Described("none"), "Labels of this server, comma separated";
        LABELS_PATH: PathBuf, DIR, Value("/etc/lobby/labels"), "Directory of label files, one label a line";
        RUNTIME_LABELS_FILENAME: String, FILE_NAME, Value("_runtime"),
            "File in LABELS_PATH that holds the labels added at run time";
        REGISTER: bool, SWITCH, Value("true"), "Announce this server; false: listen only";
    }
    Lobby {
        DRIVER: Vec<kinds::DriverName>, DRIVERS, Value("NATS"),
            "What carries packets: NATS, Redis, Local, or several of them, comma separated";
        KEEP_ALIVE: Duration, INTERVAL, Value("5"), "Interval of own packets";
        TTL: Duration, INTERVAL, Value("30"), "Age at which a server counts as dead; greater than KEEP_ALIVE";
        CLEAN_EVERY: Duration, INTERVAL, Value("15"), "Interval at which dead servers are swept away";
        MAX_SERVERS: usize, COUNT, Value("100000"), "Most servers held";
        PACKET_KEY_FILE: PathBuf, FILE, Described("none"),
            "File of secret keys, one a line: packets are signed with the first and verified with all";
        PACKET_VERIFY: Option<VerifyMode>, VERIFY, Described("warn with PACKET_KEY_FILE, else off"),
            "off: ignore signatures; warn: accept and count packets without; enforce: refuse them; warn and enforce refuse wrong ones";
    }
    Nats {
        NATS_URL: String, NATS_URLS, Described("none, required with NATS"),
            "Servers, comma separated: nats:// or tls://, with user:password@ or token@ where needed";
        NATS_URL_FILE: PathBuf, FILE, Described("none"), "File that holds NATS_URL";
        NATS_DISCOVERY_CHANNEL: String, SUBJECT, Value("lobby.discovery"), "Subject that packets travel on";
        NATS_NKEY_SEED_FILE: PathBuf, FILE, Described("none"), "File that holds an nkey seed to log in with";
        NATS_CREDS_FILE: PathBuf, FILE, Described("none"), "Credentials file (.creds) to log in with";
        NATS_CA_FILE: PathBuf, FILE, Described("the system's authorities"), "Authority that signed the servers' certificates, PEM";
        NATS_CERT_FILE: PathBuf, FILE, Described("none"), "Client certificate, PEM";
        NATS_KEY_FILE: PathBuf, FILE, Described("none"), "Key of the client certificate, PEM";
    }
    Redis {
        REDIS_HOST: String, HOST, Value("127.0.0.1"), "Server, an IP address or a name";
        REDIS_PORT: u16, PORT, Value("6379"), "Port of the server";
        REDIS_DB: u32, DATABASE, Value("0"), "Database to select; channels are common to all of them";
        REDIS_CHANNEL: String, CHANNEL, Value("lobby:discovery"), "Channel that packets travel on";
        REDIS_USERNAME: String, USER, Described("none"), "User to log in as";
        REDIS_PASSWORD: String, SECRET, Described("none"), "Password to log in with";
        REDIS_PASSWORD_FILE: PathBuf, FILE, Described("none"), "File that holds REDIS_PASSWORD";
        REDIS_TLS: bool, SWITCH, Value("false"), "Speak TLS";
        REDIS_CA_FILE: PathBuf, FILE, Described("the system's authorities"),
            "Authority that signed the server's certificate, PEM; implies REDIS_TLS";
    }
    Local {
        LOCAL_PATH: PathBuf, DIR, Described("/run/lobby, without root $XDG_RUNTIME_DIR/lobby"),
            "Directory in which the daemons of one machine meet";
    }
    Callback {
        CALLBACK: Vec<String>, COMMAND, Described("none"),
            "Program run on change, with arguments; quoted as for a shell, but no shell is involved";
        CALLBACK_COOLDOWN: Duration, PAUSE, Value("15"), "Least time between the end of one run and the start of the next";
        CALLBACK_FIRST_RUN_DELAY: Duration, PAUSE, Value("30"), "Wait after start before the first run";
    }
    Logging {
        LOG_LEVEL: String, LOG_FILTER, Value("info"), "error, warn, info, debug, trace, or a filter such as info,async_nats=debug";
        LOG_FORMAT: LogFormat, LOG_FORMAT, Value("text"), "text or json; logs go to standard error";
    }
}
