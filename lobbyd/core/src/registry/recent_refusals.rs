//! Recent refusals: the hosts whose packets were refused lately, with the reason.
//!
//! Anybody may send packets under any name, so there are only so many: the one that was refused
//! longest ago makes room.

use std::collections::HashMap;

use lobby_client::text::one_line;
use lobby_client::{HostName, RefusedHost};

use crate::wire::envelope::Refusal;

/// Most hosts that are remembered.
const MOST_HOSTS: usize = 256;

/// The hosts whose packets were refused lately, each by driver.
#[derive(Debug, Default)]
pub struct RecentRefusals {
    hosts: HashMap<(HostName, &'static str), RefusedHost>,
}

impl RecentRefusals {
    /// A packet was refused that came by a driver. `unix_seconds` is now.
    pub fn note(&mut self, driver: &'static str, refusal: &Refusal, unix_seconds: i64) {
        let Some(host) = refusal.host() else { return };
        let key = (host.clone(), driver);
        if !self.hosts.contains_key(&key) {
            self.make_room();
        }
        let packets = self.hosts.get(&key).map_or(0, |former| former.packets);
        let refused = RefusedHost {
            hostname: host.clone(),
            driver: driver.to_owned(),
            reason: refusal.reason().to_owned(),
            text: one_line(&refusal.to_string()),
            packets: packets + 1,
            last_seen: unix_seconds,
        };
        self.hosts.insert(key, refused);
    }

    /// All of them by name.
    pub fn list(&self) -> Vec<RefusedHost> {
        let mut list: Vec<_> = self.hosts.values().cloned().collect();
        list.sort_by(|one, other| {
            (&one.hostname, &one.driver).cmp(&(&other.hostname, &other.driver))
        });
        list
    }

    fn make_room(&mut self) {
        if self.hosts.len() >= MOST_HOSTS
            && let Some(oldest) = self.hosts.values().min_by_key(|host| host.last_seen)
        {
            let (hostname, driver) = (oldest.hostname.clone(), oldest.driver.clone());
            self.hosts.retain(|(host, by), _| *host != hostname || *by != driver);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(host: &str) -> Refusal {
        Refusal::Unsigned(HostName::parse(host).unwrap())
    }

    #[test]
    fn a_host_is_told_once_with_its_last_reason() {
        let mut refusals = RecentRefusals::default();
        refusals.note("NATS", &refusal("a"), 1);
        refusals.note("NATS", &Refusal::Replayed(HostName::parse("a").unwrap()), 2);
        refusals.note("Redis", &refusal("a"), 3);
        refusals.note("NATS", &Refusal::NoHostName, 4);
        let told: Vec<_> = refusals.list();
        let told: Vec<_> = told
            .iter()
            .map(|host| (host.driver.as_str(), host.reason.as_str(), host.packets, host.last_seen))
            .collect();
        assert_eq!(told, [("NATS", "replayed", 2, 2), ("Redis", "unsigned", 1, 3)]);
    }

    #[test]
    fn the_host_refused_longest_ago_makes_room() {
        let mut refusals = RecentRefusals::default();
        for number in 0..1_000 {
            refusals.note("NATS", &refusal(&format!("h{number}")), number);
        }
        let list = refusals.list();
        assert_eq!(list.len(), MOST_HOSTS);
        assert!(list.iter().all(|host| host.last_seen >= 1_000 - 256), "{list:?}");
    }
}
