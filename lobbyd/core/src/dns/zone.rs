//! The zone: what each of its names means.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use hickory_proto::rr::Name;
use lobby_client::{AddressLabels, HostName};

use super::text;

/// Most bytes of a zone's name, so that there is room before it.
const MAX_ZONE_LEN: usize = 128;

/// The KEY that stands for names of hosts, and the name of the name server.
const NODE: &[u8] = b"node";
const NAME_SERVER: &[u8] = b"ns";
const TCP: &[u8] = b"_tcp";

/// A zone and how it is answered for.
#[derive(Debug, Clone)]
pub struct Zone {
    /// DNS_ZONE: the name that all others end in.
    pub name: ZoneName,
    /// DNS_TTL: how long an answer may be kept, in seconds. The same for negative ones.
    pub ttl: u32,
    /// ADDRESS_LABELS: which labels hold the address of a host.
    pub addresses: AddressLabels,
    /// DNS_DRAINED: whether drained hosts are in the answers.
    pub shows_drained: bool,
    /// The address of the name server, unless it listens on all.
    pub name_server: Option<IpAddr>,
}

/// The name of a zone, such as `lobby.internal`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneName(Name);

/// Why a text is not the name of a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "labels of 1 to 63 letters, digits, - and _, none of which begins with - or ends with - or _, with dots between them, 128 bytes in all, such as lobby.internal"
)]
pub struct InvalidZone;

impl FromStr for ZoneName {
    type Err = InvalidZone;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let labels = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if labels.len() > MAX_ZONE_LEN || !labels.split('.').all(is_legal) {
            return Err(InvalidZone);
        }
        let name = Name::from_labels(labels.split('.').map(str::as_bytes));
        name.map(Self).map_err(|_| InvalidZone)
    }
}

/// Whether it may be a label of a zone, but for its length: one of a host, or one that begins with
/// `_` as those of services do.
fn is_legal(label: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    label.bytes().all(is_legal) && !label.starts_with('-') && !label.ends_with(['-', '_'])
}

impl fmt::Display for ZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_ascii().trim_end_matches('.'))
    }
}

/// What a name means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// It is not of the zone.
    Outside,
    /// It is the name of an address, which is not of the zone.
    Reverse(IpAddr),
    /// It is the name of the zone.
    Apex,
    /// It is the name of the name server.
    NameServer,
    /// `node`, where the names of hosts are.
    Nodes,
    /// KEY, or `_tcp` before KEY.
    Key(Path),
    /// NAME before `node`, or VALUE before KEY.
    Hosts {
        /// Where they are in the directory.
        path: Path,
        /// Whether the text goes on before it, in more hexadecimal digits.
        may_continue: bool,
    },
    /// `_VALUE._tcp` before KEY.
    Service(Path),
    /// The end of a name of a service.
    ServiceEnd(Path),
    /// It is of the zone and stands for nothing.
    Nowhere,
}

/// The place of hosts in the directory: a KEY and the dotted pieces of a VALUE from the last one
/// on, in lower case, with a zero byte between them, which no label holds. So what ends alike
/// begins alike here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Path(String);

impl Path {
    /// The KEY of names of hosts, which is not that of any label.
    const NODE: &'static str = "\u{1}";

    /// The hosts with a label of this key and value.
    pub(super) fn of_label(key: &str, value: &str) -> Self {
        let mut path = key.to_owned();
        for piece in value.rsplit('.') {
            path.push('\0');
            path.push_str(piece);
        }
        path.make_ascii_lowercase();
        Self(path)
    }

    /// The host of this name.
    pub(super) fn of_node(name: &str) -> Self {
        Self::of_label(Self::NODE, name)
    }

    /// A KEY, before which values are.
    fn of_key(key: &str) -> Self {
        Self(key.to_ascii_lowercase())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// What everything behind it begins with.
    pub(super) fn below(&self) -> String {
        format!("{}\0", self.0)
    }

    /// Whether it leads to a host by name.
    pub(super) fn is_node(&self) -> bool {
        self.0.starts_with(Self::NODE)
    }

    /// The part behind KEY.
    pub(super) fn value(&self) -> &str {
        self.0.split_once('\0').map_or("", |(_, value)| value)
    }
}

impl Zone {
    /// What a name means.
    pub(super) fn locate(&self, name: &Name) -> Place {
        let origin = &self.name.0;
        if !origin.zone_of(name) {
            return reverse(name).map_or(Place::Outside, Place::Reverse);
        }
        let labels: Vec<_> = name.iter().take(name.iter().len() - origin.iter().len()).collect();
        let Some((key, before)) = labels.split_last() else { return Place::Apex };
        if key.eq_ignore_ascii_case(NODE) {
            return if before.is_empty() { Place::Nodes } else { hosts(None, before) };
        }
        if before.is_empty() && key.eq_ignore_ascii_case(NAME_SERVER) {
            return Place::NameServer;
        }
        let text = if key.starts_with(b"_") { None } else { text::of_labels([*key]) };
        text.map_or(Place::Nowhere, |key| of_key(&key, before))
    }

    /// The name of the zone.
    pub(super) fn apex(&self) -> &Name {
        &self.name.0
    }

    /// The name of the name server.
    pub(super) fn name_server_name(&self) -> Name {
        // A short label fits before any name of a zone.
        self.name.0.prepend_label(NAME_SERVER).unwrap_or_else(|_| self.name.0.clone())
    }

    /// The name of whom to write to about the zone.
    pub(super) fn contact(&self) -> Name {
        self.name.0.prepend_label(&b"hostmaster"[..]).unwrap_or_else(|_| self.name.0.clone())
    }

    /// The name of a host, unless it is too long to be one.
    pub(super) fn node_name(&self, host: &HostName) -> Option<Name> {
        let labels = text::to_labels(host.as_str());
        let labels = labels.iter().map(Vec::as_slice).chain([NODE]);
        Name::from_labels(labels).ok()?.append_domain(&self.name.0).ok()
    }
}

/// The place of some labels before a KEY, or before `node` if there is none.
fn hosts(key: Option<&str>, labels: &[&[u8]]) -> Place {
    let Some(value) = text::of_labels(labels.iter().copied()) else { return Place::Nowhere };
    let path = key.map_or_else(|| Path::of_node(&value), |key| Path::of_label(key, &value));
    Place::Hosts {
        path,
        may_continue: labels.first().is_some_and(|first| text::may_continue(first)),
    }
}

fn of_key(key: &str, before: &[&[u8]]) -> Place {
    match before {
        [] | [TCP] => Place::Key(Path::of_key(key)),
        [service @ .., tcp] if tcp.eq_ignore_ascii_case(TCP) => of_service(key, service),
        _ => hosts(Some(key), before),
    }
}

/// The place of some labels before `_tcp` and a KEY.
fn of_service(key: &str, labels: &[&[u8]]) -> Place {
    let Some((first, rest)) = labels.split_first() else {
        return Place::Key(Path::of_key(key));
    };
    let bare = first.strip_prefix(b"_").filter(|bare| !bare.is_empty());
    let value = text::of_labels([bare.unwrap_or(first)].into_iter().chain(rest.iter().copied()));
    let path = value.map(|value| Path::of_label(key, &value));
    match (path, bare) {
        (Some(path), Some(_)) => Place::Service(path),
        (Some(path), None) => Place::ServiceEnd(path),
        (None, _) => Place::Nowhere,
    }
}

/// The address that a name of the reverse zones stands for.
fn reverse(name: &Name) -> Option<IpAddr> {
    if !name.iter().next_back()?.eq_ignore_ascii_case(b"arpa") {
        return None;
    }
    let network = name.parse_arpa_name().ok()?;
    (network.prefix_len() == network.max_prefix_len()).then(|| network.addr())
}
