//! The name of a daemon's connection to its broker, and what a NATS server tells of closed ones.

use std::borrow::Cow;
use std::fmt;

use lobby_client::HostName;
use serde::Deserialize;

use crate::wire::instance_id::InstanceId;

/// What the names of connections of lobbyd begin with.
const PREFIX: &str = "lobbyd/";

/// Greatest length of an advisory, in bytes. Those of a server have less than 2,000.
const MAX_ADVISORY_LEN: usize = 16 << 10;

/// The type of the advisory that a connection was closed.
const DISCONNECTED: &str = "io.nats.server.advisory.v1.client_disconnect";

/// The name of a connection: `lobbyd/HOST/INSTANCE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionName {
    /// The name of the host.
    pub host: HostName,
    /// The run of its daemon.
    pub instance: InstanceId,
}

#[derive(Deserialize)]
struct Advisory<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(borrow)]
    client: Client<'a>,
}

#[derive(Deserialize)]
struct Client<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

impl ConnectionName {
    /// The name of a connection of lobbyd; none if it is not one. A host name may hold a slash.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, instance) = text.strip_prefix(PREFIX)?.rsplit_once('/')?;
        let instance = InstanceId::named(Some(instance))?;
        Some(Self { host: HostName::parse(host).ok()?, instance })
    }

    /// The connection of lobbyd that was closed, as an advisory of a NATS server tells; none if it
    /// tells of something else.
    pub fn closed(advisory: &[u8]) -> Option<Self> {
        if advisory.len() > MAX_ADVISORY_LEN {
            return None;
        }
        let Advisory { r#type, client } = serde_json::from_slice(advisory).ok()?;
        Self::parse(&client.name).filter(|_| r#type == DISCONNECTED)
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

    const ADVISORY: &str = r#"{"type":"io.nats.server.advisory.v1.client_disconnect","id":"x",
        "server":{"name":"n"},"client":{"start":"t","id":7,"name":"lobbyd/a/00000000000000ff","lang":"rust"},
        "reason":"Client Closed"}"#;

    #[test]
    fn an_advisory_names_the_connection_that_was_closed() {
        let expected = ConnectionName { host: name("a"), instance: instance(255) };
        assert_eq!(ConnectionName::closed(ADVISORY.as_bytes()), Some(expected));
    }

    #[test]
    fn what_is_no_advisory_of_a_closed_connection_is_ignored() {
        let long = ADVISORY.replace("rust", &"x".repeat(MAX_ADVISORY_LEN));
        let opened = ADVISORY.replace("disconnect", "connect");
        let without_instance = ADVISORY.replace("/00000000000000ff", "");
        let of_another = ADVISORY.replace("lobbyd/", "redis/");
        for odd in
            [&long, &opened, &without_instance, &of_another, "", "{}", "[1]", "{\"client\":7}"]
        {
            assert_eq!(ConnectionName::closed(odd.as_bytes()), None, "{odd}");
        }
    }

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
