//! The settings: each declared once, checked once and handed out as typed parts. The drivers
//! declare their own, in blocks that the `Declaration` is given.

mod check;
mod command;
mod declaration;
mod error;
pub(crate) mod kinds;
mod oddities;
mod secret;
mod setting;
mod settings;
mod table;
#[cfg(test)]
pub(crate) mod testing;
mod tls_identity;
mod unknown;
mod values;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use lobby_client::{HostName, Label, Selector};

pub use check::{Checked, Invocation};
pub(crate) use declaration::{Declaration, DriverSpec};
pub use error::ConfigError;
pub use oddities::Oddity;
pub use secret::Secret;
pub(crate) use setting::{Block, DefaultValue, Rule, Setting, settings};
pub use tls_identity::TlsIdentity;
pub(crate) use values::{LONGEST_FILE, PREFIX, Values};

use lobby_core::dns::Zone;
use lobby_core::facts::fact::Fact;
use lobby_core::facts::own_address::AddressSource;
use lobby_core::signing::keys::Keys;
use lobby_core::signing::verifier::VerifyMode;

/// All settings of the daemon, checked. `D` is a driver made of its settings.
#[derive(Debug)]
pub struct Settings<D> {
    /// HTTP API; none with DISABLE_API.
    pub api: Option<ApiSettings>,
    /// DNS; none without DNS_LISTEN.
    pub dns: Option<DnsSettings>,
    /// The drivers of DRIVER, each once, in the order given.
    pub drivers: Vec<ActiveDriver<D>>,
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
    /// MAX_SERVERS: most hosts held.
    pub max_servers: usize,
    /// MAX_PACKET_RATE: packets a second in the whole lobby above which intervals stretch; 0 =
    /// never.
    pub max_packet_rate: u32,
    /// What is logged, and how.
    pub log: LogSettings,
    /// What is most likely a mistake, to be told at the start.
    pub oddities: Vec<Oddity>,
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
    /// READ_TOKEN or READ_TOKEN_FILE: opens what changes nothing; only with `token`, and another.
    pub read_token: Option<Secret>,
    /// TLS_CERT_FILE and TLS_KEY_FILE: none = plain HTTP.
    pub tls: Option<TlsIdentity>,
    /// NODE_EXPORTER_PORT: port of Prometheus targets that name none.
    pub node_exporter_port: u16,
    /// MAX_STREAMS: most readers of events and waiting requests at once.
    pub max_streams: usize,
}

impl ApiSettings {
    /// The secrets that clients show: TOKEN, then READ_TOKEN.
    pub fn tokens(&self) -> Vec<Secret> {
        self.token.iter().chain(&self.read_token).cloned().collect()
    }

    fn tls_oddity(&self) -> Option<Oddity> {
        self.tls.as_ref().and_then(TlsIdentity::oddity)
    }
}

/// Where DNS is answered, and with what.
#[derive(Debug, Clone)]
pub struct DnsSettings {
    /// DNS_LISTEN: address and port, for UDP and TCP.
    pub listen: SocketAddr,
    /// The zone.
    pub zone: Zone,
}

/// A driver that DRIVER names.
#[derive(Debug)]
pub struct ActiveDriver<D> {
    /// Its name, for logs and for the API.
    pub name: &'static str,
    /// The driver.
    pub driver: D,
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
    /// Whether LABELS_PATH is another than the default: then the directory is expected to be
    /// there.
    pub labels_path_is_set: bool,
    /// RUNTIME_LABELS_FILENAME: file in it for labels added at run time.
    pub runtime_labels_filename: String,
    /// STATE_PATH: directory of what must survive a restart; none = there is no default.
    pub state_path: Option<PathBuf>,
    /// FACTS and ADDRESS.
    pub facts: FactSettings,
}

/// What this server finds out about itself and tells as labels.
#[derive(Debug, Clone)]
pub struct FactSettings {
    /// FACTS.
    pub facts: Vec<Fact>,
    /// ADDRESS: where its address comes from.
    pub address: AddressSource,
}

impl Default for FactSettings {
    /// No facts.
    fn default() -> Self {
        Self { facts: Vec::new(), address: AddressSource::Auto }
    }
}

/// Intervals.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// KEEP_ALIVE: interval of own packets.
    pub keep_alive: Duration,
    /// TTL: age at which a host is dead; greater than `keep_alive`.
    pub ttl: Duration,
    /// CLEAN_EVERY: sweep interval.
    pub clean_every: Duration,
}

impl Timing {
    /// How long a broker may be silent unnoticed. A host last heard KEEP_ALIVE before the broker
    /// froze must not expire before the link is down.
    pub fn silence_limit(self) -> Duration {
        self.ttl.saturating_sub(self.keep_alive)
    }

    /// A TTL that one lost packet outlasts.
    fn oddity(self) -> Option<Oddity> {
        let least = 2 * self.keep_alive;
        (self.ttl <= least).then(|| {
            let hint = format!(
                "{} s is little for a KEEP_ALIVE of {} s: where one packet is lost this server is \
                 gone for a moment, expected more than {} s",
                self.ttl.as_secs(),
                self.keep_alive.as_secs(),
                least.as_secs()
            );
            Oddity::new(table::TTL.info.name, hint)
        })
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
    /// CALLBACK_SETTLE: how long nothing must have changed before a run.
    pub settle: Duration,
    /// CALLBACK_TIMEOUT: the longest time that a run may take.
    pub time_limit: Option<Duration>,
    /// CALLBACK_SELECTOR: the servers that the list holds; none = all.
    pub selector: Option<Selector>,
    /// Variables that the program must not inherit, by either name: those that hold a secret, and
    /// those that are meant for lobbyd alone.
    pub withheld: Vec<&'static str>,
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
