use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::HostName;
use crate::object::serde_as_object;

/// How a daemon is doing: what `GET /v1/status` answers. Times are seconds since the Unix epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Status {
    /// Version of lobbyd.
    pub version: String,
    /// When it was started.
    pub started: i64,
    /// What its clock says now.
    pub now: i64,
    /// What the server is called; nothing while it does not announce itself (REGISTER=false).
    pub hostname: Option<HostName>,
    /// Identity of this run of the daemon, which its packets carry: it tells daemons of the same
    /// name apart.
    pub instance: String,
    /// How many living hosts it knows.
    pub records: usize,
    /// Whether it has listened long enough to have heard every host.
    pub warm: bool,
    /// Its links, one for each active driver.
    pub drivers: Vec<DriverStatus>,
    /// Another daemon that goes by the same name, if one was heard.
    pub duplicate: Option<DuplicateName>,
    /// Other servers' names that two or more daemons go by. Of each the smallest instance counts.
    #[serde(default)]
    pub namesakes: Vec<Namesakes>,
    /// How many labels of the fleet could not be given to Prometheus as they are.
    pub prometheus_problems: usize,
    /// Whether the server announces itself (REGISTER).
    #[serde(default)]
    pub register: bool,
    /// Interval of own packets in a lobby that is not large, in seconds (KEEP_ALIVE).
    #[serde(default)]
    pub keep_alive: u64,
    /// Age at which a server counts as dead whose packets tell none, in seconds (TTL).
    #[serde(default)]
    pub ttl: u64,
    /// Interval of own packets now, in seconds, rounded up: longer than KEEP_ALIVE in a large
    /// lobby. Nothing while the server does not announce itself.
    #[serde(default)]
    pub interval: Option<u64>,
    /// For how long an own packet is good now, in seconds, as it tells itself. Nothing if it tells
    /// nothing.
    #[serde(default)]
    pub packet_ttl: Option<u64>,
    /// What is done with signatures: `off`, `warn` or `enforce`.
    #[serde(default)]
    pub verify: String,
    /// Fingerprints of the keys of packets, the signing one first: daemons with the same key show
    /// the same.
    #[serde(default)]
    pub keys: Vec<String>,
    /// Since when no other server is in the list; nothing while there is one.
    #[serde(default)]
    pub alone_since: Option<i64>,
    /// How many requests wait or stream.
    #[serde(default)]
    pub streams: usize,
}

/// How a driver's link is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct DriverStatus {
    /// Name of the driver, as in DRIVER.
    pub name: String,
    /// Whether it hears and can be heard.
    pub state: LinkState,
    /// Since when.
    pub since: i64,
    /// Why it is down, or why own packets cannot be sent although it is up.
    pub reason: Option<String>,
    /// Packets that came in, refused ones included.
    pub received: u64,
    /// Own packets that the channel took.
    pub sent: u64,
    /// Packets that changed nothing, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Packets that were accepted although they are not signed; counted with PACKET_VERIFY=warn
    /// only.
    #[serde(default)]
    pub unsigned: u64,
    /// Packets with a `ttl` that is not valid; they count as without.
    #[serde(default)]
    pub invalid_ttl: u64,
    /// Packets that came faster than they could be read.
    pub dropped: u64,
    /// When a packet was last counted, in seconds since the Unix epoch, by reason of a refusal or as
    /// `unsigned`, `invalid_ttl` or `dropped`. lobbyd before 2.0.0 does not tell.
    #[serde(default)]
    pub last_seen: BTreeMap<String, i64>,
    /// The broker: the one that it is connected to, else those that the settings name.
    #[serde(default)]
    pub server: Option<String>,
    /// The subject, channel or directory that packets travel on.
    #[serde(default)]
    pub channel: String,
}

/// Whether a link is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkState {
    /// It is.
    Up,
    /// It is not, and is tried again.
    #[default]
    Down,
}

/// Another daemon that announces itself under the own name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct DuplicateName {
    /// How many of its packets were heard.
    pub packets: u64,
    /// When the last one was.
    pub last_seen: i64,
    /// Identity of the run that sent it, if the packets carry one.
    pub instance: Option<String>,
}

/// Two or more daemons that announce themselves under one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Namesakes {
    /// The name.
    pub hostname: HostName,
    /// The runs of them that are alive, the smallest first.
    pub instances: Vec<String>,
}

/// A server whose packets were refused lately: what `GET /v1/refusals` lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct RefusedHost {
    /// The name that the packets carry.
    pub hostname: HostName,
    /// The driver that they came by.
    pub driver: String,
    /// Why the last one was refused, as a word.
    pub reason: String,
    /// The same as a sentence.
    pub text: String,
    /// How many were refused.
    pub packets: u64,
    /// When the last one was.
    pub last_seen: i64,
}

serde_as_object!(Status, DriverStatus, DuplicateName, Namesakes, RefusedHost);
