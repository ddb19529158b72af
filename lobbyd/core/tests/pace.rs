//! The pace of large lobbies, in virtual time: fleets that grow, shrink, lose packets, and are
//! joined and left by hosts of lobby 1.x, which tell no TTL.
#![expect(clippy::unwrap_used, reason = "a test ends by panicking")]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

use lobby_core::link::hi_schedule::HiSchedule;
use lobby_core::liveness::pace::{LobbySize, Pace};
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);
const KEEP_ALIVE: Duration = Duration::from_secs(5);
const TTL: Duration = Duration::from_secs(30);

/// How much more than the rate a lobby may send, and the time over which that is counted.
const MARGIN: f64 = 1.2;
const WINDOW: Duration = Duration::from_secs(10);

#[expect(clippy::disallowed_methods, reason = "a test begins at any moment")]
fn now() -> Instant {
    Instant::now()
}

/// Numbers from 0 to 1.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// A host of a small lobby: what it has heard of each of the others.
struct Host {
    /// None where it is one of lobby 1.x, which sends each KEEP_ALIVE and tells no TTL.
    schedule: Option<HiSchedule>,
    next: Instant,
    has_sent: bool,
    /// Until when each other host counts as alive, and whether it tells a TTL.
    known: BTreeMap<usize, (Instant, bool)>,
    /// The hosts whose last packet was lost on the way to this one.
    lost: Vec<usize>,
}

/// A small lobby in which every host has its own view, and packets get lost.
struct Lobby {
    pace: Pace,
    now: Instant,
    random: Random,
    /// Part of the packets that get lost, never two of a host in a row.
    losses: f64,
    hosts: Vec<Option<Host>>,
    packets: usize,
}

impl Lobby {
    fn new(max_rate: u32, losses: f64, seed: u64) -> Self {
        let pace = Pace { keep_alive: KEEP_ALIVE, ttl: TTL, max_rate };
        Self { pace, now: now(), random: Random(seed), losses, hosts: Vec::new(), packets: 0 }
    }

    fn join(&mut self, is_original: bool) {
        let schedule = (!is_original).then(|| HiSchedule::new(self.pace, self.now));
        let (next, known, lost) = (self.now, BTreeMap::new(), Vec::new());
        self.hosts.push(Some(Host { schedule, next, has_sent: false, known, lost }));
    }

    /// A host leaves; with a goodbye, which may get lost like any packet, or without.
    fn leave(&mut self, index: usize, says_goodbye: bool) {
        self.hosts[index] = None;
        for other in self.hosts.iter_mut().flatten() {
            if says_goodbye && self.random.next() >= self.losses {
                other.known.remove(&index);
            }
        }
    }

    fn living(&self) -> Vec<usize> {
        (0..self.hosts.len()).filter(|index| self.hosts[*index].is_some()).collect()
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            let hosts = self.hosts.iter().enumerate();
            let due = hosts.filter_map(|(index, host)| Some((host.as_ref()?.next, index))).min();
            let Some((at, index)) = due.filter(|(at, _)| *at <= until) else { break };
            self.now = self.now.max(at);
            self.send(index);
        }
        self.now = until;
        (0..self.hosts.len()).for_each(|index| self.look(index));
    }

    /// A host forgets those that have expired, and goes by what is left.
    fn look(&mut self, index: usize) {
        let now = self.now;
        let Some(host) = &mut self.hosts[index] else { return };
        host.known.retain(|_, (until, _)| *until > now);
        let without_ttl = host.known.values().filter(|(_, tells)| !tells).count();
        if let Some(schedule) = &mut host.schedule {
            schedule.resize(LobbySize { hosts: host.known.len() + 1, without_ttl }, now);
            if host.has_sent {
                host.next = schedule.deadline();
            }
        }
    }

    /// A host takes its turn. Returns the TTL that it tells.
    fn turn(&mut self, index: usize) -> Option<Duration> {
        let (now, random) = (self.now, self.random.next());
        let host = self.hosts[index].as_mut().unwrap();
        let Some(schedule) = &mut host.schedule else {
            host.next = now + KEEP_ALIVE;
            return None;
        };
        if host.has_sent {
            assert!(schedule.is_due(random, now));
        } else {
            // The first packet is sent at once.
            schedule.sent(random, now);
        }
        (host.next, host.has_sent) = (schedule.deadline(), true);
        Some(schedule.ttl().unwrap().duration())
    }

    fn send(&mut self, from: usize) {
        self.look(from);
        // What was due may be put off by then.
        if self.hosts[from].as_ref().is_none_or(|host| host.next > self.now) {
            return;
        }
        self.packets += 1;
        let told = self.turn(from);
        for to in (0..self.hosts.len()).filter(|to| *to != from) {
            let is_lost = self.random.next() < self.losses;
            let Some(host) = &mut self.hosts[to] else { continue };
            let is_original = host.schedule.is_none();
            if is_lost && !host.lost.contains(&from) {
                host.lost.push(from);
                continue;
            }
            host.lost.retain(|lost| *lost != from);
            let ttl = told.filter(|_| !is_original).unwrap_or(TTL);
            host.known.insert(from, (self.now + ttl, told.is_some()));
            self.look(to);
        }
    }

    /// The first host that lives, was heard by another one, and is missing there.
    fn missing(&self, met: &mut [Vec<bool>]) -> Option<(usize, usize)> {
        for at in self.living() {
            for of in self.living() {
                let known = self.hosts[at].as_ref().unwrap().known.get(&of);
                let is_alive = known.is_some_and(|(until, _)| *until > self.now);
                met[at][of] |= is_alive;
                if met[at][of] && !is_alive {
                    return Some((at, of));
                }
            }
        }
        None
    }
}

/// What happens to a lobby.
#[derive(Debug, Clone, Copy)]
enum Event {
    Join(usize),
    JoinOriginal,
    Leave(usize, bool),
    LeaveOriginals,
    Pass(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        3 => (1..6usize).prop_map(Event::Join),
        1 => Just(Event::JoinOriginal),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(which, bye)| Event::Leave(which, bye)),
        2 => Just(Event::LeaveOriginals),
        6 => (1..60u64).prop_map(Event::Pass),
    ];
    prop::collection::vec(event, 1..25)
}

impl Lobby {
    fn happens(&mut self, event: Event) {
        match event {
            Event::Join(hosts) => (0..hosts).for_each(|_| self.join(false)),
            Event::JoinOriginal => self.join(true),
            Event::Leave(which, says_goodbye) => {
                let living = self.living();
                if !living.is_empty() {
                    self.leave(living[which % living.len()], says_goodbye);
                }
            }
            Event::LeaveOriginals => {
                for index in self.originals() {
                    self.leave(index, true);
                }
            }
            Event::Pass(seconds) => self.pass(SECOND * seconds as u32),
        }
    }

    fn originals(&self) -> Vec<usize> {
        let is_original = |index: &usize| self.hosts[*index].as_ref().unwrap().schedule.is_none();
        self.living().into_iter().filter(is_original).collect()
    }

    /// The intervals of all hosts, without repetition.
    fn intervals(&self) -> Vec<Duration> {
        let hosts = self.hosts.iter().flatten();
        let mut intervals: Vec<_> =
            hosts.filter_map(|host| Some(host.schedule.as_ref()?.interval())).collect();
        intervals.sort_unstable();
        intervals.dedup();
        intervals
    }

    fn size(&self) -> LobbySize {
        LobbySize { hosts: self.living().len(), without_ttl: self.originals().len() }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Law (a): nobody who is alive is ever missing anywhere, whoever comes and goes and although packets get lost.
    #[test]
    fn nobody_who_is_alive_is_ever_missing(max_rate in 1..4u32, seed: u64, events in events()) {
        let mut lobby = Lobby::new(max_rate, 0.1, seed);
        let mut met = vec![vec![false; 200]; 200];
        for event in events {
            let Event::Pass(seconds) = event else {
                lobby.happens(event);
                continue;
            };
            for _ in 0..seconds {
                lobby.pass(SECOND);
                let missing = lobby.missing(&mut met);
                prop_assert_eq!(missing, None, "{:?}", lobby.intervals());
            }
        }
    }

    /// Laws (b) and (c): two intervals after the last event all send at the right interval, and at no more than the rate.
    #[test]
    fn soon_after_an_event_all_send_at_the_right_interval(max_rate in 1..4u32, seed: u64, events in events()) {
        let mut lobby = Lobby::new(max_rate, 0.0, seed);
        events.iter().for_each(|event| lobby.happens(*event));
        let longest = lobby.intervals().last().copied().unwrap_or_default();
        // Those that left without a goodbye are dead only after their TTL.
        lobby.pass(longest * 6 + TTL);
        let expected = lobby.pace.interval(lobby.size());
        lobby.pass(lobby.intervals().last().copied().unwrap_or_default().max(expected) * 2);
        let stretched = lobby.hosts.iter().flatten().any(|host| host.schedule.is_some());
        prop_assert_eq!(lobby.intervals(), if stretched { vec![expected] } else { vec![] });
        let before = lobby.packets;
        lobby.pass(expected * 10);
        let rate = (lobby.packets - before) as f64 / (expected.as_secs_f64() * 10.0);
        let hosts = lobby.living().len() as f64;
        let allowed = if lobby.originals().is_empty() { f64::from(max_rate) } else { 0.0 };
        let allowed = allowed.max(hosts / KEEP_ALIVE.as_secs_f64() * f64::from(u8::from(expected == KEEP_ALIVE)));
        prop_assert!(rate <= allowed * MARGIN, "{rate} of {allowed}");
    }
}

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
    /// When the last packets were sent.
    sent: VecDeque<Instant>,
    joined: VecDeque<Instant>,
    /// Until when packets count that an original has called forth.
    loud_until: Instant,
}

impl Fleet {
    fn new() -> Self {
        let start = now();
        let pace = Pace { keep_alive: KEEP_ALIVE, ttl: TTL, max_rate: 200 };
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
            joined: VecDeque::new(),
            loud_until: start,
        }
    }

    fn join(&mut self, hosts: usize, within: Duration) {
        for _ in 0..hosts {
            let (index, random) = (self.schedules.len(), self.random.next());
            self.size.hosts += 1;
            self.joined.push_back(self.now);
            self.schedules.push(Some(HiSchedule::new(self.pace, self.now)));
            self.good_until.push(self.now);
            self.send(index, random, true);
            self.pass(within.div_f64(hosts as f64));
        }
    }

    fn leave(&mut self, hosts: usize) {
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
        schedule.resize(size, now);
        if is_first {
            schedule.sent(random, now);
        } else {
            assert!(schedule.is_due(random, now));
            assert!(self.good_until[index] > now, "law (a): it was missing");
        }
        let ttl = if size.without_ttl > 0 { TTL } else { schedule.ttl().unwrap().duration() };
        self.good_until[index] = now + ttl;
        self.due.push(Reverse((schedule.deadline(), index)));
        self.sent.push_back(now);
        self.check_rate();
    }

    /// Law (b), over the last ten seconds. What newcomers send before they know the lobby counts
    /// apart: three packets each.
    fn check_rate(&mut self) {
        for times in [&mut self.sent, &mut self.joined] {
            while times.front().is_some_and(|at| self.now - *at > WINDOW) {
                times.pop_front();
            }
        }
        let hosts = self.size.hosts as f64 / KEEP_ALIVE.as_secs_f64();
        let is_loud = self.size.without_ttl > 0 || self.now < self.loud_until;
        let rate = if is_loud { hosts.max(200.0) } else { 200.0 };
        let allowed = rate * WINDOW.as_secs_f64() * MARGIN + (self.joined.len() * 3) as f64;
        let at = (self.now - self.start).as_secs();
        assert!(self.sent.len() as f64 <= allowed, "{} at {at} s: {allowed}", self.sent.len());
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
    fn assert_interval(&self, seconds: u64) {
        let expected = Duration::from_secs(seconds);
        assert_eq!(self.pace.interval(self.size), expected);
        let intervals = self.schedules.iter().flatten().map(HiSchedule::interval);
        assert_eq!(intervals.filter(|interval| *interval != expected).count(), 0);
    }

    /// The packets a second in a time.
    fn rate(&mut self, time: Duration) -> f64 {
        let (mut packets, until) = (0, self.now + time);
        while self.now < until {
            self.sent.clear();
            self.pass(SECOND);
            packets += self.sent.len();
        }
        packets as f64 / time.as_secs_f64()
    }
}

#[test]
fn ten_thousand_hosts_send_as_much_as_a_thousand() {
    let mut fleet = Fleet::new();
    fleet.join(1000, SECOND * 60);
    fleet.pass(SECOND * 10);
    fleet.assert_interval(5);
    assert!((190.0..=201.0).contains(&fleet.rate(SECOND * 20)));
    fleet.join(9000, SECOND * 1200);
    fleet.pass(SECOND * 100);
    fleet.assert_interval(50);
    let rate = fleet.rate(SECOND * 100);
    assert!((190.0..=220.0).contains(&rate), "{rate}");
    // Some die, and the others notice it when their TTL is over.
    fleet.leave(4000);
    fleet.pass(SECOND * 100);
    fleet.assert_interval(30);
    fleet.join(4000, SECOND * 600);
    fleet.pass(SECOND * 100);
    fleet.assert_interval(50);
}

#[test]
fn an_original_brings_ten_thousand_back_within_a_keep_alive() {
    let mut fleet = Fleet::new();
    fleet.join(10_000, SECOND * 1200);
    fleet.pass(SECOND * 100);
    for _ in 0..2 {
        fleet.assert_interval(50);
        fleet.originals(1);
        // From now on it lets everybody expire who is silent for TTL.
        let came = fleet.now;
        fleet.pass(KEEP_ALIVE);
        fleet.assert_interval(5);
        fleet.pass(SECOND * 60);
        let silent = fleet.good_until.iter().filter(|until| **until <= came + SECOND * 60);
        assert_eq!(silent.count(), 0);
        fleet.originals(0);
        fleet.pass(SECOND * 60);
    }
}

#[test]
fn a_thousand_hosts_send_as_they_always_did() {
    let mut fleet = Fleet::new();
    fleet.join(1000, SECOND * 60);
    for _ in 0..20 {
        let mut last = vec![fleet.now; 1000];
        fleet.pass(KEEP_ALIVE);
        for (schedule, last) in fleet.schedules.iter().flatten().zip(&mut last) {
            assert_eq!(schedule.interval(), KEEP_ALIVE);
            assert_eq!(schedule.ttl().unwrap().duration(), TTL);
            assert!(schedule.deadline() - *last <= KEEP_ALIVE * 2);
        }
    }
}
