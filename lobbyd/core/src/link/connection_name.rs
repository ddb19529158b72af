//! The name of a daemon's connection to its broker.

use std::fmt;

use lobby_client::HostName;

use crate::wire::instance_id::InstanceId;

/// What the names of connections of lobbyd begin with.
const PREFIX: &str = "lobbyd/";

/// The name of a connection: `lobbyd/HOST/INSTANCE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionName {
    /// The name of the host.
    pub host: HostName,
    /// The run of its daemon.
    pub instance: InstanceId,
}

impl ConnectionName {
    /// The name of a connection of lobbyd; none if it is not one. A host name may hold a slash.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, instance) = text.strip_prefix(PREFIX)?.rsplit_once('/')?;
        let instance = InstanceId::named(Some(instance))?;
        Some(Self { host: HostName::parse(host).ok()?, instance })
    }
}

impl fmt::Display for ConnectionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}/{}", self.host, self.instance)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testsuite::fixtures::{instance, name};

    #[test]
    fn other_names_are_not_those_of_lobbyd() {
        for odd in [
            "",
            "lobbyd/a",
            "lobbyd/a/",
            "lobbyd//00000000000000ff",
            "lobbyd/a/ff",
            "lobbyd/a b/00000000000000ff",
        ] {
            assert_eq!(ConnectionName::parse(odd), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn each_name_is_read_as_it_was_written(host in "[a-z/.]{1,20}", number in any::<u64>()) {
            let written = ConnectionName { host: name(&host), instance: instance(number) };
            prop_assert_eq!(ConnectionName::parse(&written.to_string()), Some(written));
        }
    }
}
