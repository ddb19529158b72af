//! Every setting, declared once. The command line, the reading, the help and the check of `config/lobbyd.env` all come from here.

use std::path::PathBuf;
use std::time::Duration;

use lobby_client::{HostName, Label};

use super::LogFormat;
use super::kinds::{self, Kind, Shape};
use super::table::Preset::{Value, Words};
use lobby_core::signing::verifier::Verify;

/// A setting and the type of its value.
pub(super) struct Setting<T: 'static> {
    pub(super) about: About,
    parse: fn(&str) -> Result<T, String>,
}

/// What is to be known of a setting, whatever the type of its value.
pub(super) struct About {
    /// Name of the variable.
    pub(super) name: &'static str,
    pub(super) group: Group,
    /// What stands for the value in the help.
    pub(super) unit: &'static str,
    pub(super) shape: Shape,
    pub(super) preset: Preset,
    pub(super) meaning: &'static str,
}

/// What holds when nobody sets the setting.
pub(super) enum Preset {
    /// This value, written as a user would.
    Value(&'static str),
    /// No fixed value; the words say to people what holds instead.
    Words(&'static str),
}

/// Settings that belong together in the help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
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
pub(super) trait Declared: Sync {
    fn about(&self) -> &About;

    /// Whether the text is a value of this setting; if not, why.
    fn check(&self, text: &str) -> Result<(), String>;
}

impl<T> Setting<T> {
    const fn new(name: &'static str, group: Group, kind: &Kind<T>, preset: Preset, meaning: &'static str) -> Self {
        let about = About { name, group, unit: kind.unit, shape: kind.shape, preset, meaning };
        Self { about, parse: kind.parse }
    }

    /// The value that the text stands for; if it stands for none, why.
    pub(super) fn parse(&self, text: &str) -> Result<T, String> {
        (self.parse)(text)
    }
}

impl<T> Declared for Setting<T> {
    fn about(&self) -> &About {
        &self.about
    }

    fn check(&self, text: &str) -> Result<(), String> {
        self.parse(text).map(drop)
    }
}

impl About {
    /// Name of the long flag, without its dashes.
    pub(super) fn flag(&self) -> String {
        self.name.to_ascii_lowercase().replace('_', "-")
    }

    /// The preset for people.
    pub(super) fn preset(&self) -> &'static str {
        match self.preset {
            Value(text) | Words(text) => text,
        }
    }

    pub(super) fn is_secret(&self) -> bool {
        self.shape == Shape::Secret
    }
}

impl Group {
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
    ($($group:ident { $($name:ident: $type:ty, $kind:ident, $preset:expr, $meaning:literal;)+ })+) => {
        $($(
            pub(super) static $name: Setting<$type> =
                Setting::new(stringify!($name), Group::$group, &kinds::$kind, $preset, $meaning);
        )+)+

        /// All settings, in the order of the help.
        pub(super) static ALL: &[&dyn Declared] = &[$($(&$name),+),+];
    };
}

settings! {
    Api {
        HOST: String, HOST, Value("127.0.0.1"), "Listen address, an IP address or a name";
        PORT: u16, LISTEN_PORT, Value("1313"), "Listen port; 0 takes a free one";
        TOKEN: String, SECRET, Words("none, no authentication"), "Token that clients must show";
        TOKEN_FILE: PathBuf, FILE, Words("none"), "File that holds TOKEN";
        DISABLE_API: bool, SWITCH, Value("false"), "Do not start the HTTP API";
        NODE_EXPORTER_PORT: u16, PORT, Value("9100"), "Port of Prometheus targets that name none";
    }
    Server {
        HOSTNAME: HostName, HOST_NAME, Words("the machine's name"), "Name of this server in the lobby";
        LABELS: Vec<Label>, LABELS, Words("none"), "Labels of this server, comma separated";
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
        PACKET_KEY_FILE: PathBuf, FILE, Words("none"),
            "File of secret keys, one a line: packets are signed with the first and verified with all";
        PACKET_VERIFY: Option<Verify>, VERIFY, Words("warn with PACKET_KEY_FILE, else off"),
            "off: ignore signatures; warn: accept and count packets without; enforce: refuse them; warn and enforce refuse wrong ones";
    }
    Nats {
        NATS_URL: String, NATS_URLS, Words("none, required with NATS"),
            "Servers, comma separated: nats:// or tls://, with user:password@ or token@ where needed";
        NATS_URL_FILE: PathBuf, FILE, Words("none"), "File that holds NATS_URL";
        NATS_DISCOVERY_CHANNEL: String, SUBJECT, Value("lobby.discovery"), "Subject that packets travel on";
        NATS_NKEY_SEED_FILE: PathBuf, FILE, Words("none"), "File that holds an nkey seed to log in with";
        NATS_CREDS_FILE: PathBuf, FILE, Words("none"), "Credentials file (.creds) to log in with";
        NATS_CA_FILE: PathBuf, FILE, Words("the system's authorities"), "Authority that signed the servers' certificates, PEM";
        NATS_CERT_FILE: PathBuf, FILE, Words("none"), "Client certificate, PEM";
        NATS_KEY_FILE: PathBuf, FILE, Words("none"), "Key of the client certificate, PEM";
    }
    Redis {
        REDIS_HOST: String, HOST, Value("127.0.0.1"), "Server, an IP address or a name";
        REDIS_PORT: u16, PORT, Value("6379"), "Port of the server";
        REDIS_DB: u32, DATABASE, Value("0"), "Database to select; channels are common to all of them";
        REDIS_CHANNEL: String, CHANNEL, Value("lobby:discovery"), "Channel that packets travel on";
        REDIS_USERNAME: String, USER, Words("none"), "User to log in as";
        REDIS_PASSWORD: String, SECRET, Words("none"), "Password to log in with";
        REDIS_PASSWORD_FILE: PathBuf, FILE, Words("none"), "File that holds REDIS_PASSWORD";
        REDIS_TLS: bool, SWITCH, Value("false"), "Speak TLS";
        REDIS_CA_FILE: PathBuf, FILE, Words("the system's authorities"),
            "Authority that signed the server's certificate, PEM; implies REDIS_TLS";
    }
    Local {
        LOCAL_PATH: PathBuf, DIR, Words("/run/lobby, without root $XDG_RUNTIME_DIR/lobby"),
            "Directory in which the daemons of one machine meet";
    }
    Callback {
        CALLBACK: Vec<String>, COMMAND, Words("none"),
            "Program run on change, with arguments; quoted as for a shell, but no shell is involved";
        CALLBACK_COOLDOWN: Duration, PAUSE, Value("15"), "Least time between the end of one run and the start of the next";
        CALLBACK_FIRST_RUN_DELAY: Duration, PAUSE, Value("30"), "Wait after start before the first run";
    }
    Logging {
        LOG_LEVEL: String, LOG_FILTER, Value("info"), "error, warn, info, debug, trace, or a filter such as info,async_nats=debug";
        LOG_FORMAT: LogFormat, LOG_FORMAT, Value("text"), "text or json; logs go to standard error";
    }
}
