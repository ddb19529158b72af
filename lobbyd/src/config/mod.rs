//! Every setting, declared once in a table, checked once and handed out as typed parts.

mod command;
mod error;
mod kinds;
mod secret;
mod settings;
mod table;
#[cfg(test)]
mod tests;
mod values;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use lobby_client::{HostName, Label};

pub use error::ConfigError;
pub use secret::Secret;

use lobby_core::signing::keys::Keys;
use lobby_core::signing::verifier::VerifyMode;
use values::Values;

/// Variables that hold a secret, which a callback must not inherit.
pub fn secret_variables() -> impl Iterator<Item = &'static str> {
    table::ALL.iter().map(|setting| setting.info()).filter(|info| info.is_secret()).map(|info| info.name)
}

/// All settings of the daemon, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// HTTP API; none with DISABLE_API.
    pub api: Option<ApiSettings>,
    /// The drivers of DRIVER, each once, in the order given.
    pub drivers: Vec<DriverSettings>,
    /// Host name and labels of this server.
    pub local: LocalHostSettings,
    /// How long things take.
    pub timing: Timing,
    /// How packets are signed; none without PACKET_KEY_FILE.
    pub signing: Option<SigningSettings>,
    /// REGISTER: whether this server announces itself.
    pub register: bool,
    /// Program run on change; none without CALLBACK.
    pub callback: Option<CallbackSettings>,
    /// MAX_SERVERS: most records held.
    pub max_servers: usize,
    /// What is logged, and how.
    pub log: LogSettings,
}

impl Settings {
    /// Reads the settings of this process.
    ///
    /// # Errors
    /// As [`Settings::read`].
    #[expect(clippy::disallowed_methods, reason = "the one place that may")]
    pub fn from_process() -> Result<Self, ConfigError> {
        Self::read(std::env::args_os(), &|name| std::env::var_os(name))
    }

    /// Reads the settings from a command line, whose first item is the program's name, and from environment variables.
    ///
    /// # Errors
    /// When a flag is unknown, a value bad or missing, or a file with a secret unreadable; also when help or version is asked for.
    pub fn read(
        arguments: impl IntoIterator<Item = OsString>,
        environment: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, ConfigError> {
        let flags = command::command().try_get_matches_from(arguments)?;
        settings::settings(&Values::checked(flags, environment)?)
    }
}

/// Where the HTTP API listens and whom it lets in.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// HOST: listen address, an IP address or a name.
    pub host: String,
    /// PORT: listen port.
    pub port: u16,
    /// TOKEN or TOKEN_FILE: none = no authentication.
    pub token: Option<Secret>,
    /// NODE_EXPORTER_PORT: port of Prometheus targets that name none.
    pub node_exporter_port: u16,
}

/// One active driver with its settings.
#[derive(Debug, Clone)]
pub enum DriverSettings {
    /// `NATS`.
    Nats(NatsSettings),
    /// `Redis`.
    Redis(RedisSettings),
    /// `Local`.
    Local(LocalSettings),
}

impl DriverSettings {
    /// The driver's name as in DRIVER, for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Nats(_) => "NATS",
            Self::Redis(_) => "Redis",
            Self::Local(_) => "Local",
        }
    }
}

/// How NATS is reached.
#[derive(Debug, Clone)]
pub struct NatsSettings {
    /// NATS_URL or NATS_URL_FILE: servers, comma separated, with user and password or token where needed.
    pub url: Secret,
    /// NATS_DISCOVERY_CHANNEL: subject.
    pub subject: String,
    /// NATS_NKEY_SEED_FILE: an nkey seed to log in with.
    pub nkey_seed: Option<Secret>,
    /// NATS_CREDS_FILE: a `.creds` file to log in with.
    pub creds_file: Option<PathBuf>,
    /// NATS_CA_FILE: certificate authority that signed the servers' certificates, PEM.
    pub ca_file: Option<PathBuf>,
    /// NATS_CERT_FILE and NATS_KEY_FILE: client certificate and its key, PEM.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// [`Timing::silence_limit`].
    pub silence_limit: Duration,
}

/// How Redis is reached.
#[derive(Debug, Clone)]
pub struct RedisSettings {
    /// REDIS_HOST.
    pub host: String,
    /// REDIS_PORT.
    pub port: u16,
    /// REDIS_DB: selected for compatibility; publish and subscribe ignore it.
    pub db: u32,
    /// REDIS_CHANNEL.
    pub channel: String,
    /// REDIS_USERNAME: ACL user.
    pub username: Option<String>,
    /// REDIS_PASSWORD or REDIS_PASSWORD_FILE.
    pub password: Option<Secret>,
    /// REDIS_TLS: whether to speak TLS; set by REDIS_CA_FILE too.
    pub tls: bool,
    /// REDIS_CA_FILE: certificate authority that signed the server's certificate, PEM.
    pub ca_file: Option<PathBuf>,
    /// [`Timing::silence_limit`].
    pub silence_limit: Duration,
}

/// Where daemons of one machine meet.
#[derive(Debug, Clone)]
pub struct LocalSettings {
    /// LOCAL_PATH: directory.
    pub path: PathBuf,
    /// KEEP_ALIVE: how often the directory is read again, events or not.
    pub keep_alive: Duration,
    /// TTL: age at which a file is swept.
    pub ttl: Duration,
}

/// What this server says about itself.
#[derive(Debug, Clone)]
pub struct LocalHostSettings {
    /// HOSTNAME: overrides the machine's name.
    pub hostname: Option<HostName>,
    /// LABELS.
    pub labels: Vec<Label>,
    /// LABELS_PATH: directory of label files.
    pub labels_path: PathBuf,
    /// RUNTIME_LABELS_FILENAME: file in it for labels added at run time.
    pub runtime_labels_filename: String,
}

/// Intervals.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// KEEP_ALIVE: interval of own packets.
    pub keep_alive: Duration,
    /// TTL: age at which a record is dead; greater than `keep_alive`.
    pub ttl: Duration,
    /// CLEAN_EVERY: sweep interval.
    pub clean_every: Duration,
}

impl Timing {
    /// How long a broker may be silent unnoticed: whoever was heard KEEP_ALIVE before it froze must not seem dead before the link does.
    pub fn silence_limit(self) -> Duration {
        self.ttl.saturating_sub(self.keep_alive)
    }
}

/// How packets are signed and verified.
#[derive(Debug, Clone)]
pub struct SigningSettings {
    /// PACKET_KEY_FILE.
    pub file: Secret,
    /// The keys that it held at the start.
    pub keys: Keys,
    /// PACKET_VERIFY: how signatures are checked; none = not at all.
    pub verify: Option<VerifyMode>,
}

/// The program run on change.
#[derive(Debug, Clone)]
pub struct CallbackSettings {
    /// CALLBACK: program and arguments.
    pub command: Vec<String>,
    /// CALLBACK_COOLDOWN: least time between the end of one run and the start of the next.
    pub cooldown: Duration,
    /// CALLBACK_FIRST_RUN_DELAY: wait after start before the first run.
    pub first_run_delay: Duration,
}

/// Logging.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// LOG_LEVEL: a level or a filter.
    pub filter: String,
    /// LOG_FORMAT.
    pub format: LogFormat,
}

/// LOG_FORMAT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One line for people.
    Text,
    /// One JSON object a line.
    Json,
}
