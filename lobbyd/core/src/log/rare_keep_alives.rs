//! Rare keep-alives: hosts that expire and join again and again, because their packets come further
//! apart than TTL.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use lobby_client::HostName;

use crate::log::once::Once;

/// Most hosts watched at once. Only such as have expired are.
const MAX_HOSTS: usize = 1000;

/// Longest interval that is taken for a KEEP_ALIVE. One that comes and goes each night does not
/// send too rarely.
const LONGEST_KEEP_ALIVE: Duration = Duration::from_secs(3600);

/// Finds hosts whose KEEP_ALIVE is longer than this daemon's TTL, and tells of each once.
#[derive(Debug)]
pub struct RareKeepAlives {
    ttl: Duration,
    expired: HashMap<HostName, Expired>,
    told: Once<HostName>,
}

/// A host that expired without a goodbye, and may be back.
#[derive(Debug)]
struct Expired {
    at: Instant,
    /// The time between its last packet before it expired and its first one afterwards.
    interval: Option<Duration>,
}

impl RareKeepAlives {
    /// `ttl` is the age at which a host expires.
    pub fn new(ttl: Duration) -> Self {
        Self { ttl, expired: HashMap::new(), told: Once::default() }
    }

    /// A host expired.
    pub fn expired(&mut self, host: &HostName, now: Instant) {
        if let Some(expired) = self.expired.get_mut(host) {
            expired.at = now;
            return;
        }
        if self.expired.len() == MAX_HOSTS {
            self.expired.retain(|_, expired| {
                now.saturating_duration_since(expired.at) < LONGEST_KEEP_ALIVE
            });
        }
        if self.expired.len() < MAX_HOSTS {
            self.expired.insert(host.clone(), Expired { at: now, interval: None });
        }
    }

    /// A host said goodbye.
    pub fn left(&mut self, host: &HostName) {
        self.expired.remove(host);
    }

    /// A host joined. Returns the interval of its packets if that is to be told: when it was the
    /// same twice, longer than TTL.
    pub fn joined(&mut self, host: &HostName, now: Instant) -> Option<Duration> {
        let expired = self.expired.get_mut(host)?;
        let interval = now.saturating_duration_since(expired.at) + self.ttl;
        let before =
            expired.interval.replace(interval).filter(|_| interval < LONGEST_KEEP_ALIVE)?;
        let regular = interval.abs_diff(before) <= Duration::from_secs(1) + interval / 10;
        (regular && !self.told.fresh(vec![host.clone()]).is_empty()).then_some(interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const SECOND: Duration = Duration::from_secs(1);
    const TTL: Duration = Duration::from_secs(30);

    /// What is told of a host that is heard at these seconds, each time after it had expired.
    fn told(seconds: &[u32]) -> Vec<Option<u64>> {
        let (start, host) = (clock::now(), HostName::parse("a").unwrap());
        let mut rare = RareKeepAlives::new(TTL);
        let heard = seconds.iter().map(|second| {
            let at = start + SECOND * *second;
            let told = rare.joined(&host, at);
            rare.expired(&host, at + TTL);
            told.map(|interval| interval.as_secs())
        });
        heard.collect()
    }

    #[test]
    fn a_host_heard_regularly_but_too_rarely_is_told_of_once() {
        assert_eq!(told(&[0, 60, 120, 180, 240]), [None, None, Some(60), None, None]);
    }

    #[test]
    fn a_host_that_comes_and_goes_is_not_told_of() {
        assert_eq!(told(&[0, 60, 200, 250, 900]), [None; 5]);
        assert_eq!(told(&[0, 86_400, 172_800]), [None; 3]);
    }

    #[test]
    fn a_goodbye_begins_anew_and_memory_is_bounded() {
        let (start, mut rare) = (clock::now(), RareKeepAlives::new(TTL));
        let host = |number: usize| HostName::parse(&format!("h{number}")).unwrap();
        rare.expired(&host(0), start);
        rare.left(&host(0));
        assert_eq!(rare.joined(&host(0), start + TTL), None);
        (0..MAX_HOSTS * 2).for_each(|number| rare.expired(&host(number), start));
        assert_eq!(rare.expired.len(), MAX_HOSTS);
        rare.expired(&host(MAX_HOSTS), start + LONGEST_KEEP_ALIVE);
        assert_eq!(rare.expired.len(), 1);
    }
}
