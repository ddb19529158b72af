//! The daemon's own settings, each declared once. Those of the drivers are declared in the drivers'
//! folders, DRIVER itself in [`Declaration`](super::Declaration). The command line, the reading,
//! the help and the check of `config/lobbyd.env` all come from here.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use lobby_client::{AddressLabels, HostName, Label, Selector};

use super::kinds;
use super::setting::DefaultValue::{Described, Literal};
use super::setting::Rule::{BothOrNone, NotBoth};
use super::{LogFormat, settings};
use lobby_core::dns::ZoneName;
use lobby_core::facts::fact::Fact;
use lobby_core::facts::own_address::AddressSource;
use lobby_core::signing::verifier::VerifyMode;

settings! {
    /// The HTTP API.
    API, "HTTP API" {
        HOST: String, kinds::HOST, Literal("127.0.0.1"), "Listen address, an IP address or a name";
        PORT: u16, kinds::LISTEN_PORT, Literal("1313"), "Listen port; 0 takes a free one";
        TOKEN: String, kinds::TOKEN, Described("none, no authentication"), "Token that clients must show";
        TOKEN_FILE: PathBuf, kinds::SECRET_FILE, Described("none"), "File that holds TOKEN";
        READ_TOKEN: String, kinds::TOKEN, Described("none"), "Second token, for clients that may read and change nothing";
        READ_TOKEN_FILE: PathBuf, kinds::SECRET_FILE, Described("none"), "File that holds READ_TOKEN";
        TLS_CERT_FILE: PathBuf, kinds::FILE, Described("none, plain HTTP"),
            "PEM file with the server's certificate and those that signed it: the API speaks https";
        TLS_KEY_FILE: PathBuf, kinds::SECRET_FILE, Described("none"), "PEM file with the key of TLS_CERT_FILE";
        MAX_STREAMS: usize, kinds::COUNT, Literal("1000"), "Most readers of events, and requests that wait for a change, at once";
        DISABLE_API: bool, kinds::SWITCH, Literal("false"), "Do not start the HTTP API";
        NODE_EXPORTER_PORT: u16, kinds::PORT, Literal("9100"), "Port of Prometheus targets that name none";
    }
    NotBoth(&TOKEN.info, &TOKEN_FILE.info),
    NotBoth(&READ_TOKEN.info, &READ_TOKEN_FILE.info),
    BothOrNone(&TLS_CERT_FILE.info, &TLS_KEY_FILE.info)
}

settings! {
    /// What this server says of itself.
    SERVER, "This server" {
        HOSTNAME: HostName, kinds::HOST_NAME, Described("the machine's name"), "Name of this server in the lobby";
        LABELS: Vec<Label>, kinds::LABELS, Described("none"), "Labels of this server, comma separated";
        LABELS_PATH: PathBuf, kinds::DIR, Literal("/etc/lobby/labels"), "Directory of label files, one label a line";
        RUNTIME_LABELS_FILENAME: String, kinds::FILE_NAME, Literal("_runtime"),
            "File in LABELS_PATH that holds the labels added at run time";
        STATE_PATH: PathBuf, kinds::DIR, Described("/var/lib/lobby, without root $XDG_STATE_HOME/lobby"),
            "Directory in which labels that end are kept over a restart";
        FACTS: Vec<Fact>, kinds::FACTS, Described("none"),
            "What is found out about this server and added to its labels: address, version, os, arch, comma separated";
        ADDRESS: AddressSource, kinds::ADDRESS, Literal("auto"),
            "Its address in FACTS: IP addresses, an interface, or auto, which is that of the link to the broker or the default route";
        REGISTER: bool, kinds::SWITCH, Literal("true"), "Announce this server; false: listen only";
    }
}

settings! {
    /// What all members of a lobby have in common, after DRIVER.
    LOBBY, "The lobby" {
        KEEP_ALIVE: Duration, kinds::INTERVAL, Literal("5"), "Interval of own packets";
        TTL: Duration, kinds::INTERVAL, Literal("30"), "Age at which a server counts as dead; greater than KEEP_ALIVE";
        CLEAN_EVERY: Duration, kinds::INTERVAL, Literal("15"), "Interval at which dead servers are swept away";
        MAX_SERVERS: usize, kinds::COUNT, Literal("100000"), "Most servers held";
        MAX_PACKET_RATE: u32, kinds::RATE, Literal("200"),
            "Packets a second in the whole lobby above which servers send less often than KEEP_ALIVE; 0: never";
        PACKET_KEY_FILE: PathBuf, kinds::SECRET_FILE, Described("none"),
            "File of secret keys, one a line: packets are signed with the first and verified with all";
        PACKET_VERIFY: Option<VerifyMode>, kinds::VERIFY, Described("warn with PACKET_KEY_FILE, else off"),
            "off: ignore signatures; warn: accept and count packets without; enforce: refuse them; warn and enforce refuse wrong ones";
    }
}

settings! {
    /// Answers for programs that know nothing of lobby.
    DNS, "DNS" {
        DNS_LISTEN: SocketAddr, kinds::SOCKET_ADDRESS, Described("none, no DNS"),
            "IP address and port to answer DNS on, over UDP and TCP";
        DNS_ZONE: ZoneName, kinds::ZONE, Literal("lobby.internal"), "Zone that the names of servers and services are in";
        DNS_TTL: Duration, kinds::PAUSE, Literal("5"), "How long answers may be kept, negative ones, too";
        DNS_DRAINED: bool, kinds::SWITCH, Literal("false"), "Answer with drained servers, too";
        ADDRESS_LABELS: AddressLabels, kinds::LABEL_KEYS, Literal(AddressLabels::DEFAULT),
            "Keys of the labels that hold a server's address, the best one first; lobbyctl reads its own ADDRESS_LABELS";
    }
}

settings! {
    /// The program run on change.
    CALLBACKS, "Callback" {
        CALLBACK: Vec<String>, kinds::COMMAND, Described("none"),
            "Program run on change, with arguments; quoted as for a shell, but no shell is involved";
        CALLBACK_COOLDOWN: Duration, kinds::PAUSE, Literal("15"),
            "Least time between the end of one run and the start of the next";
        CALLBACK_FIRST_RUN_DELAY: Duration, kinds::PAUSE, Literal("30"), "Wait after start before the first run";
        CALLBACK_SETTLE: Duration, kinds::PAUSE, Literal("1"),
            "A run waits until nothing has changed for that long, at most ten times as long; 0: at once";
        CALLBACK_TIMEOUT: Duration, kinds::INTERVAL, Described("none"), "Longest time that a run may take; then it is ended";
        CALLBACK_SELECTOR: Selector, kinds::SELECTOR, Described("none, every server"),
            "The servers that the list holds, such as service=web and not drain; only their changes count";
    }
}

settings! {
    /// What is logged, and how.
    LOGGING, "Logging" {
        LOG_LEVEL: String, kinds::LOG_FILTER, Literal("info"),
            "error, warn, info, debug, trace, or a filter such as info,async_nats=debug";
        LOG_FORMAT: LogFormat, kinds::LOG_FORMAT, Literal("text"), "text or json; logs go to standard error";
    }
}
