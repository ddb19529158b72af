//! A large lobby: thousands of hosts that all have the same view, and lose nothing.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

use lobby_core::link::hi_schedule::HiSchedule;
use lobby_core::liveness::pace::{LobbySize, Pace};
use proptest::prelude::*;

use super::{KEEP_ALIVE, Random, SECOND, TTL, now, up, usual};

/// The time over which the rate is counted.
const WINDOW: Duration = Duration::from_secs(10);

/// How long a host is a newcomer, and the packets that it sends meanwhile before its interval is
/// that of the lobby: they come on top of the rate.
const NEWCOMER: (Duration, usize) = (Duration::from_secs(20), 3);

/// How much more than the rate a lobby may send in ten seconds and in one. Hosts that have joined
/// together keep together for some time.
const MARGIN_OF_TEN_SECONDS: f64 = 1.5;
const MARGIN_OF_A_SECOND: f64 = 2.0;

/// After so long all have an interval of up to 50 seconds that the lobby asks for: a newcomer has
/// two packets before its interval grows, the next one may come too soon to count, and it takes two
/// more to tell of what has changed meanwhile.
const SETTLED: Duration = Duration::from_secs(2 * 5 + 5 + 2 * 50);

/// How far the wall clocks of hosts may be apart.
const CLOCKS_APART: Duration = Duration::from_millis(5);

/// The shortest and the longest pause of none.
const NO_PAUSES: (Duration, Duration) = (Duration::MAX, Duration::ZERO);

/// A large lobby in which all have the same view, and every packet arrives at once.
struct Fleet {
    pace: Pace,
    now: Instant,
    start: Instant,
    random: Random,
    schedules: Vec<Option<HiSchedule>>,
    /// When the last packet of each host stops to be good.
    good_until: Vec<Instant>,
    size: LobbySize,
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    /// When the last packets of hosts were sent that are no newcomers any more.
    sent: VecDeque<Instant>,
    /// When the packets of the last second were sent, of all hosts.
    burst: VecDeque<Instant>,
    /// When those joined that are newcomers.
    newcomers: VecDeque<Instant>,
    /// How many hosts there were before some left, and until when their packets count.
    most: Option<(usize, Instant)>,
    /// When each host joined, and how many packets it has sent.
    joined: Vec<(Instant, usize)>,
    /// When each host sent last.
    last: Vec<Instant>,
    /// The times between two packets of a host: the shortest and the longest one since they were
    /// looked at.
    pauses: (Duration, Duration),
    /// Whether law (b) holds: not for a crowd that starts within seconds.
    keeps_to_rate: bool,
    /// Until when packets count that an original has called forth.
    loud_until: Instant,
}

impl Fleet {
    fn new() -> Self {
        let start = now();
        let pace = usual(200);
        Self {
            pace,
            now: start,
            start,
            random: Random(7),
            schedules: Vec::new(),
            good_until: Vec::new(),
            size: LobbySize::default(),
            due: BinaryHeap::new(),
            sent: VecDeque::new(),
            burst: VecDeque::new(),
            newcomers: VecDeque::new(),
            most: None,
            joined: Vec::new(),
            last: Vec::new(),
            pauses: NO_PAUSES,
            keeps_to_rate: true,
            loud_until: start,
        }
    }

    fn join(&mut self, hosts: usize, within: Duration) {
        for _ in 0..hosts {
            let (index, random) = (self.schedules.len(), self.random.next());
            self.size.hosts += 1;
            self.joined.push((self.now, 0));
            self.newcomers.push_back(self.now);
            self.last.push(self.now);
            self.schedules.push(Some(self.schedule(random)));
            self.good_until.push(self.now);
            self.send(index, random, true);
            self.pass(within.div_f64(hosts as f64));
        }
    }

    /// The schedule of a host that joins now. The wall clocks of hosts differ.
    fn schedule(&self, random: f64) -> HiSchedule {
        let mut schedule = HiSchedule::new(self.pace, self.now);
        let clock = self.now - self.start + CLOCKS_APART.mul_f64(random);
        schedule.set_clock(self.now, clock.as_millis() as u64);
        schedule
    }

    fn leave(&mut self, hosts: usize) {
        self.most = Some((self.size.hosts, self.now + WINDOW));
        let mut left = 0;
        for schedule in self.schedules.iter_mut().filter(|schedule| schedule.is_some()).take(hosts)
        {
            *schedule = None;
            left += 1;
        }
        self.size.hosts -= left;
        self.resize();
    }

    /// So many hosts of lobby 1.x are there now.
    fn originals(&mut self, without_ttl: usize) {
        // When the last one has left, a longer TTL is told first.
        self.loud_until = self.now + KEEP_ALIVE * 2 + WINDOW;
        self.size.without_ttl = without_ttl;
        self.resize();
    }

    /// How long the host has been silent that has been so for longest.
    fn silence(&self) -> Duration {
        let living = self.schedules.iter().zip(&self.last).filter(|(host, _)| host.is_some());
        living.map(|(_, last)| self.now - *last).max().unwrap_or_default()
    }

    fn resize(&mut self) {
        self.due.clear();
        for (index, schedule) in self.schedules.iter_mut().enumerate() {
            if let Some(schedule) = schedule {
                schedule.resize(self.size, self.now);
                self.due.push(Reverse((schedule.deadline(), index)));
            }
        }
    }

    fn send(&mut self, index: usize, random: f64, is_first: bool) {
        let (size, now) = (self.size, self.now);
        let Some(schedule) = &mut self.schedules[index] else { return };
        if is_first {
            // It knows nobody yet.
            schedule.sent(up(), random, now);
        } else {
            schedule.resize(size, now);
            assert!(schedule.is_due(up(), random, now));
            assert!(self.good_until[index] > now, "law (a): it was missing");
            let pause = now - self.last[index];
            self.pauses = (self.pauses.0.min(pause), self.pauses.1.max(pause));
        }
        let ttl = if size.without_ttl > 0 { TTL } else { schedule.ttl().unwrap().duration() };
        self.good_until[index] = now + ttl;
        self.last[index] = now;
        self.due.push(Reverse((schedule.deadline(), index)));
        self.count(index);
        self.check_rate();
    }

    /// Counts a packet. The first ones of a newcomer count for the burst only.
    fn count(&mut self, index: usize) {
        let (joined, packets) = &mut self.joined[index];
        *packets += 1;
        if *packets > NEWCOMER.1 || self.now - *joined > NEWCOMER.0 {
            self.sent.push_back(self.now);
        }
        self.burst.push_back(self.now);
    }

    /// Law (b): in ten seconds those who are no newcomers send no more than the rate and a margin,
    /// in a second all hosts no more than a burst and a packet of each newcomer.
    fn check_rate(&mut self) {
        let now = self.now;
        forget(&mut self.sent, now, WINDOW);
        forget(&mut self.burst, now, SECOND);
        forget(&mut self.newcomers, now, NEWCOMER.0);
        if !self.keeps_to_rate {
            return;
        }
        let rate = self.allowed_rate();
        let at = (now - self.start).as_secs();
        let allowed = rate * WINDOW.as_secs_f64() * MARGIN_OF_TEN_SECONDS;
        assert!(self.sent.len() as f64 <= allowed, "{} at {at} s: {allowed}", self.sent.len());
        let allowed = rate * MARGIN_OF_A_SECOND + self.newcomers.len() as f64;
        let burst = self.burst.len();
        assert!(burst as f64 <= allowed, "{burst} in a second at {at} s: {allowed}");
    }

    /// The packets a second that are allowed now, of hosts that are no newcomers: one of each host
    /// in KEEP_ALIVE where an original is there, or has just left.
    fn allowed_rate(&self) -> f64 {
        let hosts = self.most.filter(|(_, until)| self.now < *until).map_or(0, |(hosts, _)| hosts);
        let hosts = hosts.max(self.size.hosts) as f64 / KEEP_ALIVE.as_secs_f64();
        let is_loud = self.size.without_ttl > 0 || self.now < self.loud_until;
        if is_loud { hosts.max(200.0) } else { 200.0 }
    }

    /// The shortest and the longest time between two packets of a host within some time.
    fn pauses_within(&mut self, time: Duration) -> (Duration, Duration) {
        self.pauses = NO_PAUSES;
        self.pass(time);
        self.pauses
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(Reverse((at, index))) = self.due.peek().copied() {
            if at > until {
                break;
            }
            self.due.pop();
            let is_current =
                self.schedules[index].as_ref().is_some_and(|schedule| schedule.deadline() == at);
            if is_current {
                self.now = self.now.max(at);
                let random = self.random.next();
                self.send(index, random, false);
            }
        }
        self.now = until;
    }

    /// Law (c).
    fn assert_interval(&self, seconds: f64) {
        let expected = Duration::from_secs_f64(seconds);
        assert_eq!(self.pace.interval(self.size), expected);
        let intervals = self.schedules.iter().flatten().map(HiSchedule::interval);
        assert_eq!(intervals.filter(|interval| *interval != expected).count(), 0);
    }

    /// When packets are sent in a time, of hosts that are no newcomers.
    fn packets(&mut self, time: Duration) -> Vec<Instant> {
        let (mut packets, until) = (Vec::new(), self.now + time);
        while self.now < until {
            self.sent.clear();
            self.pass(SECOND);
            packets.extend(self.sent.iter().copied());
        }
        packets
    }

    /// The packets a second in a time.
    fn rate(&mut self, time: Duration) -> f64 {
        self.packets(time).len() as f64 / time.as_secs_f64()
    }
}

/// Leaves out what is older than this.
fn forget(times: &mut VecDeque<Instant>, now: Instant, age: Duration) {
    while times.front().is_some_and(|at| now - *at > age) {
        times.pop_front();
    }
}

#[test]
fn ten_thousand_hosts_send_as_much_as_a_thousand() {
    let mut fleet = Fleet::new();
    fleet.join(1000, SECOND * 60);
    fleet.pass(SECOND * 10);
    fleet.assert_interval(5.0);
    assert!((190.0..=201.0).contains(&fleet.rate(SECOND * 20)));
    fleet.join(9000, SECOND * 1200);
    fleet.pass(SETTLED);
    fleet.assert_interval(50.0);
    let rate = fleet.rate(SECOND * 100);
    assert!((190.0..=220.0).contains(&rate), "{rate}");
    // Some die, and the others notice it when their TTL is over.
    fleet.leave(4000);
    fleet.pass(SETTLED);
    fleet.assert_interval(30.0);
    fleet.join(4000, SECOND * 600);
    fleet.pass(SETTLED);
    fleet.assert_interval(50.0);
}

#[test]
fn an_original_brings_ten_thousand_back_within_a_keep_alive() {
    let mut fleet = Fleet::new();
    fleet.join(10_000, SECOND * 1200);
    fleet.pass(SETTLED);
    for _ in 0..2 {
        fleet.assert_interval(50.0);
        fleet.originals(1);
        // From now on it lets everybody expire who is silent for TTL.
        fleet.pass(KEEP_ALIVE);
        fleet.assert_interval(5.0);
        assert!(fleet.silence() <= KEEP_ALIVE, "{:?}", fleet.silence());
        assert_eq!(fleet.pauses_within(SECOND * 60), (KEEP_ALIVE, KEEP_ALIVE));
        assert!(fleet.silence() <= KEEP_ALIVE, "{:?}", fleet.silence());
        fleet.originals(0);
        fleet.pass(SECOND * 60);
    }
}

#[test]
fn a_thousand_hosts_send_as_they_always_did() {
    let mut fleet = Fleet::new();
    fleet.join(1000, SECOND * 60);
    for _ in 0..20 {
        assert_eq!(fleet.pauses_within(KEEP_ALIVE * 2), (KEEP_ALIVE, KEEP_ALIVE));
        assert!(fleet.silence() <= KEEP_ALIVE, "{:?}", fleet.silence());
        let schedules = fleet.schedules.iter().flatten();
        assert!(schedules.clone().all(|schedule| schedule.ttl().unwrap().duration() == TTL));
    }
}

#[test]
fn thousands_that_join_at_once_soon_keep_to_the_rate() {
    let mut fleet = Fleet::new();
    fleet.join(500, SECOND * 30);
    fleet.pass(SECOND * 30);
    fleet.join(9500, Duration::ZERO);
    fleet.resize();
    fleet.pass(SECOND * 65);
    fleet.assert_interval(50.0);
    fleet.pass(SECOND * 100);
}

#[test]
fn hosts_that_have_started_together_part() {
    // From 2,000 on they spread when their interval grows, fewer only by their jitter.
    for (hosts, parted) in [(1100, 360), (1500, 360), (1900, 480), (2500, 60)] {
        let mut fleet = Fleet { keeps_to_rate: false, ..Fleet::new() };
        fleet.join(hosts, SECOND);
        fleet.resize();
        fleet.pass(SECOND * parted);
        for _ in 0..60 {
            fleet.pass(SECOND);
            assert!(fleet.burst.len() <= 400, "{hosts}: {}", fleet.burst.len());
        }
    }
}

#[test]
fn thousands_whose_interval_grew_at_once_send_evenly() {
    let mut fleet = Fleet::new();
    fleet.join(10_000, Duration::ZERO);
    fleet.resize();
    // Their second packet tells the longer interval, the third one begins it.
    fleet.pass(KEEP_ALIVE * 2);
    fleet.assert_interval(50.0);
    for turn in 0..12 {
        let rate = fleet.rate(SECOND * 10);
        assert!((195.0..=225.0).contains(&rate), "{rate} in turn {turn}");
    }
}

/// The wake-ups of a host in ten seconds, if it needs one for what comes within five milliseconds,
/// and the packets.
fn wake_ups(fleet: &mut Fleet) -> (usize, usize) {
    let packets = fleet.packets(SECOND * 10);
    let mut wake_ups: Vec<Instant> = Vec::new();
    for packet in &packets {
        if wake_ups.last().is_none_or(|last| *packet - *last > Duration::from_millis(5)) {
            wake_ups.push(*packet);
        }
    }
    (wake_ups.len(), packets.len())
}

#[test]
fn in_a_large_lobby_one_wakes_up_for_many_packets() {
    let mut fleet = Fleet::new();
    fleet.join(1000, SECOND * 60);
    fleet.pass(SECOND * 10);
    let (wake_ups_of_a_thousand, packets) = wake_ups(&mut fleet);
    assert!(packets >= 1900 && wake_ups_of_a_thousand >= 500, "{wake_ups_of_a_thousand} {packets}");
    fleet.join(9000, SECOND * 1200);
    fleet.pass(SETTLED);
    let (wake_ups, packets) = wake_ups(&mut fleet);
    // Two beats a second, each as long as clocks differ.
    assert!(packets >= 1900 && wake_ups <= 20 * 2, "{wake_ups} {packets}");
}

/// What happens to a fleet.
#[derive(Debug, Clone, Copy)]
enum Turn {
    Join(usize, u32),
    Leave(usize),
    Originals(usize),
    Pass(u32),
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let turn = prop_oneof![
        3 => (1..2000usize, 10..100u32).prop_map(|(hosts, within)| Turn::Join(hosts, within)),
        2 => (1..2000usize).prop_map(Turn::Leave),
        1 => (0..2usize).prop_map(Turn::Originals),
        3 => (1..100u32).prop_map(Turn::Pass),
    ];
    prop::collection::vec(turn, 1..10)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    /// Laws (a) and (b) are looked at with each packet, in all that happens.
    #[test]
    fn whatever_happens_a_large_lobby_keeps_to_its_rate(turns in turns()) {
        let mut fleet = Fleet::new();
        for turn in turns {
            match turn {
                Turn::Join(hosts, within) => {
                    fleet.join(hosts, SECOND * within);
                    fleet.resize();
                }
                Turn::Leave(hosts) => fleet.leave(hosts),
                Turn::Originals(hosts) => fleet.originals(hosts),
                Turn::Pass(seconds) => fleet.pass(SECOND * seconds),
            }
        }
        fleet.pass(SECOND * 200);
        fleet.assert_interval(fleet.pace.interval(fleet.size).as_secs_f64());
    }
}
