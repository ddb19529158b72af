//! The TTLs that neighbours tell, and the one that they have in common.

use std::collections::BTreeMap;

use crate::wire::packet_ttl::PacketTtl;

/// A TTL is common that this part of the hosts tell, and at least so many more: whatever one or two
/// of them tell decides nothing.
const PART: usize = 16;
const LEAST: usize = 2;

/// The TTLs that hosts told when they were heard first.
#[derive(Debug, Clone, Default)]
pub(crate) struct ToldTtls {
    hosts: usize,
    /// How many hosts told each.
    told: BTreeMap<PacketTtl, usize>,
}

impl ToldTtls {
    /// A host was heard that tells this TTL, or none.
    pub(crate) fn note(&mut self, ttl: Option<PacketTtl>) {
        self.hosts += 1;
        if let Some(ttl) = ttl {
            *self.told.entry(ttl).or_default() += 1;
        }
    }

    /// The longest TTL that is common: so many hosts told it, or a longer one.
    pub(crate) fn common(&self) -> Option<PacketTtl> {
        let needed = LEAST + self.hosts / PART;
        let mut hosts = 0;
        let longest_first = self.told.iter().rev();
        let reached = longest_first.map(|(ttl, told)| {
            hosts += told;
            (*ttl, hosts)
        });
        reached.into_iter().find(|(_, hosts)| *hosts >= needed).map(|(ttl, _)| ttl)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is common where so many hosts tell a TTL of so many seconds; 0 is none.
    fn common(told: &[(usize, u64)]) -> Option<u64> {
        let mut ttls = ToldTtls::default();
        for (hosts, seconds) in told {
            (0..*hosts).for_each(|_| ttls.note(PacketTtl::from_seconds(*seconds)));
        }
        ttls.common().map(PacketTtl::seconds)
    }

    #[test]
    fn what_a_sixteenth_of_the_hosts_tell_is_common() {
        assert_eq!(common(&[(900, 30), (100, 300)]), Some(300));
        assert_eq!(common(&[(990, 30), (10, 300)]), Some(30));
        assert_eq!(common(&[(900, 30), (50, 300), (50, 200)]), Some(200));
    }

    #[test]
    fn one_host_decides_nothing_however_few_there_are() {
        assert_eq!(common(&[]), None);
        assert_eq!(common(&[(1, 3600)]), None);
        assert_eq!(common(&[(1, 3600), (2, 30)]), Some(30));
        assert_eq!(common(&[(100, 0), (1, 3600)]), None);
    }
}
