//! Servers as one meets them: 20 labels each, of which many are shared and some are unlike any
//! other's.

use bytes::Bytes;
use lobby_client::{Discovery, HostName, Label};
use lobby_core::signing::keys::Keys;
use lobby_core::wire::envelope::{Message, MessageKind};
use lobby_core::wire::instance_id::InstanceId;

/// The label that exactly [`MATCHES`] hosts of every fleet have.
pub const RARE_LABEL: &str = "needle:haystack";
/// A prefix of [`RARE_LABEL`] and of no other label.
pub const RARE_PREFIX: &str = "needle:";
/// How many hosts have [`RARE_LABEL`].
pub const MATCHES: usize = 10;
/// The Prometheus group that every host is in, with one target.
pub const GROUP: &str = "node";

const SITES: [&str; 6] = ["prg1", "prg2", "brq1", "fra1", "ams2", "waw1"];
const SERVICES: [&str; 9] =
    ["nginx", "postgresql", "redis", "smtp", "imap", "haproxy", "php-fpm", "rabbitmq", "mariadb"];
const KERNELS: [&str; 4] =
    ["6.1.0-25-amd64", "6.1.0-28-amd64", "5.10.0-33-amd64", "6.12.9+bpo-amd64"];
const CPUS: [&str; 3] = ["amd-epyc-7443p", "intel-xeon-e5-2650v4", "amd-epyc-9354"];
const CUSTOMERS: usize = 400;

/// A number of servers. Names, and so answers about equally many of them, are equally long whatever
/// the fleet's size.
#[derive(Debug, Clone, Copy)]
pub struct Fleet {
    size: usize,
}

impl Fleet {
    /// A fleet of so many servers, a multiple of ten.
    pub fn new(size: usize) -> Self {
        Self { size }
    }

    /// How many servers there are.
    pub fn size(self) -> usize {
        self.size
    }

    /// What a server tells about itself. Servers get another label with each generation.
    ///
    /// # Panics
    /// Never: the names and labels are valid.
    pub fn discovery(self, server: usize, generation: u64) -> Discovery {
        let labels = self.labels(server, generation);
        let labels = labels.iter().map(|text| Label::parse(text).expect("a valid label")).collect();
        Discovery::new(HostName::parse(&hostname(server)).expect("a valid host name"), labels)
    }

    /// The packet of a server as a daemon sends it.
    pub fn payload(self, server: usize, generation: u64) -> Bytes {
        Message::new(MessageKind::Hi, &self.discovery(server, generation), instance(server))
            .encode(None)
            .into()
    }

    /// The packet that tells of a server, signed.
    pub fn signed(server: usize, discovery: &Discovery, keys: &Keys, unix_millis: u64) -> Bytes {
        let message = Message::new(MessageKind::Hi, discovery, instance(server));
        message.encode(Some(&keys.sign(&message, unix_millis))).into()
    }

    /// The packet of a server that shares no label with any fleet, and has another one with each
    /// generation.
    ///
    /// # Panics
    /// Never: the name and the label are valid.
    pub fn stranger(server: usize, generation: u64) -> Bytes {
        let label = Label::parse(&format!("stranger:{generation}")).expect("a valid label");
        let discovery = Discovery::new(
            HostName::parse(&hostname(server)).expect("a valid host name"),
            vec![label],
        );
        Message::new(MessageKind::Hi, &discovery, InstanceId::new(1)).encode(None).into()
    }

    /// The bytes of all host names and labels.
    pub fn text_bytes(self) -> u64 {
        let bytes = |discovery: Discovery| {
            discovery.hostname.as_str().len()
                + discovery.labels.iter().map(|label| label.as_str().len()).sum::<usize>()
        };
        (0..self.size).map(|server| bytes(self.discovery(server, 0)) as u64).sum()
    }

    fn labels(self, server: usize, generation: u64) -> [String; 20] {
        let (site, rack, private) =
            (SITES[server % SITES.len()], server / 40 % 90, private_address(server));
        [
            format!("service:{}", pick(&SERVICES, server)),
            format!("service:{}", pick(&SERVICES, another_service(server))),
            format!("location:{site}"),
            format!("rack:{site}-r{rack:02}"),
            format!("public_ip4:{}", public_address(server)),
            format!("public_ip6:2a03:3b40:{:x}:{:x}::1", server / 0x1000 + 0x10, server % 0x1000),
            format!("private_ip4:{private}"),
            format!("prometheus:{GROUP}:host:{private}"),
            format!("prometheus:{GROUP}:port:9100"),
            format!("prometheus:{GROUP}:location:{site}"),
            format!("prometheus:{GROUP}:role:{}", pick(&SERVICES, server)),
            format!("kernel:{}", pick(&KERNELS, server / 3)),
            format!("os:debian-{}", 11 + server % 3),
            format!("cpu:{}", pick(&CPUS, server / 5)),
            format!("cores:{}", 8 << (server % 4)),
            format!("memory:{}G", 32 << (server % 5)),
            format!("customer:{:04}", server * 31 % CUSTOMERS),
            format!(
                "serial:CZ{:08X}",
                0x2545_f491_u32.wrapping_mul(u32::try_from(server).unwrap_or(0) + 1)
            ),
            format!("deployed:{generation:08}"),
            if self.is_rare(server) {
                RARE_LABEL.to_owned()
            } else {
                "environment:production".to_owned()
            },
        ]
    }

    /// The rare ones are spread evenly.
    fn is_rare(self, server: usize) -> bool {
        let distance = self.size / MATCHES;
        server % distance == distance / 2
    }
}

/// Each daemon has an instance of its own.
pub fn instance(server: usize) -> InstanceId {
    InstanceId::new(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(server as u64 + 1))
}

fn hostname(server: usize) -> String {
    format!("node-{server:06}.{}.example.com", SITES[server % SITES.len()])
}

fn pick(list: &[&'static str], seed: usize) -> &'static str {
    list[seed % list.len()]
}

/// A seed that picks another one than the server's number does.
fn another_service(server: usize) -> usize {
    server + 1 + server / 7 % (SERVICES.len() - 1)
}

fn private_address(server: usize) -> String {
    format!("10.{}.{}.{}", server / 0x10000 + 16, server / 0x100 % 0x100, server % 0x100)
}

fn public_address(server: usize) -> String {
    format!("185.{}.{}.{}", server / 0x10000 + 8, server / 0x100 % 0x100, server % 0x100)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn rare_ones(size: usize) -> Vec<String> {
        let discoveries = (0..size).map(|server| Fleet::new(size).discovery(server, 0));
        let rare = discoveries
            .filter(|host| host.labels.iter().any(|label| label.as_str().starts_with(RARE_PREFIX)));
        rare.map(|host| host.hostname.to_string()).collect()
    }

    #[test]
    fn every_fleet_has_as_many_rare_ones_with_names_of_one_length() {
        for size in [100, 1_000, 10_000] {
            let rare = rare_ones(size);
            assert_eq!(rare.len(), MATCHES, "{size}");
            assert!(rare.iter().all(|name| name.len() == rare[0].len()), "{rare:?}");
        }
    }

    #[test]
    fn hosts_have_20_labels_and_names_of_their_own() {
        let hosts: Vec<_> =
            (0..1_000).map(|server| Fleet::new(1_000).discovery(server, 7)).collect();
        let names: BTreeSet<_> = hosts.iter().map(|host| host.hostname.as_str()).collect();
        assert_eq!(names.len(), hosts.len());
        assert!(hosts.iter().all(|host| host.labels.len() == 20));
    }

    #[test]
    fn a_generation_changes_a_packet_and_not_its_length() {
        let fleet = Fleet::new(100);
        assert_ne!(fleet.payload(3, 1), fleet.payload(3, 2));
        assert_eq!(fleet.payload(3, 1).len(), fleet.payload(3, 2).len());
    }
}
