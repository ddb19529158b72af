use std::fmt;

use lobby_client::HostName;

/// A label that Prometheus could not be given as it stands. Comparable, so that each is logged
/// once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Problem {
    /// The host that has the label.
    pub host: HostName,
    /// The name of the group that the label is for.
    pub group: String,
    /// The fault.
    pub flaw: Flaw,
}

/// The fault of a label, and what was done about it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Flaw {
    /// The key is not a valid Prometheus label name; the label is there under another one.
    Renamed {
        /// The key as it was asked for.
        key: String,
        /// The name it got.
        name: String,
    },
    /// The key is empty; the label is left out.
    NoKey {
        /// The value of the label.
        value: String,
    },
    /// The key means the target itself; the label is left out.
    ReservedKey {
        /// The key as it was asked for.
        key: String,
    },
    /// The value is neither a port nor `-`; the label is ignored.
    BadPort(String),
    /// The host is not a valid address; the target is left out.
    BadTarget(String),
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Renamed { key, name } => write!(
                f,
                "label name {key:?} became {name:?}: only letters, digits and _ are allowed, and no digit in front"
            ),
            Self::NoKey { value } => {
                write!(f, "a label without a name was left out, its value is {value:?}")
            }
            Self::ReservedKey { key } => {
                write!(f, "label {key:?} was left out: targets are given by host labels")
            }
            Self::BadPort(port) => {
                write!(f, "port {port:?} was ignored: 1 to 65535 or - are allowed")
            }
            Self::BadTarget(host) => {
                write!(
                    f,
                    "target {host:?} was left out: a host name or IP address without / and white space is needed"
                )
            }
        }
    }
}
