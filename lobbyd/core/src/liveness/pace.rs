//! The pace of a lobby: how often each of its hosts sends, and for how long a packet is good.

use std::time::Duration;

use crate::liveness::time_base::millis;
use crate::wire::packet_ttl::PacketTtl;

/// So many hosts are a large lobby under any MAX_PACKET_RATE: what most of them tell is believed.
const MANY: usize = 50;

/// The size of a lobby, as one of its daemons sees it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LobbySize {
    /// All hosts.
    pub hosts: usize,
    /// Those of them whose packets tell no TTL, as those of lobby 1.x: they let others expire by
    /// their own TTL, so that these must send often.
    pub without_ttl: usize,
}

/// The settings that the pace follows from.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// KEEP_ALIVE: least interval of the packets of a host.
    pub keep_alive: Duration,
    /// TTL: for how long a packet is good that is followed by another one after KEEP_ALIVE.
    pub ttl: Duration,
    /// MAX_PACKET_RATE: packets a second in the whole lobby above which intervals stretch; 0 is
    /// never.
    pub max_rate: u32,
}

impl Pace {
    /// The interval at which each host of a lobby sends.
    pub fn interval(&self, size: LobbySize) -> Duration {
        if size.without_ttl > 0 || !self.is_large(size.hosts) {
            return self.keep_alive;
        }
        self.time_for(size.hosts).min(self.longest()).max(self.keep_alive)
    }

    /// Whether so many hosts would send more than MAX_PACKET_RATE together. Then nobody greets a
    /// newcomer: regular packets alone make up the rate.
    pub fn is_large(&self, hosts: usize) -> bool {
        self.max_rate > 0 && self.time_for(hosts) > self.keep_alive
    }

    /// The pause between two packets of a host in which all others may send one, too: at a little
    /// more than MAX_PACKET_RATE, as intervals are shorter by their jitter. Zero if there is no
    /// such rate.
    pub fn fair_pause(&self, hosts: usize) -> Duration {
        if self.max_rate == 0 { Duration::ZERO } else { self.time_for(hosts) * 5 / 6 }
    }

    /// The TTL of packets with this interval; none if TTL is longer than a packet can tell.
    pub fn ttl_of(&self, interval: Duration) -> Option<PacketTtl> {
        let told = PacketTtl::covering(self.ttl)?;
        let stretched = (u128::from(told.seconds()) * interval.as_nanos())
            .div_ceil(self.keep_alive.as_nanos().max(1));
        let stretched = u64::try_from(stretched).ok().and_then(PacketTtl::from_seconds);
        Some(stretched.unwrap_or(PacketTtl::MAX))
    }

    /// How long a newcomer that has heard so many hosts listens until it must have heard everybody,
    /// where this is the TTL that its neighbours tell: the interval that it stands for. In a lobby
    /// of a few hosts whose rate nothing stretches it stands for another setting of TTL.
    ///
    /// The rate that the others keep to may be quite another than the own one.
    pub fn listening_time(&self, common: PacketTtl, hosts: usize) -> Duration {
        let is_likely = hosts >= MANY || self.is_large(hosts.saturating_mul(2));
        let Some(told) = PacketTtl::covering(self.ttl).filter(|_| is_likely) else {
            return self.keep_alive;
        };
        let interval = millis(self.keep_alive) * common.seconds() / told.seconds();
        Duration::from_millis(interval).max(self.keep_alive)
    }

    /// The time in which MAX_PACKET_RATE allows a packet of each host.
    fn time_for(&self, hosts: usize) -> Duration {
        let hosts = u64::try_from(hosts).unwrap_or(u64::MAX);
        Duration::from_millis(hosts.saturating_mul(1000) / u64::from(self.max_rate.max(1)))
    }

    /// The longest interval whose TTL a packet can tell.
    fn longest(&self) -> Duration {
        let told = PacketTtl::covering(self.ttl).unwrap_or(PacketTtl::MAX).seconds();
        let most = PacketTtl::MAX.seconds();
        Duration::from_millis(millis(self.keep_alive).saturating_mul(most) / told)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pace(keep_alive: u64, ttl: u64, max_rate: u32) -> Pace {
        let [keep_alive, ttl] = [keep_alive, ttl].map(Duration::from_secs);
        Pace { keep_alive, ttl, max_rate }
    }

    fn interval(pace: Pace, hosts: usize) -> u64 {
        pace.interval(LobbySize { hosts, without_ttl: 0 }).as_secs()
    }

    fn ttl(pace: Pace, interval: u64) -> Option<u64> {
        pace.ttl_of(Duration::from_secs(interval)).map(PacketTtl::seconds)
    }

    #[test]
    fn up_to_a_thousand_hosts_nothing_stretches() {
        let pace = pace(5, 30, 200);
        for (hosts, expected) in [(0, 5), (1, 5), (1000, 5), (2000, 10), (10_000, 50)] {
            assert_eq!(interval(pace, hosts), expected, "{hosts}");
        }
        assert!(!pace.is_large(1000) && pace.is_large(1001));
        assert_eq!((ttl(pace, 5), ttl(pace, 50)), (Some(30), Some(300)));
    }

    #[test]
    fn one_host_without_ttl_holds_all_at_keep_alive() {
        let size = LobbySize { hosts: 10_000, without_ttl: 1 };
        assert_eq!(pace(5, 30, 200).interval(size), SECOND * 5);
    }

    #[test]
    fn a_rate_of_zero_never_stretches() {
        assert_eq!(interval(pace(5, 30, 0), 1_000_000), 5);
        assert!(!pace(5, 30, 0).is_large(1_000_000));
    }

    #[test]
    fn no_interval_is_longer_than_its_ttl_can_tell() {
        let wide = pace(5, 30, 1);
        assert_eq!((interval(wide, 1_000_000), ttl(wide, 600)), (600, Some(3600)));
        let narrow = pace(5, 3600, 1);
        assert_eq!((interval(narrow, 1_000_000), ttl(narrow, 5)), (5, Some(3600)));
        let untold = pace(5, 3601, 1);
        assert_eq!((interval(untold, 1_000_000), ttl(untold, 5)), (5, None));
    }

    #[test]
    fn a_newcomer_of_a_large_lobby_listens_for_an_interval() {
        let ttl = |seconds| PacketTtl::from_seconds(seconds).unwrap();
        for (rate, told, hosts, expected) in [
            (200, 30, 1000, 5),
            (200, 300, 1000, 50),
            (200, 3600, 49, 5),
            (200, 36, 1000, 6),
            (200, 10, 1000, 5),
            (0, 300, 1000, 50),
            (1_000_000, 300, 1000, 50),
            (1, 36, 6, 6),
            (0, 36, 6, 5),
        ] {
            let listening = pace(5, 30, rate).listening_time(ttl(told), hosts);
            assert_eq!(listening.as_secs(), expected, "{rate} {told} {hosts}");
        }
    }

    proptest! {
        /// As many packets may get lost in a row as without stretching: no TTL is rounded down.
        #[test]
        fn a_stretched_ttl_is_as_many_intervals_as_ttl_is_keep_alives(
            keep_alive in 1..3600u64, more in 1..3600u64, max_rate in 0..1000u32,
            hosts in 0..100_000usize,
        ) {
            let pace = pace(keep_alive, keep_alive + more, max_rate);
            let interval = pace.interval(LobbySize { hosts, without_ttl: 0 });
            prop_assert!(interval >= pace.keep_alive);
            if let Some(told) = pace.ttl_of(interval) {
                let kept = told.duration().as_nanos() * pace.keep_alive.as_nanos();
                prop_assert!(kept >= interval.as_nanos() * pace.ttl.as_nanos(), "{interval:?}");
                prop_assert!(told.duration() >= interval, "{interval:?}");
            } else {
                prop_assert!(pace.ttl > PacketTtl::MAX.duration() && interval == pace.keep_alive);
            }
        }
    }
}
